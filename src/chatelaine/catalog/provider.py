"""The shelf of providers, read and put to its vectors."""

import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from typing import Final, cast

import msgspec

from chatelaine.catalog.folder import find_verb, items, shelf, vectors
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

_METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})


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


def providers() -> Mapping[ProviderId, Provider]:
    """Return every provider by its id.

    Raises:
        CardError: cards cannot be read, contradict each other, or name what is not there.
    """
    cards, faults = read_providers(shelf("providers"))
    found: dict[ProviderId, Provider] = {}
    for card in cards:
        refuse = _verb(card.id, faults)
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


def _verb(item: str, faults: list[Fault]) -> Refuse | None:
    return cast("Refuse | None", find_verb("providers", item, faults))


def try_providers(faults: list[Fault]) -> list[Fault]:
    """Return what is wrong with the shelf, its vectors included; verbs that are missing go to ``faults``."""
    cards, found = read_providers(shelf("providers"))
    return found or _try_all(cards, faults)


def _try_all(cards: list[ProviderCard], faults: list[Fault]) -> list[Fault]:
    table = RouteTable(cards)
    found: list[Fault] = []
    for card in cards:
        refuse = _verb(card.id, faults)
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
