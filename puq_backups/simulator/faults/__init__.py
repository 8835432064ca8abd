"""Conditions and faults. Importing this package registers all controls."""

from . import nodes, requests, storages, vms
from .registry import BadControl, perform

__all__ = ["BadControl", "nodes", "perform", "requests", "storages", "vms"]
