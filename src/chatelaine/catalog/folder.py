"""The shelves: their folders, what every item consists of, and what an item lacks."""

import tomllib
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final, NamedTuple

import msgspec

from chatelaine.model.error import Fault

TEMPLATE: Final = "_template"
_PACKAGE: Final = "chatelaine"
_HEADINGS: Final = ("**Sees.**", "**Why.**", "**Misses.**", "**Triage.**")
_OUTCOMES: Final = ("fires_", "quiet_")


class Shelf(NamedTuple):
    """What every item of a shelf consists of."""

    card: str
    verb: str


SHELVES: Mapping[str, Shelf] = {
    "providers": Shelf("provider.toml", "refuse"),
    "guards": Shelf("guard.toml", "judge"),
    "detections": Shelf("detection.toml", "detect"),
    "playbooks": Shelf("playbook.toml", "plan"),
    "sources": Shelf("source.toml", "read"),
    "exports": Shelf("export.toml", "write"),
}


class AnyCard(msgspec.Struct):
    """What the cards of all shelves have."""

    id: str
    title: str
    version: int


def shelf(name: str) -> Traversable:
    """Return the folder of a shelf."""
    return files(_PACKAGE).joinpath(name)


def items(folder: Traversable) -> Iterator[Traversable]:
    """Yield the items of a shelf in the order of their names, its template left out."""
    for item in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if item.is_dir() and not item.name.startswith("_"):
            yield item


def find_verb(name: str, item: str, faults: list[Fault]) -> Callable[..., object] | None:
    """Return the function that an item is; that there is none is added to ``faults``."""
    verb = SHELVES[name].verb
    where = f"{name}/{item}/{verb}.py"
    try:
        found: Callable[..., object] | None = getattr(
            import_module(f"{_PACKAGE}.{name}.{item}.{verb}"), verb, None
        )
    except ImportError as error:
        faults.append(Fault(where, str(error), f"every item has its {verb}.py"))
        return None
    if found is None:
        faults.append(Fault(where, f"there is no function {verb}", f"compare it with {name}/{TEMPLATE}"))
    return found


def find_faults(name: str, item: Traversable) -> Iterator[Fault]:
    """Yield what an item lacks of what each item of its shelf has."""
    kind = SHELVES[name]
    where = f"{name}/{item.name}"
    for part in (kind.card, f"{kind.verb}.py", "README.md", "__init__.py"):
        if not item.joinpath(part).is_file():
            yield Fault(f"{where}/{part}", "the file is missing", f"copy {name}/{TEMPLATE}")
    yield from _judge_any_card(item.joinpath(kind.card), f"{where}/{kind.card}")
    readme = item.joinpath("README.md")
    if readme.is_file():
        text = readme.read_text("utf-8")
        yield from (
            Fault(f"{where}/README.md", f"{heading} is missing", "sees, why, misses, triage")
            for heading in _HEADINGS
            if heading not in text
        )
    names = [vector.name for vector in vectors(item)]
    for outcome in _OUTCOMES:
        if not any(vector.startswith(outcome) for vector in names):
            yield Fault(f"{where}/vectors", f"there is no {outcome}*.txt", "each item has one at least")


def _judge_any_card(card: Traversable, where: str) -> Iterator[Fault]:
    if not card.is_file():
        return
    try:
        msgspec.convert(tomllib.loads(card.read_text("utf-8")), AnyCard)
    except (ValueError, msgspec.ValidationError) as error:
        yield Fault(where, str(error), "a card has id, title and version at least")


def vectors(item: Traversable) -> list[Traversable]:
    """Return the vectors of an item in the order of their names."""
    folder = item.joinpath("vectors")
    if not folder.is_dir():
        return []
    found = [entry for entry in folder.iterdir() if entry.name.endswith(".txt")]
    return sorted(found, key=lambda entry: entry.name)
