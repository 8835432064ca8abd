"""The pages: a way in, no decisions."""
