"""Parameters of API calls and options of VMs: types, formats, limits."""
