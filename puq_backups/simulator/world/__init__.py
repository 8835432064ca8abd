"""The state of the simulated cluster and the rules by which it changes."""
