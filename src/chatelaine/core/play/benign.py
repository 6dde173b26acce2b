"""What owners do that looks like theft and is none: the hard negatives of threat catalogue 7."""

from collections.abc import Callable, Mapping
from typing import Final

from msgspec.structs import replace

from chatelaine.core.play import place, program, wish
from chatelaine.core.play.cast import Casting, Owner, Plot, build_of
from chatelaine.core.play.life import DAY, HOUR, Source, Trouble, daily, steady
from chatelaine.core.play.wish import Sizes, Wish
from chatelaine.model.exchange import Operation
from chatelaine.model.play import Part
from chatelaine.model.words import Instant

_LATER_BUILD: Final = 17


def _plot(name: str, at: Instant, owner: Owner, *sources: Source) -> Plot:
    """Return the plot of one owner; what begins at the instant or later belongs to the scenario."""
    return Plot(
        name=name, part=Part.BENIGN, begins_at=at, holders=(owner.holder,),
        sources=tuple(replace(one, story=name) if one.begins_at >= at else one for one in sources),
    )  # fmt: skip


def _after(source: Source, at: Instant) -> tuple[Source, Source]:
    """Return a source that ends at an instant, and itself from then on, to be changed."""
    return replace(source, ends_at=at), replace(source, begins_at=at)


def shared_key(casting: Casting, at: Instant) -> Plot:
    """One key is used by production, the build service and a developer's laptop."""
    owner, chance = casting.owner("static"), casting.chance("shared_key")
    main = owner.main
    builds = replace(main, place=place.BUILDERS, per_day=40.0, programs=(build_of(chance, ("requests",)),))
    laptop = replace(
        main,
        place=place.dynamic(chance),
        programs=(build_of(chance, program.BY_HAND),),
        per_day=30.0,
        begins_at=at,
    )
    return _plot("shared_key", at, owner, main, builds, laptop)


def serverless_egress(casting: Casting, at: Instant) -> Plot:
    """A service becomes serverless: from then on its address is another every few minutes."""
    owner, chance = casting.owner("static"), casting.chance("serverless_egress")
    before, after = _after(owner.main, at)
    return _plot(
        "serverless_egress", at, owner, before,
        replace(after, place=place.elastic(chance, place.CLOUDS, customers=200)),
    )  # fmt: skip


def vpn_move(casting: Casting, at: Instant) -> Plot:
    """An office begins to reach the world by a commercial VPN."""
    owner, chance = casting.owner("office"), casting.chance("vpn_move")
    before, after = _after(owner.main, at)
    moved = replace(after, place=place.fixed(chance, place.TUNNELS, 3))
    return _plot("vpn_move", at, owner, before, moved, *owner.sources[1:])


def model_upgrade(casting: Casting, at: Instant) -> Plot:
    """A service changes to a newer and dearer model on one day."""
    owner = casting.owner("static")
    before, after = _after(owner.main, at)
    newer = replace(after.wish.asked, model=wish.NEWER)
    return _plot("model_upgrade", at, owner, before, replace(after, wish=replace(after.wish, asked=newer)))


def batch_embedding(casting: Casting, at: Instant) -> Plot:
    """A service embeds all its documents anew: six hours of an operation it never used, at full speed."""
    owner = casting.owner("static")
    vectors = Wish(wish.plain(Operation.EMBEDDING, wish.VECTORS), Sizes(2_000, 0.4), Sizes(1))
    batch = replace(
        owner.main, wish=vectors, per_day=40_000.0, rhythm=steady(), burst=0.1,
        begins_at=at, ends_at=Instant(at + 6 * HOUR),
    )  # fmt: skip
    return _plot("batch_embedding", at, owner, *owner.sources, batch)


def red_team(casting: Casting, at: Instant) -> Plot:
    """An owner tests its own guardrails for a day: a third of all requests is stopped by the filter."""
    owner, chance = casting.owner("office"), casting.chance("red_team")
    tests = replace(
        owner.main,
        programs=(build_of(chance, ("requests",)),),
        per_day=1_500.0,
        trouble=Trouble(blocked=0.33),
        begins_at=at,
        ends_at=Instant(at + DAY),
    )
    return _plot("red_team", at, owner, *owner.sources, tests)


def market_launch(casting: Casting, at: Instant) -> Plot:
    """An application opens in another country: other hours, another prompt, twice the traffic."""
    owner, chance = casting.owner("edge"), casting.chance("market_launch")
    main = owner.main
    asked = replace(main.wish.asked, system_hash=wish.chat(wish.SMALL, system=chance.digits()).system_hash)
    launched = replace(
        main,
        place=place.fixed(chance, place.CLOUDS, 3),
        wish=replace(main.wish, asked=asked, users=200),
        rhythm=daily(chance.below(24)),
        begins_at=at,
    )
    return _plot("market_launch", at, owner, main, launched)


def sdk_upgrade(casting: Casting, at: Instant) -> Plot:
    """A new image brings a newer SDK and TLS library: agent, header order and JA4 change at once."""
    owner = casting.owner("static")
    main = replace(owner.main, programs=(program.program("openai-python", 2),))
    before, after = _after(main, at)
    return _plot(
        "sdk_upgrade", at, owner, before,
        replace(after, programs=(program.program("openai-python", _LATER_BUILD),)),
    )  # fmt: skip


def retry_storm(casting: Casting, at: Instant) -> Plot:
    """A client without back-off sends the same body again and again while it is answered 429."""
    owner = casting.owner("static")
    main = owner.main
    storm = replace(
        main,
        wish=replace(main.wish, turns=1e9, repeats=True),
        per_day=60_000.0,
        rhythm=steady(),
        trouble=Trouble(limited=0.97),
        begins_at=at,
        ends_at=Instant(at + HOUR),
    )
    return _plot("retry_storm", at, owner, *owner.sources, storm)


def filter_heavy(casting: Casting, at: Instant) -> Plot:
    """A clinic's application is stopped by the filter in one request of twelve, from its first day on."""
    owner = casting.owner("static")
    before, after = _after(replace(owner.main, trouble=Trouble(blocked=0.08)), at)
    return _plot("filter_heavy", at, owner, before, after)


def volume_spike(casting: Casting, at: Instant) -> Plot:
    """A campaign brings an application fifteen times its traffic for three hours."""
    owner = casting.owner("static")
    main = owner.main
    spike = replace(
        main, per_day=main.per_day * 15, rhythm=steady(), begins_at=at, ends_at=Instant(at + 3 * HOUR)
    )
    return _plot("volume_spike", at, owner, *owner.sources, spike)


BENIGN: Final[Mapping[str, Callable[[Casting, Instant], Plot]]] = {
    one.__name__: one
    for one in (
        shared_key, serverless_egress, vpn_move, model_upgrade, batch_embedding, red_team,
        market_launch, sdk_upgrade, retry_storm, filter_heavy, volume_spike,
    )
}  # fmt: skip
