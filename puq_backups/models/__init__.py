"""What is so: our tables, one model a file."""

from .audit import AuditEntry
from .backup import Backup
from .base import PREFIX, VERSION_TABLE, Base, UTCDateTime, is_id, new_id, now
from .chore import Chore
from .database import Database, database_now, when_committed
from .email_template import EmailTemplate
from .hidden_volume import HiddenVolume
from .mail import Mail
from .operation import ENDED, LIVE, Operation
from .server import Server
from .service import Service
from .storage import Storage

__all__ = [
    "ENDED",
    "LIVE",
    "PREFIX",
    "VERSION_TABLE",
    "AuditEntry",
    "Backup",
    "Base",
    "Chore",
    "Database",
    "EmailTemplate",
    "HiddenVolume",
    "Mail",
    "Operation",
    "Server",
    "Service",
    "Storage",
    "UTCDateTime",
    "database_now",
    "is_id",
    "new_id",
    "now",
    "when_committed",
]
