"""A small billing application that mounts puq-backups: the example a host developer copies."""
