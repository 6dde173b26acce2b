"""Nouns of the playbook room: what can be done against a thief, what was done, and how it is undone."""

from enum import StrEnum

from msgspec import Struct

from chatelaine.model.words import ActionId, ContextId, IncidentId, Instant, KeyId


class Lane(StrEnum):
    """How a restraint lets traffic pass; the gate carries it out."""

    REFUSE = "refuse"
    """Answered as an unknown key is."""
    QUARANTINE = "quarantine"
    """Cheaper models, text only, no tools, a low rate, short answers."""
    THROTTLE = "throttle"
    """A rate of its own, so that the owner's share is kept."""
    TARPIT = "tarpit"
    """Answered late, and as ever."""
    DECOY = "decoy"
    """Answered with a fixed, harmless text; nothing goes upstream."""


class Restraint(Struct, frozen=True):
    """What the gate does to some of a key's traffic; every one ends by itself and can be lifted.

    It holds for exchanges of its key that match every part that is not empty: so a client is held back,
    and the key's owner goes on. All parts empty: the whole key.
    """

    id: ActionId
    key: KeyId
    lane: Lane
    until: Instant
    contexts: tuple[ContextId, ...] = ()
    """Client contexts; one of them must match."""
    prefixes: tuple[str, ...] = ()
    ja4s: tuple[str, ...] = ()
    foreign: bool = False
    """Whether it holds for every context that is not of the key's habit; for none where there is no habit."""
    incident: IncidentId = IncidentId("")
    requests_per_minute: int = 0
    """Of the throttle and the quarantine lane; 0: as the settings say."""
    delay_ms: int = 0
    """Of the tarpit; 0: as the settings say."""


class UnknownClient(StrEnum):
    """What a key's owner wants done at the first request of a context its settled habit never had."""

    OBSERVE = "observe"
    QUARANTINE = "quarantine"
    REFUSE = "refuse"


class HabitTable(Struct, frozen=True):
    """A settled key's habit as the gate holds it: marks of what it normally shows (``core/context.py``)."""

    key: KeyId
    contexts: tuple[int, ...] = ()
    prefixes: tuple[int, ...] = ()
    clients: tuple[int, ...] = ()
    """Marks of JA4 and header order."""
    answer: UnknownClient = UnknownClient.OBSERVE
    """What the hub wants done; the stricter of it and what the key's owner wants holds."""
    alarmed: bool = False
    """Whether an incident on the key is open, in which what is unknown goes to the quarantine lane."""
