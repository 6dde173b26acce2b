"""Every item of every shelf, checked, and put to its vectors."""

from chatelaine.catalog.detection import read_detections, try_detections
from chatelaine.catalog.folder import SHELVES, TEMPLATE, find_faults, items, shelf
from chatelaine.catalog.playbook import read_playbooks, try_playbooks
from chatelaine.catalog.provider import try_providers
from chatelaine.model.error import CardError, Fault


def check() -> None:
    """Check every item of every shelf, and run its vectors.

    Raises:
        CardError: an item is not whole, or fails its own vectors; with all faults of all shelves.
    """
    faults = [
        fault
        for name in SHELVES
        for item in (*items(shelf(name)), shelf(name).joinpath(TEMPLATE))
        for fault in find_faults(name, item)
    ]
    faults += try_providers(faults)
    faults += try_detections(faults)
    faults += try_playbooks(faults)
    faults += _find_unanswered()
    if faults:
        raise CardError(faults)


def _find_unanswered() -> list[Fault]:
    """Return a fault for each card that names a playbook that is not there."""
    playbooks = read_playbooks(shelf("playbooks"), [])
    known = sorted(one.card.id for one in playbooks)
    named = [
        (f"detections/{one.card.id}/detection.toml", one.card.playbook)
        for one in read_detections(shelf("detections"), [])
    ]
    named += [(f"playbooks/{one.card.id}/playbook.toml", one.card.then or one.card.id) for one in playbooks]
    return [
        Fault(where, f"there is no playbook {name!r}", f"one of {', '.join(known)}")
        for where, name in named
        if name not in known
    ]
