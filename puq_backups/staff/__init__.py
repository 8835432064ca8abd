"""Data of the staff pages, staff-only actions and the doctor. Imports no Flask; the views are in `web/admin`."""
