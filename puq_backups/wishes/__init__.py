"""What a person may wish for: each is checked, written down as an operation, and rung for after the commit."""

from .backups import back_up_now, edit_note, keep, note_text, remove
from .cancelling import cancel
from .reinstalls import reinstall
from .restores import back, restore, retry
from .schedule import save_schedule

__all__ = [
    "back", "back_up_now", "cancel", "edit_note", "keep", "note_text", "reinstall", "remove", "restore", "retry",
    "save_schedule",
]  # fmt: skip
