"""What thieves do with owners' keys: campaigns from public reports, with their numbers."""

from collections.abc import Callable, Iterator, Mapping
from heapq import merge
from typing import Final

from msgspec.structs import replace

from chatelaine.core.play import place, program, script, wish
from chatelaine.core.play.cast import Casting, Owner, Plot, build_of
from chatelaine.core.play.chance import Chance
from chatelaine.core.play.deed import Deed
from chatelaine.core.play.life import DAY, HOUR, Source, Trouble, steady
from chatelaine.core.play.place import MINUTE
from chatelaine.core.play.script import Thief
from chatelaine.core.play.wish import Sizes, Wish
from chatelaine.model.event import KeyChanged
from chatelaine.model.exchange import Operation, RefusalReason
from chatelaine.model.key import KeyState
from chatelaine.model.play import Part, Range
from chatelaine.model.words import Instant, KeyId

_DELAYS: Final = (10 * MINUTE, 2 * HOUR, 12 * HOUR)
"""From the first probe to the first use that pays: minutes to a day (2.2)."""
_ROLE_PLAY: Final = Wish(
    wish.chat(wish.LARGE, cap=400, stream=True), Sizes(3_600, 0.7, 16_384), Sizes(330, 0.5, 1_024), turns=9.0
)
"""Long repeated character cards and short answers (2.2)."""
_AGENTS: Final = 40


def _thief(chance: Chance, story: str, systems: tuple[int, ...] = place.HOSTERS) -> Thief:
    where = place.fixed(chance, systems, 1 + chance.below(3))
    return Thief(where.networks, build_of(chance, program.THIEVES_OWN), story)


def _plot(thief: Thief, at: Instant, owners: tuple[Owner, ...], *foreign: Source | Iterator[Deed]) -> Plot:
    """Return the plot of a theft: its victims' lives, and what the thief lives and does by script."""
    lives = [one for one in foreign if isinstance(one, Source)]
    scripts = [one for one in foreign if not isinstance(one, Source)]
    return Plot(
        name=thief.story,
        part=Part.THEFT,
        begins_at=at,
        holders=tuple(owner.holder for owner in owners),
        sources=(*(source for owner in owners for source in owner.sources), *lives),
        scripts=tuple(scripts),
    )


def _use(thief: Thief, owner: Owner, asked: Wish, per_hour: float, span: tuple[int, int]) -> Source:
    """Return a thief's own steady use of a key."""
    return Source(
        holder=owner.holder,
        place=Range(thief.networks),
        programs=(thief.program,),
        wish=asked,
        per_day=per_hour * 24,
        rhythm=steady(),
        burst=0.3,
        trouble=Trouble(limited=0.05, bad=0.0, blocked=0.04),
        begins_at=Instant(span[0]),
        ends_at=Instant(span[1]),
        story=thief.story,
    )


def _span(casting: Casting, chance: Chance, at: int, hours: float) -> tuple[int, int]:
    begin = at + chance.pick(_DELAYS)
    return begin, min(int(begin + hours * HOUR), casting.ends_at)


def burst(casting: Casting, at: Instant) -> Plot:
    """A key is probed, its models are enumerated, then 61,000 calls come within three hours (Sysdig)."""
    owner, chance = casting.owner("static"), casting.chance("burst")
    thief = _thief(chance, "burst")
    span = _span(casting, chance, at, 3)
    return _plot(
        thief, at, (owner,),
        script.probe(thief, owner.holder, at, chance.branch("probe")),
        script.enumerate_models(thief, owner.holder, at + 2 * MINUTE, chance.branch("models")),
        _use(thief, owner, _ROLE_PLAY, 61_000 / 3, span),
    )  # fmt: skip


def role_play(casting: Casting, at: Instant) -> Plot:
    """A role-play service runs on one key: 75,000 calls in two days without a pause (Permiso)."""
    owner, chance = casting.owner("static"), casting.chance("role_play")
    thief = _thief(chance, "role_play")
    span = _span(casting, chance, at, 48)
    asked = replace(_ROLE_PLAY, turns=14.0)
    return _plot(
        thief, at, (owner,),
        script.probe(thief, owner.holder, at, chance.branch("probe")),
        _use(thief, owner, asked, 75_000 / 48, span),
    )  # fmt: skip


def proxy_resale(casting: Casting, at: Instant) -> Plot:
    """A reverse proxy resells three keys: many agents, one TLS stack, a check every 90 minutes."""
    owners = tuple(casting.owner() for _ in range(3))
    chance = casting.chance("proxy_resale")
    thief, agents = _thief(chance, "proxy_resale"), program.proxied(chance, chance.below(12), _AGENTS)
    span = _span(casting, chance, at, 72)
    foreign: list[Source | Iterator[Deed]] = []
    for number, owner in enumerate(owners):
        own = chance.branch(f"key {number}")
        used = _use(thief, owner, _ROLE_PLAY, own.between(70, 700), span)
        foreign += (
            script.probe(thief, owner.holder, at, own),
            script.recheck(thief, owner.holder, span, own.branch("recheck")),
            replace(used, programs=agents),
        )
    return _plot(thief, at, owners, *foreign)


def images(casting: Casting, at: Instant) -> Plot:
    """Images are made with a key that only ever wrote text, up to sixty an hour (Microsoft v. Does)."""
    owner, chance = casting.owner(), casting.chance("images")
    thief = _thief(chance, "images")
    asked = Wish(wish.plain(Operation.IMAGE, wish.IMAGE), Sizes(70, 0.6), Sizes(1_056, 0.1))
    used = _use(thief, owner, asked, chance.between(20, 60), _span(casting, chance, at, 60))
    return _plot(
        thief, at, (owner,),
        script.probe(thief, owner.holder, at, chance.branch("probe")),
        replace(used, trouble=Trouble(blocked=0.2)),
    )  # fmt: skip


def slow_resale(casting: Casting, at: Instant) -> Plot:
    """A careful reseller makes few checks and five to fifty requests an hour (Pillar)."""
    owner, chance = casting.owner(), casting.chance("slow_resale")
    thief = _thief(chance, "slow_resale")
    used = _use(thief, owner, _ROLE_PLAY, chance.between(5, 50), _span(casting, chance, at, 120))
    first = script.check(thief, owner.holder, at, chance.branch("check"))
    return _plot(thief, at, (owner,), iter((first,)), used)


def imitate(casting: Casting, at: Instant) -> Plot:
    """A thief blends in: the owner's cloud, SDK, model and sizes, no probe, few requests (Anthropic)."""
    owner, chance = casting.owner("static"), casting.chance("imitate")
    main = owner.main
    thief = Thief(place.fixed(chance, place.CLOUDS, 2).networks, main.programs[0], "imitate")
    asked = replace(main.wish, asked=replace(main.wish.asked, system_hash=None), users=0)
    used = _use(thief, owner, asked, chance.between(5, 40), (at, min(at + 4 * DAY, casting.ends_at)))
    return _plot(thief, at, (owner,), replace(used, trouble=Trouble()))


def conversation_hop(casting: Casting, at: Instant) -> Plot:
    """One conversation's turns travel on the keys of four owners, the least used one next."""
    owners = tuple(casting.owner() for _ in range(4))
    chance = casting.chance("conversation_hop")
    thief = _thief(chance, "conversation_hop")
    span = _span(casting, chance, at, 24)
    holders = tuple(owner.holder for owner in owners)
    probes = merge(
        *(script.probe(thief, one, at, chance.branch(one.key)) for one in holders), key=lambda deed: deed.at
    )
    return _plot(thief, at, owners, probes, script.hop(thief, holders, _ROLE_PLAY, span, chance))


def batch_validation(casting: Casting, at: Instant) -> Plot:
    """A checker validates the keys of sixteen owners from one machine, twelve at a time, every hour."""
    owners = tuple(casting.owner() for _ in range(16))
    chance = casting.chance("batch_validation")
    thief = _thief(chance, "batch_validation", place.TUNNELS)
    span = (at, min(at + DAY, casting.ends_at))
    return _plot(
        thief, at, owners,
        script.validate(thief, tuple(owner.holder for owner in owners), span, chance.branch("checks")),
    )  # fmt: skip


def probe_only(casting: Casting, at: Instant) -> Plot:
    """A key is checked, put on a list, and not used (Entro, Pillar)."""
    owner, chance = casting.owner(), casting.chance("probe_only")
    thief = _thief(chance, "probe_only", place.TUNNELS)
    return _plot(thief, at, (owner,), script.probe(thief, owner.holder, at, chance.branch("probe")))


def after_revocation(casting: Casting, at: Instant) -> Plot:
    """A key is revoked, its owner changes to another, and the thief goes on trying it for days."""
    owner, chance = casting.owner("static"), casting.chance("after_revocation")
    thief, successor = _thief(chance, "after_revocation"), casting.holder(owner.holder.app)
    span = _span(casting, chance, at, 6)
    revoked_at = Instant(min(span[1], casting.ends_at - HOUR))
    before = [replace(source, ends_at=revoked_at) for source in owner.sources]
    after = [replace(source, holder=successor, begins_at=revoked_at) for source in owner.sources]
    tries = (revoked_at + 1, min(revoked_at + 3 * DAY, casting.ends_at))
    plot = _plot(
        thief, at, (replace(owner, sources=(*before, *after)),),
        script.probe(thief, owner.holder, at, chance.branch("probe")),
        _use(thief, owner, _ROLE_PLAY, 60.0, (span[0], revoked_at)),
        script.knock(thief, owner.holder, tries, RefusalReason.KEY_REVOKED, chance.branch("knock")),
    )  # fmt: skip
    revoked = KeyChanged(
        revoked_at,
        owner.holder.key,
        owner.holder.owner,
        KeyState.ACTIVE,
        KeyState.REVOKED,
        "simulate",
        "stolen",
    )
    return replace(plot, changes=(revoked,), holders=(owner.holder, successor))


def canary_use(casting: Casting, at: Instant) -> Plot:
    """A key that no owner uses, planted where thieves look, is found and tried (Entro; arXiv 2604.08407)."""
    chance, planted = casting.chance("canary_use"), casting.holder("canary")
    thief = _thief(chance, "canary_use", place.TUNNELS)
    span = (at, min(at + 2 * DAY, casting.ends_at))
    tries = script.knock(thief, planted, span, RefusalReason.KEY_SUSPENDED, chance.branch("knock"))
    withheld = KeyChanged(
        casting.begins_at,
        planted.key,
        planted.owner,
        KeyState.ISSUED,
        KeyState.SUSPENDED,
        "simulate",
        "canary",
    )
    return Plot(
        name="canary_use", part=Part.THEFT, begins_at=at, holders=(planted,), scripts=(tries,),
        changes=(withheld,), canaries=(KeyId(planted.key),),
    )  # fmt: skip


THEFTS: Final[Mapping[str, Callable[[Casting, Instant], Plot]]] = {
    one.__name__: one
    for one in (
        burst, role_play, proxy_resale, images, slow_resale, imitate, conversation_hop,
        batch_validation, probe_only, after_revocation, canary_use,
    )
}  # fmt: skip
