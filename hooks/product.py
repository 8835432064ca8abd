"""What the provider's staff sees when a product or a server is set up."""

from collections.abc import Mapping
from typing import Any

from puq_backups import accounts
from puq_backups.hooking import module_function
from puq_backups.packages import CHOICES, OPTIONS
from puq_backups.pve.access import version
from puq_backups.pve.client import Proxmox
from puq_backups.toolbox import Toolbox

TEXTS = {"storage", "additional_storage", "bridge", "email_restored", "restore_storage"}
DEFAULTS = {"backups": "0", "mode": "snapshot", "compression": "zstd", "rotation": "before"}


@module_function
def MetaData() -> dict[str, Any]:
    """How WHMCS lists this module."""
    return {
        "DisplayName": "PUQ Backups for Proxmox KVM",
        "APIVersion": "1.1",
        "RequiresServer": True,
        "DefaultSSLPort": "8006",
    }


@module_function
def ConfigOptions() -> dict[str, dict[str, Any]]:
    """The 24 product settings, in the order of configoption1 to configoption24."""
    return {title: _option(title, name) for title, name in OPTIONS}


def _option(title: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = {"FriendlyName": title, "Type": "text", "Size": "25" if name in TEXTS else "10"}
    if name in CHOICES:
        found = {"FriendlyName": title, "Type": "dropdown", "Options": ",".join(CHOICES[name])}
    return {**found, "Default": DEFAULTS.get(name, "")}


@module_function
def TestConnection(toolbox: Toolbox, params: Mapping[str, Any]) -> dict[str, Any]:
    """Whether Proxmox answers with these credentials."""
    version(Proxmox(accounts.server_access(params, toolbox)))
    return {"success": True, "error": ""}
