"""Plan the actions against one kind of alert."""


def plan(alert: str) -> tuple[str, ...]:
    """Return the actions, in order, that answer an alert; each of them can be undone."""
    return ("template",) if alert == "template" else ()
