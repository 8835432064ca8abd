"""Recorded exchanges: playing them and comparing the answers."""
