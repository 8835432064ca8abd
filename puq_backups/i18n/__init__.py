"""Translation of messages, dates, numbers and sizes."""
