"""What staff sees and may do beyond a client: facts of the staff pages, staff actions, doctor. Imports no Flask."""
