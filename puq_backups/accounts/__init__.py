"""Services as the host declares them: registered, suspended, changed, terminated."""
