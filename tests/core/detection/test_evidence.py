"""The evidence engine: what it finds, what it learns, and what it must never do."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.detection.sightings import BEGIN, DAY, hostile, of_owner, of_thief, with_

from chatelaine.core.detection.evidence import Engine
from chatelaine.core.detection.evidence_said import Weight
from chatelaine.model.detection import Family, Phase, Sighting
from chatelaine.model.words import SECOND

LARGEST_KEY = 16_384


def run(engine: Engine, sightings: list[Sighting]) -> list[Weight]:
    """Return all weights of sightings in turn."""
    return [weight for s in sightings if (weight := engine.weigh(s)) is not None]


@pytest.fixture
def settled() -> Engine:
    """Return an engine that has watched three owners for twelve days."""
    engine = Engine()
    days = [list(of_owner(12, key=f"key00000{n}", owner=f"owner{n}")) for n in range(1, 4)]
    run(engine, sorted((s for one in days for s in one), key=lambda s: s.at))
    return engine


def begun(days: float) -> int:
    """Return an instant so many days after the beginning."""
    return BEGIN + int(days * 24) * 3600 * SECOND


def test_an_owner_who_goes_on_as_usual_is_never_weighed(settled: Engine) -> None:
    usual = [with_(s, at=s.at + 12 * DAY) for s in of_owner(2, owner="owner1")]
    assert run(settled, usual) == []


def test_a_thief_is_found_at_the_first_requests_and_evidence_grows(settled: Engine) -> None:
    weights = run(settled, list(of_thief(begun(12.4), 20, owner="owner1")))
    assert [weight.requests for weight in weights] == [1, 2, 3, 5, 10, 20]
    assert weights[1].score > 0
    assert weights[-1].raw > weights[0].raw


def test_families_of_evidence_add_up_to_all_of_it(settled: Engine) -> None:
    for weight in run(settled, list(of_thief(begun(12.4), 5, owner="owner1"))):
        assert sum(weight.families.values()) == pytest.approx(weight.raw)
        assert set(weight.families) == set(Family)


def test_reasons_name_what_was_seen_and_what_is_usual(settled: Engine) -> None:
    weight = run(settled, list(of_thief(begun(12.4), 3, owner="owner1")))[-1]
    named = {name: (shown, usual) for name, _, shown, usual in weight.reasons}
    assert weight.reasons[0][1] == max(nats for _, nats, _, _ in weight.reasons)
    assert named["model"] == ("o9-max", "gpt-4o-mini")
    assert named["input"][0] == "8192+ tokens"
    assert all(nats < 0 for _, nats, _, _ in weight.against)


def test_a_new_machine_of_the_owner_weighs_less_than_a_thief(settled: Engine) -> None:
    elsewhere = [
        with_(s, at=s.at + 12 * DAY, prefix="198.51.100.0/24", ip="198.51.100.3", context="cc")
        for s in of_owner(1, owner="owner1")
    ][:20]
    thief = list(of_thief(begun(12.4), 20, key="key000002", owner="owner2"))
    ours = max(weight.raw for weight in run(settled, elsewhere))
    assert ours < max(weight.raw for weight in run(settled, thief)) / 2


def test_the_same_stranger_on_two_owners_keys_weighs_more(settled: Engine) -> None:
    alone = run(settled, list(of_thief(begun(12.4), 5, key="key000001", owner="owner1")))
    linked = run(settled, list(of_thief(begun(12.41), 5, key="key000002", owner="owner2")))
    assert linked[-1].raw > alone[-1].raw


def test_keys_of_one_owner_are_no_link(settled: Engine) -> None:
    run(settled, list(of_thief(begun(12.4), 5, key="key000001", owner="owner1")))
    settled.keys["key000002"].owner = "owner1"
    same = run(settled, list(of_thief(begun(12.41), 5, key="key000002", owner="owner1")))
    other = run(settled, list(of_thief(begun(12.41), 5, key="key000003", owner="owner3")))
    assert same[-1].raw < other[-1].raw


def test_openings_and_endings_weigh_as_much_as_whole_exchanges(settled: Engine) -> None:
    twin = Engine()
    twin.load(msgspec.json.decode(msgspec.json.encode(settled.dump())))
    thief = list(of_thief(begun(12.4), 10, owner="owner1"))
    halves = [with_(s, phase=phase) for s in thief for phase in (Phase.OPENED, Phase.ENDED)]
    assert run(twin, halves)[-1].raw == pytest.approx(run(settled, thief)[-1].raw)


def test_a_frozen_key_learns_nothing_and_still_weighs(settled: Engine) -> None:
    settled.freeze("key000001")
    before = settled.keys["key000001"].dump()["habits"]
    weights = run(settled, list(of_thief(begun(12.4), 30, owner="owner1")))
    run(settled, [with_(s, at=s.at + 12 * DAY) for s in of_owner(9, owner="owner1")])
    assert weights
    assert settled.keys["key000001"].dump()["habits"] == before
    settled.thaw("key000001")
    run(settled, [with_(s, at=s.at + 22 * DAY) for s in of_owner(1, owner="owner1")])
    assert settled.keys["key000001"].dump()["habits"] != before


def test_what_a_human_admits_is_no_longer_weighed(settled: Engine) -> None:
    thief = list(of_thief(begun(12.4), 10, owner="owner1"))
    assert run(settled, thief)
    settled.admit("key000001")
    assert run(settled, [with_(s, at=s.at + 3600 * SECOND) for s in thief]) == []


def test_keys_that_nobody_knows_can_be_frozen_thawed_and_admitted() -> None:
    engine = Engine()
    engine.freeze("nobody")
    engine.thaw("nobody")
    engine.admit("nobody")
    assert engine.keys == {}


def test_an_administrator_and_a_request_without_key_are_not_weighed() -> None:
    engine = Engine()
    admin = with_(next(of_owner(1)), phase=Phase.ADMIN)
    assert engine.weigh(admin) is None
    assert engine.weigh(with_(admin, phase=Phase.WHOLE, key="")) is None
    assert engine.keys == {}


def test_a_restored_engine_goes_on_as_if_it_had_never_stopped(settled: Engine) -> None:
    run(settled, list(of_thief(begun(12.4), 7, owner="owner1")))
    twin = Engine()
    twin.load(msgspec.json.decode(msgspec.json.encode(settled.dump())))
    assert twin.dump() == settled.dump()
    later = [with_(s, at=s.at + 13 * DAY) for s in of_owner(3, owner="owner1")]
    later += list(of_thief(begun(17), 40, owner="owner1"))
    assert run(twin, later) == run(settled, later)
    assert twin.dump() == settled.dump()


@pytest.mark.parametrize("name", ["keys", "crowd", "prefixes", "fresh", "scale", "day"])
def test_a_state_that_lacks_a_part_is_refused(settled: Engine, name: str) -> None:
    state = settled.dump()
    del state[name]
    with pytest.raises(ValueError, match="a dump of evidence"):
        Engine().load(state)


@settings(max_examples=60, deadline=None)
@given(st.lists(hostile, max_size=40))
def test_no_sighting_raises_and_equal_ones_give_equal_weights(sightings: list[Sighting]) -> None:
    one, two = Engine(), Engine()
    assert run(one, sightings) == run(two, sightings)
    assert one.dump() == two.dump()


@settings(max_examples=25, deadline=None)
@given(st.lists(hostile, min_size=5, max_size=30), st.integers(1, 29))
def test_a_dump_in_the_middle_of_anything_changes_nothing(sightings: list[Sighting], at: int) -> None:
    whole, first, second = Engine(), Engine(), Engine()
    expected = run(whole, sightings)
    got = run(first, sightings[:at])
    second.load(first.dump())
    assert got + run(second, sightings[at:]) == expected


def test_the_state_of_a_key_is_bounded_whatever_is_sent() -> None:
    engine = Engine()
    for number in range(6000):
        noise = with_(
            next(of_owner(1)),
            at=BEGIN + number * 600 * SECOND,
            context=f"{number:016x}",
            prefix=f"10.{number % 250}.{number // 250}.0/24",
            asn=number % 700,
            ja4=f"t13d{number % 90:04d}h2_8daaf6152771_02713d6af862",
            agent=f"agent {number}" + "x" * 60,
            system_hash=f"{number:032x}",
            chain=f"{number:032x}",
            cap=number,
        )
        engine.weigh(noise)
    assert len(msgspec.json.encode(engine.keys["key000001"].dump())) < LARGEST_KEY


def test_a_prefix_that_others_share_is_known_only_to_a_key_that_roams() -> None:
    engine = Engine()
    shared = [f"10.9.{number}.0/24" for number in range(200)]
    sightings = [
        with_(s, prefix=shared[(number * 7 + day) % 150], context=f"{number}")
        for day in range(12)
        for who in range(6)
        for number, s in enumerate(
            with_(one, at=one.at + day * DAY) for one in of_owner(1, key=f"roams0000{who}", owner=f"r{who}")
        )
    ]
    sightings += of_owner(12, owner="steady")
    run(engine, sorted(sightings, key=lambda s: s.at))
    new = with_(next(of_owner(1, owner="steady")), at=begun(12.4), prefix=shared[3], context="new")
    assert engine.prefixes.established(shared[3], "steady", new.at // (3600 * SECOND))
    assert engine.weigh(new) is not None
