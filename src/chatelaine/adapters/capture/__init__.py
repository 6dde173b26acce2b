"""Captured content on disk: encrypted segments, one writer a worker, and whoever reads or deletes them."""

from chatelaine.adapters.capture.memory import MemoryCapture
from chatelaine.adapters.capture.place import purge, segments, sweep
from chatelaine.adapters.capture.reader import CaptureReader
from chatelaine.adapters.capture.segment_capture import SegmentCapture
from chatelaine.adapters.capture.writer import SegmentWriter

__all__ = ["CaptureReader", "MemoryCapture", "SegmentCapture", "SegmentWriter", "purge", "segments", "sweep"]
