"""Self-service backups of Proxmox KVM virtual machines for a Flask billing application."""

from .errors import Refused
from .extension import Backups
from .hook_registry.decorators import hook
from .host import Actor, Host

__all__ = ["Actor", "Backups", "Host", "Refused", "hook"]
