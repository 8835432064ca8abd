"""Figures of real processes beyond one machine: `make machines`."""
