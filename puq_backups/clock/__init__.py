"""Time-driven work: the tick, due slots, periodic maintenance and heartbeats."""
