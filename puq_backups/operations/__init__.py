"""The operation engine: queue, state changes and the four operations (backup, restore, remove, reinstall)."""
