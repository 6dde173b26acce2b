"""The view: the dimensions in which a sighting is compared with its key's habits."""

from enum import IntEnum
from typing import Final

from chatelaine.core.detection.evidence_habit import Value
from chatelaine.model.detection import Dimension, Sighting
from chatelaine.model.exchange import NetworkClass, Operation
from chatelaine.model.words import SECOND

HOUR: Final = 3600 * SECOND
LONGEST: Final = 80
"""Characters of a text that are looked at: a caller chooses some of them."""
DIGITS: Final = 12
"""Digits of a keyed hash that are held: of a million million pairs, four are alike."""
IMPOSSIBLE: Final = -1
"""Stands for every cap of zero and less."""
REFUSAL: Final = 4
"""Hundreds of the statuses whose every number tells something."""
WIDEST: Final = 39
"""The largest band of sizes."""


class Dim(IntEnum):
    """A dimension of habit; those from ``STATUS`` on are known only when an exchange is over."""

    PREFIX = 0
    ASN = 1
    COUNTRY = 2
    NETWORK = 3
    CLIENT = 4
    """JA4 and header order."""
    PROGRAM = 5
    """The agent's family."""
    AGENT = 6
    MODEL = 7
    SHAPE = 8
    """Bits: it lists models, or asks the impossible."""
    CAP = 9
    STREAM = 10
    USER = 11
    """Whether an end user is named."""
    TURN = 12
    """Whether it goes on with a conversation."""
    SYSTEM = 13
    CLOCK = 14
    """The hour of the day, in sixes."""
    STATUS = 15
    BLOCKED = 16
    INPUT = 17
    """Tokens, in powers of the square root of two."""
    OUTPUT = 18


ASKED, ALL = int(Dim.STATUS), len(Dim)

ROOM: Final = (48, 16, 16, 8, 24, 16, 16, 16, 4, 16, 2, 2, 2, 24, 4, 8, 2, 40, 40)
"""How many values a key's habit holds in each dimension."""

WEIGHED_AS: Final = {Dimension.PREFIX: Dim.PREFIX, Dimension.MODEL: Dim.MODEL}
"""Which of a habit's dimensions are weighed as what they are, of those that an owner declares."""

UNIQUE: Final = {Dim.PREFIX: 1e-4, Dim.SYSTEM: 1e-3}
"""How likely a stranger shows the very value of an owner, where hardly two share one."""


def size_band(tokens: int) -> int:
    """Return which power of the square root of two a number of tokens reaches."""
    if tokens <= 0:
        return 0
    bits = tokens.bit_length()
    return min(WIDEST, 2 * bits + (tokens >> (bits - 2) & 1 if bits > 1 else 0))


def told(at: int, value: Value) -> str:
    """Return a value in a dimension as an analyst reads it."""
    if at in {Dim.INPUT, Dim.OUTPUT}:
        band = int(value)
        half = 3 if band & 1 else 2
        return f"{half << (band >> 1) >> 2}+ tokens"
    if at == Dim.CLOCK:
        return f"{6 * int(value)}-{6 * int(value) + 5} h UTC"
    if at == Dim.NETWORK:
        return str(NetworkClass(int(value)).name or "unknown").lower()
    return str(value) or "none"


def client_of(s: Sighting) -> str:
    """Return the client of a sighting, whatever network it comes from."""
    return f"{s.ja4[:LONGEST]}|{s.header_hash[:LONGEST]}"


def asked(s: Sighting, client: str, *, goes_on: bool) -> tuple[Value, ...]:
    """Return a sighting's values in the dimensions that are known when it is opened."""
    cap = s.cap
    impossible = cap is not None and cap <= 0
    return (
        s.prefix[:LONGEST],
        s.asn,
        s.country[:LONGEST],
        int(s.network),
        client,
        s.agent_family[:LONGEST],
        s.agent[:LONGEST],
        s.model[:LONGEST],
        (s.operation == Operation.LIST) + 2 * impossible,
        0 if cap is None else IMPOSSIBLE if impossible else cap,
        1 if s.stream else 0,
        1 if s.end_user else 0,
        1 if goes_on else 0,
        s.system_hash[:DIGITS],
        s.at // HOUR % 24 // 6,
    )


def outcome(s: Sighting) -> tuple[Value, ...]:
    """Return a sighting's values in the dimensions that are known when it is over."""
    status = s.status
    return (
        status if status // 100 == REFUSAL else status // 100,
        1 if s.blocked else 0,
        size_band(s.input_tokens),
        size_band(s.output_tokens),
    )
