"""What we decide and do to a VM, one operation a file."""
