"""How gunicorn serves your application with puq-backups: gunicorn --config deploy/gunicorn.py yourapp:app."""

bind = "127.0.0.1:8000"
# Pages read the database and wait for nothing else, so a few threads go a long way.
worker_class = "gthread"
workers = 2
threads = 8
# The application is loaded in each process: connections to the database must not be shared after a fork.
preload_app = False
# A restart lets requests end. The longest asks Proxmox something and waits up to 40 seconds.
timeout = 60
graceful_timeout = 45
# Memory that grows in the host's own code is given back now and then, not in all processes at once.
max_requests = 5000
max_requests_jitter = 500
