"""The locks of the shelves: id, version and content of every item, so that no item changes unnoticed."""

import tomllib
from collections.abc import Iterator
from hashlib import sha256
from importlib.resources.abc import Traversable
from typing import Final

import msgspec

from chatelaine.catalog.folder import SHELVES, AnyCard, items
from chatelaine.model.error import Fault

_LOCKED_FIELDS: Final = 3
_RAISE: Final = "raise its version"


def content_hash(item: Traversable) -> str:
    """Return a SHA-256 over the names and contents of all files of an item, in hexadecimal digits."""
    state = sha256()
    for path, content in sorted(_contents(item, "")):
        state.update(b"%d:%b%d:" % (len(path.encode()), path.encode(), len(content)))
        state.update(content)
    return state.hexdigest()


def _contents(folder: Traversable, path: str) -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        if entry.is_dir() and entry.name != "__pycache__":
            yield from _contents(entry, f"{path}{entry.name}/")
        elif entry.is_file():
            yield f"{path}{entry.name}", entry.read_bytes()


def lock_name(name: str) -> str:
    """Return the name of the file in a shelf's folder that holds its lock."""
    return f"{name}.lock"


def lock(name: str, folder: Traversable, held: str = "") -> str:
    """Return the lock of a shelf: one line an item, ``id version hash``, sorted.

    Lines of items that are gone stay, so that no id is ever given twice.
    """
    lines = {line.split()[0]: line for line in held.splitlines() if line.strip()}
    for item in items(folder):
        lines[item.name] = f"{item.name} {_version(name, item)} {content_hash(item)}"
    return "".join(f"{lines[known]}\n" for known in sorted(lines))


def check_lock(name: str, folder: Traversable, held: str) -> list[Fault]:
    """Return a fault for each item that is not as the lock says.

    An item is not locked yet, or its content changed while its version did not, or its version is
    not above the one that is locked: that of an earlier item of its id, perhaps.
    """
    lines = [line.split() for line in held.splitlines()]
    known = {fields[0]: fields for fields in lines if len(fields) == _LOCKED_FIELDS}
    faults: list[Fault] = []
    for item in items(folder):
        where = f"{name}/{item.name}"
        if item.name not in known:
            faults.append(Fault(where, "the item is not locked", "make lock"))
            continue
        _, version, content = known[item.name]
        if content != content_hash(item):
            newer = _version(name, item) > int(version)
            message = "is not locked in its new version" if newer else "changed, and its version did not"
            faults.append(Fault(where, f"the item {message}", "make lock" if newer else _RAISE))
    return faults


def find_unraised(name: str, folder: Traversable, held: str) -> list[Fault]:
    """Return a fault for each item that no lock may be written for: it changed, and its version did not."""
    return [fault for fault in check_lock(name, folder, held) if fault.hint == _RAISE]


def _version(name: str, item: Traversable) -> int:
    card = tomllib.loads(item.joinpath(SHELVES[name].card).read_text("utf-8"))
    return msgspec.convert(card, AnyCard).version
