"""Locks on the storage directory: one supervisor, and one process that works on the store.

The kernel lets a lock go when its holder dies, however it dies.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chatelaine.model.error import ProcessFailed

_LOOK = 0.02
_LOOKED_AT = 0.2
"""Seconds in which whoever only looks whether there is a supervisor has let the lock go again."""


@contextmanager
def supervisor_lock(path: Path) -> Iterator[None]:
    """Hold the storage directory as its one supervisor.

    Raises:
        ProcessFailed: another one has it; the message names its process.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not _lock_within(file, _LOOKED_AT):
            raise ProcessFailed(
                f"{path.parent} is in use by another `chatelaine up` (pid {supervisor(path) or 'unknown'})",
                hint="stop that one, or set storage.directory to another directory",
            )
        os.ftruncate(file, 0)
        os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(file)


def supervisor(path: Path) -> str:
    """Return the process id of the last supervisor that took the storage directory, or "" for none."""
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except FileNotFoundError:
        return ""


def supervised(path: Path) -> bool:
    """Tell whether a supervisor holds the storage directory."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


@contextmanager
def hub_lock(directory: Path, *, patience: float) -> Iterator[None]:
    """Hold what one process at a time may hold: the hub, or a command that works on the store.

    Raises:
        ProcessFailed: another one holds it for longer than ``patience`` seconds.
    """
    file = os.open(directory / "hub.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not _lock_within(file, patience):
            raise ProcessFailed(
                f"another process works on {directory}",
                hint=f"wait for it; `fuser -v {directory / 'hub.lock'}` names it",
            )
        yield
    finally:
        os.close(file)


def _lock_within(file: int, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while not _try_lock(file):
        if time.monotonic() > until:
            return False
        time.sleep(_LOOK)
    return True


def _try_lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
