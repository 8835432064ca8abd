"""HTTPS and everything between a connection and the function that answers a call."""
