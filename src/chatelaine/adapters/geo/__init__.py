"""Networks by address: the embedded table, and the operator's own files before it."""

from chatelaine.adapters.geo.book import AddressTables, MemoryAddresses

__all__ = ["AddressTables", "MemoryAddresses"]
