"""Read one line of a foreign log."""


def read(line: bytes) -> bytes | None:
    """Return what a line says, or None where it says nothing that is of use."""
    return line.removeprefix(b"template ") if line.startswith(b"template ") else None
