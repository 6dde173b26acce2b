"""The journal on disk: who writes it, who reads it, and who looks after it."""

from chatelaine.adapters.journal.care import check, compress_closed, mend, recover
from chatelaine.adapters.journal.past import PastWriter
from chatelaine.adapters.journal.place import workers
from chatelaine.adapters.journal.reader import Tail, find_start, read_segments
from chatelaine.adapters.journal.segment_journal import SegmentJournal

__all__ = [
    "PastWriter",
    "SegmentJournal",
    "Tail",
    "check",
    "compress_closed",
    "find_start",
    "mend",
    "read_segments",
    "recover",
    "workers",
]
