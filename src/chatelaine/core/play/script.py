"""Scripts of thieves: what their tools do step by step, each from published behaviour alone.

Probes are shapes, not texts: an empty or tiny question, and a cap that cannot be or costs nothing.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from chatelaine.core.play import wish
from chatelaine.core.play.chance import Chance
from chatelaine.core.play.deed import BAD_VALUE, Deed, Holder
from chatelaine.core.play.life import HOUR
from chatelaine.core.play.place import MINUTE
from chatelaine.core.play.program import Program
from chatelaine.core.play.wish import Said, Speaker, Wish
from chatelaine.model.exchange import Network, Operation, RefusalReason
from chatelaine.model.words import SECOND, Instant, KeyedHash

_LISTED: Final = (wish.TOP, wish.NEWER, wish.LARGE, wish.MIDDLE, wish.SMALL, wish.IMAGE)
_NOT_FOUND: Final = "model_not_found"
_TINY: Final = 9
_BATCH: Final = 12
_APART: Final = SECOND // 4
"""A key checker begins batches of twelve keys 250 ms apart (threat catalogue 1.3)."""
_JITTER: Final = 0.25


class Thief(Struct, frozen=True):
    """Where a thief's tool runs and what it shows of itself."""

    networks: tuple[Network, ...]
    program: Program
    story: str

    def do(self, at: float, holder: Holder, said: Said) -> Deed:
        """Return one use of a key, answered with 200."""
        network = self.networks[holder.slot % len(self.networks)]
        return Deed(Instant(int(at)), holder, self.program.on(network), said, self.story)


def _tiny(chance: Chance, model: str, cap: int, *, empty: bool = True) -> Said:
    asked = replace(
        wish.chat(model, cap=cap),
        messages=1,
        empty=empty,
        body_bytes=90,
        input_estimate=_TINY,
        body_hash=KeyedHash(chance.digits()),
        chain=KeyedHash(chance.digits()),
    )
    return Said(asked, _TINY, 1)


def _listing() -> Said:
    return Said(wish.plain(Operation.LIST), 0, 0)


def check(thief: Thief, holder: Holder, at: float, chance: Chance) -> Deed:
    """Return the check of a key that costs nothing: an impossible cap, refused if it is good."""
    deed = thief.do(at, holder, _tiny(chance, wish.SMALL, -1))
    return replace(deed, status=400, error_code=BAD_VALUE)


def probe(thief: Thief, holder: Holder, at: float, chance: Chance) -> Iterator[Deed]:
    """Yield a key checker's first look at a key: the models, the impossible, the empty (1.3)."""
    yield thief.do(at, holder, _listing())
    at += chance.between(0.3, 3) * SECOND
    yield check(thief, holder, at, chance)
    at += chance.between(0.3, 3) * SECOND
    yield thief.do(at, holder, _tiny(chance, wish.TOP, 1))


def enumerate_models(thief: Thief, holder: Holder, at: float, chance: Chance) -> Iterator[Deed]:
    """Yield one tiny question to each model; some are not there (Sysdig, SANS ISC)."""
    for model in _LISTED:
        deed = thief.do(at, holder, _tiny(chance, model, 16, empty=False))
        missing = chance.often(0.4)
        yield replace(deed, status=404, error_code=_NOT_FOUND) if missing else deed
        at += chance.between(1, 9) * SECOND


def recheck(thief: Thief, holder: Holder, span: tuple[int, int], chance: Chance) -> Iterator[Deed]:
    """Yield a proxy's regular look whether a key still works: every 90 minutes, a quarter more or less."""
    at: float = span[0]
    while at < span[1]:
        yield check(thief, holder, at, chance)
        at += 90 * MINUTE * chance.between(1 - _JITTER, 1 + _JITTER)


def validate(
    thief: Thief, holders: Sequence[Holder], span: tuple[int, int], chance: Chance
) -> Iterator[Deed]:
    """Yield checks of many owners' keys in batches of twelve, every hour, a quarter more or less."""
    at: float = span[0]
    while at < span[1]:
        for number, holder in enumerate(holders):
            batch, place = divmod(number, _BATCH)
            yield check(thief, holder, at + batch * 3 * SECOND + place * _APART, chance)
        at += HOUR * chance.between(1 - _JITTER, 1 + _JITTER)


def hop(
    thief: Thief, holders: Sequence[Holder], asked: Wish, span: tuple[int, int], chance: Chance
) -> Iterator[Deed]:
    """Yield conversations whose turns travel on one owner's key after another's: least used first (1.3)."""
    speaker, turn = Speaker(asked, chance.branch("hop")), 0
    at = span[0] + chance.gap(40) * SECOND
    while at < span[1]:
        deed = thief.do(at, holders[turn % len(holders)], speaker.say())
        # The proxy stands where it stands, whichever key it takes.
        yield replace(deed, client=thief.program.on(thief.networks[0]))
        turn += 1
        at += max(chance.gap(40) * SECOND, 1.0)


def knock(
    thief: Thief, holder: Holder, span: tuple[int, int], reason: RefusalReason, chance: Chance
) -> Iterator[Deed]:
    """Yield tries of a key that does not hold: every quarter of an hour at first, then ever more seldom."""
    at, wait = float(span[0]), 15.0 * MINUTE
    while at < span[1]:
        said = _listing() if chance.often(0.3) else _tiny(chance, wish.LARGE, 1)
        yield replace(thief.do(at, holder, said), status=401, refused=reason)
        at += wait * chance.between(1 - _JITTER, 1 + _JITTER)
        wait *= 1.15
