"""Pictures and figures of the pages; all states are registered once this package is imported."""

from . import list_states as list_states
