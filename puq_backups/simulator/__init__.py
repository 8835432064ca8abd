"""A Proxmox that keeps state, behind real HTTPS.

with simulator.start() as proxmox:
    proxmox.control("slow-backup", vmid=100, seconds=3)
"""

from .faults.registry import BadControl
from .simulator import Simulator, start

__all__ = ["BadControl", "Simulator", "start"]
