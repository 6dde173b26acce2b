"""The catalog: reads the shelves by their folders, checks every card, and reports all faults at once."""

from chatelaine.catalog.detection import detections, read_detections, try_detection
from chatelaine.catalog.folder import SHELVES, TEMPLATE, Shelf, find_faults, items, shelf, vectors
from chatelaine.catalog.locked import check_lock, content_hash, find_unraised, lock, lock_name
from chatelaine.catalog.playbook import playbooks, read_playbooks, try_playbook
from chatelaine.catalog.provider import (
    Provider,
    providers,
    read_provider,
    read_providers,
    try_vectors,
)
from chatelaine.catalog.whole import check

__all__ = [
    "SHELVES",
    "TEMPLATE",
    "Provider",
    "Shelf",
    "check",
    "check_lock",
    "content_hash",
    "detections",
    "find_faults",
    "find_unraised",
    "items",
    "lock",
    "lock_name",
    "playbooks",
    "providers",
    "read_detections",
    "read_playbooks",
    "read_provider",
    "read_providers",
    "shelf",
    "try_detection",
    "try_playbook",
    "try_vectors",
    "vectors",
]
