"""The `flask backups …` commands."""

from .commands import backups as backups
