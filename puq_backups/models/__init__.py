"""What is so: our tables, one model a file."""
