"""Services as the host declares them: registered, suspended, changed, terminated, and purged in the end."""

from .lifecycle import change_package, refresh, suspend, terminate, unsuspend
from .params import CLIENT, server_access, service_id
from .purging import purge_due
from .registering import register
from .servers import rotate_secrets

__all__ = [
    "CLIENT",
    "change_package",
    "purge_due",
    "refresh",
    "register",
    "rotate_secrets",
    "server_access",
    "service_id",
    "suspend",
    "terminate",
    "unsuspend",
]
