"""Wishes: what a program asks for again and again, and the conversations in which it asks.

Sizes are lognormal, as those of published traces are (ServeGen, BurstGPT, Azure's LLM traces).
"""

from math import exp
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from chatelaine.core.play.chance import Chance, mix
from chatelaine.model.exchange import Asked, Modality, Operation
from chatelaine.model.words import KeyedHash, ProviderId

OPENAI: Final = ProviderId("openai")
SMALL: Final = "gpt-4o-mini"
MIDDLE: Final = "gpt-5-mini"
LARGE: Final = "gpt-4o"
NEWER: Final = "gpt-5"
TOP: Final = "o1"
IMAGE: Final = "gpt-image-1"
VECTORS: Final = "text-embedding-3-small"

PRICES: Final = {
    SMALL: (150, 600),
    MIDDLE: (250, 2_000),
    LARGE: (2_500, 10_000),
    NEWER: (1_250, 10_000),
    TOP: (15_000, 60_000),
    IMAGE: (5_000, 40_000),
    VECTORS: (20, 0),
}
"""NanoUsd for a token in and out."""

_STRAY_BITS: Final = 10
_TALKS: Final = 8
"""Conversations that are held at the same time."""
_TALK_BITS: Final = 3
_BYTES_A_TOKEN: Final = 4
_GROWTH: Final = 0.35
"""What each turn adds to the input, as a part of the first one's."""
_MOST_INPUT: Final = 400_000
_ABSENT_EVERY: Final = 25
"""One request in so many lacks the end user that the others name."""
_ROUTES: Final = {
    Operation.CHAT: "/v1/chat/completions",
    Operation.EMBEDDING: "/v1/embeddings",
    Operation.IMAGE: "/v1/images/generations",
    Operation.LIST: "/v1/models",
}
_MODALITIES: Final = {
    Operation.CHAT: (Modality.TEXT,),
    Operation.EMBEDDING: (Modality.TEXT, Modality.VECTOR),
    Operation.IMAGE: (Modality.IMAGE, Modality.TEXT),
    Operation.LIST: (),
}


def _strays(chance: Chance) -> tuple[float, ...]:
    return tuple(chance.normal() for _ in range(1 << _STRAY_BITS))


_STRAYS: Final = _strays(Chance(45))
"""Normal deviates that every size is made with: to look one up costs a tenth of drawing it."""


class Sizes(Struct, frozen=True):
    """The median of a lognormal size in tokens, and how far it strays."""

    median: float
    sigma: float = 0.8
    most: int = 32_768

    def take(self, roll: int) -> int:
        """Return a size, by bits of chance."""
        drawn = int(self.median * exp(self.sigma * _STRAYS[roll % len(_STRAYS)]))
        return max(1, min(drawn, self.most))


class Wish(Struct, frozen=True):
    """What is asked for again and again."""

    asked: Asked
    """What all requests have in common."""
    input: Sizes
    output: Sizes
    turns: float = 1.0
    """Requests of a conversation, on average."""
    users: int = 0
    """End users that are named; 0: none are."""
    repeats: bool = False
    """Whether every body is the same to the byte."""


def chat(
    model: str, *, cap: int | None = None, stream: bool = False, tools: int = 0, system: str = ""
) -> Asked:
    """Return what chat requests have in common; ``system``: the keyed hash of their system prompt."""
    numbers: list[tuple[str, float]] = []
    if cap is not None:
        numbers.append(("max_tokens", float(cap)))
    if stream:
        numbers.append(("stream", 1.0))
    return Asked(
        provider=OPENAI,
        route=_ROUTES[Operation.CHAT],
        operation=Operation.CHAT,
        model=model,
        stream=stream,
        modalities=_MODALITIES[Operation.CHAT],
        numbers=tuple(numbers),
        tools=tools,
        output_cap=cap if cap is not None and cap > 0 else None,
        system_hash=KeyedHash(system) if system else None,
    )


def plain(operation: Operation, model: str = "") -> Asked:
    """Return what requests have in common that are no conversation: vectors, images, lists."""
    return Asked(
        provider=OPENAI,
        route=_ROUTES[operation],
        operation=operation,
        model=model,
        modalities=_MODALITIES[operation],
    )


class Said(Struct, frozen=True, gc=False):
    """One request as it is recorded, and what it will use."""

    asked: Asked
    input_tokens: int
    output_tokens: int


class Speaker:
    """Asks for one wish, again and again, in conversations of its own."""

    __slots__ = ("_chance", "_end", "_talks", "_users", "wish")

    def __init__(self, wish: Wish, chance: Chance) -> None:
        self.wish = wish
        self._chance = chance
        self._end = int((1 << 16) / max(wish.turns, 1.0))
        self._users = tuple(KeyedHash(chance.digits()) for _ in range(wish.users))
        self._talks = [_Talk(chance) for _ in range(_TALKS)]

    def say(self) -> Said:
        """Return the next request."""
        wish, roll = self.wish, self._chance.bits()
        into, out = wish.input.take(roll), wish.output.take(roll >> _STRAY_BITS)
        roll >>= 2 * _STRAY_BITS
        talk = self._talks[roll % _TALKS]
        if wish.repeats:
            talk, into = self._talks[0], wish.input.take(0)
            talk.again()
        before = talk.chain if talk.turn else None
        into = min(int(into * (1.0 + _GROWTH * talk.turn)), _MOST_INPUT)
        if wish.asked.operation is Operation.LIST:
            return Said(wish.asked, 0, 0)
        asked = replace(
            wish.asked,
            messages=2 * talk.turn + 1 + (wish.asked.system_hash is not None),
            body_bytes=into * _BYTES_A_TOKEN + 60,
            input_estimate=into,
            body_hash=talk.body(),
            chain=talk.go_on() if wish.asked.operation is Operation.CHAT else None,
            parent_chain=before,
            end_user=self._user(roll),
        )
        if (roll >> _TALK_BITS & 0xFFFF) < self._end:
            talk.begin(self._chance)
        return Said(asked, into, 0 if wish.asked.operation is Operation.EMBEDDING else self._out(out))

    def _out(self, size: int) -> int:
        cap = self.wish.asked.output_cap
        return size if cap is None else min(size, cap)

    def _user(self, roll: int) -> KeyedHash | None:
        users = self._users
        if not users or roll % _ABSENT_EVERY == 0:
            return None
        return users[(roll >> 19) % len(users)]


class _Talk:
    """A conversation: turns whose chains follow from one another."""

    __slots__ = ("_high", "_low", "chain", "turn")

    def __init__(self, chance: Chance) -> None:
        self._high = self._low = 0
        self.begin(chance)

    def begin(self, chance: Chance) -> None:
        """Begin another conversation."""
        self._high, self._low = chance.bits(), chance.bits()
        self.turn = 0
        self.chain: KeyedHash | None = None

    def go_on(self) -> KeyedHash:
        """Take the next turn and return its chain."""
        self.turn += 1
        self.chain = KeyedHash(f"{mix(self._high ^ self.turn):016x}{mix(self._low ^ self.turn):016x}")
        return self.chain

    def again(self) -> None:
        """Go back to its first turn."""
        self.turn, self.chain = 0, None

    def body(self) -> KeyedHash:
        """Return the hash of the next turn's body."""
        turn = self.turn + 1
        return KeyedHash(f"{mix(self._low ^ turn << 8):016x}{mix(self._high ^ turn << 16):016x}")
