"""Nouns of the simulator: what a play is made for, and what is true of its exchanges."""

from enum import StrEnum

from msgspec import Struct

from chatelaine.model.exchange import Network
from chatelaine.model.words import ExchangeId, Instant, KeyId, OwnerId


class Part(StrEnum):
    """What a scenario plays."""

    BENIGN = "benign"
    """An owner does something unusual that is nobody's theft."""
    THEFT = "theft"
    """Somebody else uses an owner's key."""


class Label(Struct, frozen=True, gc=False):
    """What is true of one exchange; an exchange without a label is an owner's everyday one."""

    exchange: ExchangeId
    at: Instant
    key: KeyId
    scenario: str
    part: Part


class Outline(Struct, frozen=True):
    """What a play holds, told before it begins: the truth that belongs to no single exchange."""

    scenario: str
    part: Part
    begins_at: Instant
    """When the scenario's first exchange may come."""
    keys: tuple[KeyId, ...]
    owners: tuple[OwnerId, ...]
    canaries: tuple[KeyId, ...] = ()
    """Those of the keys that are planted: no owner uses them."""


class Call(Struct, frozen=True):
    """What a play is asked for."""

    seed: int
    begins_at: Instant
    days: int
    bystanders: int
    """Owners beside those that scenarios bring with them."""
    scenarios: tuple[str, ...]


class Range(Struct, frozen=True):
    """A run of addresses that stand for one network, and how long a client keeps one of them."""

    networks: tuple[Network, ...]
    kept_for: int = 0
    """Nanoseconds; 0: any address at any time."""
