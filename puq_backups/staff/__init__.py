"""What staff sees and may do beyond a client: facts for their pages, and their own actions. Knows no Flask."""
