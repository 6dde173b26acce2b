"""Find one thing in events."""

from chatelaine.model.event import Event


def detect(event: Event) -> bool:
    """Tell whether an event is what this detection looks for."""
    return event.kind == "template"
