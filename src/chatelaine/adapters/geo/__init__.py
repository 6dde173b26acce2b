"""Networks by address: the embedded table, and the operator's own files before it."""

from chatelaine.adapters.geo.book import AddressTables, MemoryAddresses
from chatelaine.adapters.geo.file import open_table

__all__ = ["AddressTables", "MemoryAddresses", "open_table"]
