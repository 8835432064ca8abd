"""Self-service backups of Proxmox KVM virtual machines for a Flask billing application."""

from importlib.metadata import version

from .errors import Refused, SettingError
from .extension import Backups
from .hook_registry.decorators import hook, module_function
from .host import (
    SYSTEM,
    Actor,
    Host,
    HostService,
    HostWithEmail,
    HostWithReinstall,
    HostWithServiceIds,
    HostWithServiceParams,
    HostWithSignIn,
)
from .migrations.autogenerate import include_name

__version__ = version("puq-backups")
__all__ = [
    "SYSTEM",
    "Actor",
    "Backups",
    "Host",
    "HostService",
    "HostWithEmail",
    "HostWithReinstall",
    "HostWithServiceIds",
    "HostWithServiceParams",
    "HostWithSignIn",
    "Refused",
    "SettingError",
    "__version__",
    "hook",
    "include_name",
    "module_function",
]
