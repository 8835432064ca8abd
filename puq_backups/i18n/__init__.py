"""Translation of messages, dates and sizes into the reader's language."""
