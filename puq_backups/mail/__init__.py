"""Mail: events, merge fields, templates, the outbox and its delivery by SMTP."""
