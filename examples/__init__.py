"""Small host applications to copy from; README.md says what each shows."""
