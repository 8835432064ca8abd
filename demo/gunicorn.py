"""Configuration of gunicorn for the demo (`gunicorn --config demo/gunicorn.py`)."""

worker_class = "gthread"
threads = 8
graceful_timeout = 3
# Newer versions open a socket in the home directory otherwise; older ones do not know this setting and skip it.
control_socket_disable = True
