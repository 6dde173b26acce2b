"""The driver of the exchange room: runs one exchange along its table."""
