"""Self-service backups of Proxmox KVM virtual machines for a Flask billing application."""

from importlib.metadata import version

from .errors import Refused, SettingError
from .extension import Backups
from .hook_registry.decorators import hook, module_function
from .host import SYSTEM, Actor, Host

__version__ = version("puq-backups")
__all__ = ["SYSTEM", "Actor", "Backups", "Host", "Refused", "SettingError", "hook", "module_function"]
