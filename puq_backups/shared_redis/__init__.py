"""What all processes of a host share in Redis beside the queue: rate limits, counters, who looks, pending polls.

None of it decides what happens to a backup: without Redis limits are counted in memory, and the rest is left out.
"""
