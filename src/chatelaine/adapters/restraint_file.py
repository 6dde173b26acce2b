"""The restraints that stand, in one small file: written whole beside itself, then put in its place.

A write is durable when it returns; a crash leaves the file as it was before or as it is after.
"""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from chatelaine.model.error import StoreCorrupt, StoreError
from chatelaine.model.playbook import Restraint
from chatelaine.model.words import ActionId

_VERSION = 1
_LARGEST = 256 * 1024 * 1024
"""Bytes that are read at most: far more than all restraints that may stand."""


class _Held(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int
    restraints: tuple[Restraint, ...]


_DECODER = msgspec.json.Decoder(_Held)


def open_restraint_file(path: Path) -> "RestraintFile":
    """Read the file; where there is none, no restraint stands.

    Raises:
        StoreCorrupt: it is damaged, or not ours.
        StoreError: it cannot be read, or a newer release wrote it.
    """
    try:
        with path.open("rb") as file:
            held = _DECODER.decode(file.read(_LARGEST))
    except FileNotFoundError:
        return RestraintFile(path, ())
    except OSError as error:
        raise _unusable(path, error) from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise StoreCorrupt(
            f"the file of restraints {path} is damaged: {error}",
            hint="stop Chatelaine, move it aside, and put on again what must hold: chatelaine keys restrain",
        ) from error
    if held.version > _VERSION:
        raise StoreError(
            f"{path} was written by a newer release (version {held.version}, this one knows {_VERSION})",
            hint="run that release, or restore the copy made before it was installed",
        )
    return RestraintFile(path, held.restraints)


def _unusable(path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"the file of restraints {path} cannot be used: {error.strerror}",
        hint=f"look at the space and permissions of {path.parent}",
    )


class RestraintFile:
    """Holds restraints in memory, and all of them in the file."""

    def __init__(self, path: Path, restraints: Sequence[Restraint]) -> None:
        self._path = path
        self._held = {one.id: one for one in restraints}
        self._writing = asyncio.Lock()

    async def restraints(self) -> Sequence[Restraint]:
        """Return every restraint, in the order they were put on."""
        return tuple(self._held.values())

    async def change(self, added: Sequence[Restraint], lifted: Sequence[ActionId]) -> None:
        """Add or replace restraints and remove others, all or nothing.

        Raises:
            StoreError: the file cannot be written; everything stays as it was.
        """
        async with self._writing:
            after = {action: one for action, one in self._held.items() if action not in set(lifted)}
            after.update((one.id, one) for one in added)
            written = msgspec.json.encode(_Held(_VERSION, tuple(after.values())))
            try:
                await asyncio.to_thread(_write, self._path, written)
            except OSError as error:
                raise _unusable(self._path, error) from error
            self._held = after


def _write(path: Path, data: bytes) -> None:
    beside = path.with_name(f"{path.name}.new")
    with os.fdopen(
        os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb"
    ) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    # The new name is durable once the directory is.
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
