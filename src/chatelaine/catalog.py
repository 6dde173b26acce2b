"""The catalog: reads the shelves by their folders, checks every card, and reports all faults at once."""

import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import ModuleType

import msgspec

from chatelaine.core.grammar.index import GRAMMARS
from chatelaine.model.error import CardError, Fault
from chatelaine.model.exchange import Refusal
from chatelaine.model.provider import ProviderCard, RefusedReply, RouteCard
from chatelaine.model.words import ExchangeId, ProviderId

Refuse = Callable[[Refusal, ExchangeId], RefusedReply]

_PACKAGE = "chatelaine"


class _Card(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A provider's card as its file has it."""

    id: str
    title: str
    version: int
    credential_header: str
    credential_prefix: str = ""
    default_url: str = ""
    route: list[RouteCard]


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider of the shelf: its card and how it tells refusals."""

    card: ProviderCard
    refuse: Refuse


def items(shelf: str) -> Iterator[Traversable]:
    """Yield the folders of a shelf, its template left out."""
    for folder in sorted(files(_PACKAGE).joinpath(shelf).iterdir(), key=lambda entry: entry.name):
        if folder.is_dir() and not folder.name.startswith("_"):
            yield folder


def providers() -> Mapping[ProviderId, Provider]:
    """Return every provider by its id.

    Raises:
        CardError: cards cannot be read, contradict each other, or name what is not there.
    """
    faults: list[Fault] = []
    found: dict[ProviderId, Provider] = {}
    for folder in items("providers"):
        card = _read_card(folder, faults)
        if card is not None:
            refuse = _verb(folder, "refuse", faults)
            if refuse is not None:
                found[card.id] = Provider(card, refuse)
    faults += _conflicts([provider.card for provider in found.values()])
    if faults:
        raise CardError(faults)
    return found


def _read_card(folder: Traversable, faults: list[Fault]) -> ProviderCard | None:
    where = f"providers/{folder.name}/provider.toml"
    try:
        read = msgspec.convert(tomllib.loads(folder.joinpath("provider.toml").read_text("utf-8")), _Card)
    except (OSError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        faults.append(Fault(where, str(error), "compare it with providers/_template"))
        return None
    if read.id != folder.name:
        faults.append(
            Fault(where, f"the id is {read.id!r} and the folder {folder.name!r}", "make them equal")
        )
    faults += [
        Fault(where, f"{route.path}: no grammar is named {route.grammar!r}", f"one of {sorted(GRAMMARS)}")
        for route in read.route
        if route.grammar and route.grammar not in GRAMMARS
    ]
    return ProviderCard(
        id=ProviderId(read.id),
        title=read.title,
        version=read.version,
        credential_header=read.credential_header,
        credential_prefix=read.credential_prefix,
        default_url=read.default_url,
        routes=tuple(read.route),
    )


def _verb(folder: Traversable, name: str, faults: list[Fault]) -> Refuse | None:
    where = f"providers/{folder.name}/{name}.py"
    try:
        module: ModuleType = import_module(f"{_PACKAGE}.providers.{folder.name}.{name}")
    except ImportError as error:
        faults.append(Fault(where, str(error), "every provider tells refusals in its dialect"))
        return None
    verb: Refuse | None = getattr(module, name, None)
    if verb is None:
        faults.append(
            Fault(where, f"there is no function {name}", f"write one: providers/_template/{name}.py")
        )
    return verb


def _conflicts(cards: list[ProviderCard]) -> list[Fault]:
    seen: dict[tuple[str, str, str], ProviderId] = {}
    faults = []
    for card in cards:
        for route in card.routes:
            shape = (route.method, _shape(route.path), route.when_header)
            other = seen.setdefault(shape, card.id)
            if other != card.id:
                faults.append(
                    Fault(
                        f"providers/{card.id}/provider.toml",
                        f"{route.method} {route.path} is a route of {other} too",
                        "tell them apart by when_header",
                    )
                )
    return faults


def _shape(path: str) -> str:
    segments = path.split("/")
    return "/".join(f"{{}}{part.partition('}')[2]}" if part.startswith("{") else part for part in segments)
