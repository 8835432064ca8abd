"""Measures the figures of docs/scale.md: queries, rows and Proxmox calls, and times as ratios within one run."""
