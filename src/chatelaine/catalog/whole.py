"""Every item of every shelf, checked, and put to its vectors."""

from chatelaine.catalog.detection import try_detections
from chatelaine.catalog.folder import SHELVES, TEMPLATE, find_faults, items, shelf
from chatelaine.catalog.provider import try_providers
from chatelaine.model.error import CardError


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
    if faults:
        raise CardError(faults)
