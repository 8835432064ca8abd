"""The steps of which backup, restore, remove and reinstall are made."""
