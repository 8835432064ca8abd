"""Pictures and figures of the pages. Importing this package registers all states."""

from . import operation_states as operation_states
from . import page_states as page_states
from . import row_states as row_states
from . import schedule_states as schedule_states
