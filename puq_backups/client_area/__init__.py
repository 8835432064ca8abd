"""What a client sees and requests: facts of the Backups page, restore preview, one file per request."""
