"""Database tables, one model per file, with sessions, leases and the audit writer."""

from .audit import AuditEntry
from .backup import Backup
from .base import PREFIX, VERSION_TABLE, Base, UTCDateTime, at_present, is_valid_id, new_id, now
from .chore import Chore
from .database import Database, after_commit
from .database_time import DatabaseTime, database_now
from .email_template import EmailTemplate
from .hidden_volume import HiddenVolume
from .mail import Mail
from .operation import ACTIVE_STATES, ENDED_STATES, Operation
from .server import Server
from .service import PROTECTION, Service
from .set_aside import SetAside, not_set_aside
from .storage import Storage
from .trouble import Trouble

__all__ = [
    "ACTIVE_STATES",
    "ENDED_STATES",
    "PREFIX",
    "PROTECTION",
    "VERSION_TABLE",
    "AuditEntry",
    "Backup",
    "Base",
    "Chore",
    "Database",
    "DatabaseTime",
    "EmailTemplate",
    "HiddenVolume",
    "Mail",
    "Operation",
    "Server",
    "Service",
    "SetAside",
    "Storage",
    "Trouble",
    "UTCDateTime",
    "after_commit",
    "at_present",
    "database_now",
    "is_valid_id",
    "new_id",
    "not_set_aside",
    "now",
]
