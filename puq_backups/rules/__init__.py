"""Decisions as pure functions of values: weekly schedule, retention, package. No database, no network."""
