"""The catalog: reads the shelves by their folders, checks every card, and reports all faults at once."""

import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib import import_module
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import NamedTuple

import msgspec

from chatelaine.core.exchange.route import RouteTable
from chatelaine.core.exchange.template import find_conflicts, read_template
from chatelaine.core.exchange.trial import Trial, try_vector
from chatelaine.core.grammar.index import GRAMMARS
from chatelaine.core.vector import VectorBroken
from chatelaine.model.error import CardError, Fault
from chatelaine.model.exchange import Refusal
from chatelaine.model.provider import ProviderCard, RefusedReply, RouteCard
from chatelaine.model.words import ExchangeId, ProviderId

Refuse = Callable[[Refusal, ExchangeId], RefusedReply]

TEMPLATE = "_template"
_PACKAGE = "chatelaine"
_HEADINGS = ("**Sees.**", "**Why.**", "**Misses.**", "**Triage.**")
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
_OUTCOMES = ("fires_", "quiet_")
_LOCKED_FIELDS = 3
_RAISE = "raise its version"


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


class _Card(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A provider's card as its file has it."""

    id: str
    title: str
    version: int
    credential_header: str
    credential_prefix: str = ""
    default_url: str = ""
    route: list[RouteCard]


class _AnyCard(msgspec.Struct):
    """What the cards of all shelves have."""

    id: str
    title: str
    version: int


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider of the shelf: its card and how it tells refusals."""

    card: ProviderCard
    refuse: Refuse


def shelf(name: str) -> Traversable:
    """Return the folder of a shelf."""
    return files(_PACKAGE).joinpath(name)


def items(folder: Traversable) -> Iterator[Traversable]:
    """Yield the items of a shelf in the order of their names, its template left out."""
    for item in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if item.is_dir() and not item.name.startswith("_"):
            yield item


def providers() -> Mapping[ProviderId, Provider]:
    """Return every provider by its id.

    Raises:
        CardError: cards cannot be read, contradict each other, or name what is not there.
    """
    cards, faults = read_providers(shelf("providers"))
    found: dict[ProviderId, Provider] = {}
    for card in cards:
        refuse = _verb("providers", card.id, faults)
        if refuse is not None:
            found[card.id] = Provider(card, refuse)
    if faults:
        raise CardError(faults)
    return found


def read_providers(folder: Traversable) -> tuple[list[ProviderCard], list[Fault]]:
    """Return the cards of a providers shelf that can be read, and every fault of all of them."""
    faults: list[Fault] = []
    read = [read_provider(item, faults) for item in items(folder)]
    cards = [card for card in read if card is not None]
    if not faults:
        faults += find_conflicts(cards)
    return cards, faults


def read_provider(folder: Traversable, faults: list[Fault]) -> ProviderCard | None:
    """Return the card of a provider's folder; what is wrong with it is added to ``faults``."""
    where = f"providers/{folder.name}/provider.toml"
    try:
        read = msgspec.convert(tomllib.loads(folder.joinpath("provider.toml").read_text("utf-8")), _Card)
    except (OSError, ValueError, msgspec.ValidationError) as error:
        faults.append(Fault(where, str(error), "compare it with providers/_template"))
        return None
    faults += [Fault(where, *said) for said in (*_judge_card(read, folder.name), *_judge_routes(read.route))]
    return ProviderCard(
        id=ProviderId(read.id),
        title=read.title,
        version=read.version,
        credential_header=read.credential_header,
        credential_prefix=read.credential_prefix,
        default_url=read.default_url,
        routes=tuple(read.route),
    )


def _judge_card(card: _Card, folder: str) -> Iterator[tuple[str, str]]:
    if card.id != folder.lstrip("_"):
        yield f"the id is {card.id!r} and the folder {folder!r}", "make them equal"
    if card.version < 1:
        yield f"the version is {card.version}", "versions start at 1"
    if card.credential_header != card.credential_header.lower():
        yield "the credential header has capitals", "write it in lower case"
    if card.default_url and not card.default_url.startswith("https://"):
        yield "the default URL is not https", "provider keys travel over TLS"


def _judge_routes(routes: Iterable[RouteCard]) -> Iterator[tuple[str, str]]:
    for route in routes:
        try:
            read_template(route.path)
        except CardError as error:
            yield from ((f"{fault.where}: {fault.message}", fault.hint) for fault in error.faults)
        if route.method not in _METHODS:
            yield f"{route.path}: the method {route.method!r} is not known", f"one of {sorted(_METHODS)}"
        if route.grammar and route.grammar not in GRAMMARS:
            yield f"{route.path}: no grammar is named {route.grammar!r}", f"one of {sorted(GRAMMARS)}"
        if route.when_header != route.when_header.lower():
            yield f"{route.path}: when_header has capitals", "write it in lower case"


def _verb(shelf_name: str, item: str, faults: list[Fault]) -> Refuse | None:
    name = SHELVES[shelf_name].verb
    where = f"{shelf_name}/{item}/{name}.py"
    try:
        verb: Refuse | None = getattr(import_module(f"{_PACKAGE}.{shelf_name}.{item}.{name}"), name, None)
    except ImportError as error:
        faults.append(Fault(where, str(error), f"every item has its {name}.py"))
        return None
    if verb is None:
        faults.append(
            Fault(where, f"there is no function {name}", f"compare it with {shelf_name}/{TEMPLATE}")
        )
    return verb


def check() -> None:
    """Check every item of every shelf, and run its vectors.

    Raises:
        CardError: an item is not whole, or fails its own vectors; with all faults of all shelves.
    """
    faults = [
        fault
        for name in SHELVES
        for item in (*items(shelf(name)), shelf(name).joinpath(TEMPLATE))
        for fault in find_faults(name, item)
    ]
    cards, more = read_providers(shelf("providers"))
    faults += more or _try_all(cards, faults)
    if faults:
        raise CardError(faults)


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
        msgspec.convert(tomllib.loads(card.read_text("utf-8")), _AnyCard)
    except (ValueError, msgspec.ValidationError) as error:
        yield Fault(where, str(error), "a card has id, title and version at least")


def vectors(item: Traversable) -> list[Traversable]:
    """Return the vectors of an item in the order of their names."""
    folder = item.joinpath("vectors")
    if not folder.is_dir():
        return []
    found = [entry for entry in folder.iterdir() if entry.name.endswith(".txt")]
    return sorted(found, key=lambda entry: entry.name)


def _try_all(cards: list[ProviderCard], faults: list[Fault]) -> list[Fault]:
    table = RouteTable(cards)
    found: list[Fault] = []
    for card in cards:
        refuse = _verb("providers", card.id, faults)
        if refuse is not None:
            trial = Trial(card.id, table, refuse)
            found += try_vectors(trial, shelf("providers").joinpath(card.id))
    return found


def try_vectors(trial: Trial, item: Traversable) -> list[Fault]:
    """Return a fault for each thing that an item's vectors say and that is not so."""
    found: list[Fault] = []
    for vector in vectors(item):
        where = f"providers/{item.name}/vectors/{vector.name}"
        try:
            said = try_vector(trial, vector.read_text("utf-8"), quiet=vector.name.startswith("quiet_"))
        except VectorBroken as error:
            said = [str(error)]
        found += [Fault(where, message, "mend the item or its vector") for message in said]
    return found


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
    return msgspec.convert(card, _AnyCard).version
