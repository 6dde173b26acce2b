"""Links: what is told of other owners is so, is bounded, and is the same after a restart."""

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatelaine.core.detection.links import LASTS, NOWHERE, Elsewhere, Links
from chatelaine.core.detection.links_kept import changes, take_up
from chatelaine.core.detection.scene import traits_of
from chatelaine.core.key.habit import Habit
from chatelaine.model.detection import Phase, Sighting, Trait
from chatelaine.model.words import SECOND, ContextId, ExchangeId, Instant, KeyId, OwnerId

START: Final = 1_790_000_000 * SECOND
HOUR: Final = 3_600 * SECOND
DAY: Final = 24 * HOUR


def seen(owner: str, at: int = 0, **fields: str | int) -> Sighting:
    told = {"key": f"key-of-{owner}", "phase": Phase.WHOLE, "status": 200, **fields}
    return Sighting(at=Instant(START + at), exchange=ExchangeId("e"), owner=OwnerId(owner), **told)  # type: ignore[arg-type]  # words are str


def warm() -> Links:
    links = Links()
    links.look(seen("somebody", -2 * DAY, system_hash="other"))
    return links


def hop(links: Links, owner: str, turn: int, **fields: str | int) -> Elsewhere:
    chain = {"chain": f"t{turn}", "parent_chain": f"t{turn - 1}" if turn else "", "messages": 2 * turn + 2}
    return links.look(seen(owner, turn * SECOND, **{**chain, "system_hash": "s", **fields}))


def test_a_turn_before_under_a_strangers_key_is_told_with_key_and_owner() -> None:
    links = Links()
    assert hop(links, "acme", 0) is NOWHERE
    told = hop(links, "zeta", 1)
    assert (told.parent_key, told.parent_owner, told.hops, told.parent_firm) == (
        "key-of-acme",
        "acme",
        1,
        True,
    )
    assert told.parent_at == START


def test_hops_of_one_conversation_are_counted_and_turns_in_place_are_not() -> None:
    links = Links()
    owners = ["acme", "zeta", "zeta", "acme", "kilo"]
    assert [hop(links, owner, turn).hops for turn, owner in enumerate(owners)] == [0, 1, 0, 2, 3]


def test_a_turn_before_that_this_owner_sent_too_is_no_hop() -> None:
    links = Links()
    hop(links, "zeta", 0)
    hop(links, "acme", 0)
    assert hop(links, "zeta", 1) is NOWHERE
    assert hop(links, "acme", 1) is NOWHERE


@pytest.mark.parametrize(
    ("before", "after", "firm"),
    [
        ({"system_hash": "", "messages": 1}, {"system_hash": ""}, False),
        ({"system_hash": "", "messages": 2}, {"system_hash": ""}, True),
        ({"system_hash": "s", "messages": 1}, {"system_hash": "s"}, True),
        ({"system_hash": "s", "messages": 1}, {"system_hash": "z"}, False),
    ],
)
def test_a_turn_is_firm_where_strangers_do_not_write_it_by_chance(
    before: dict[str, str | int], after: dict[str, str | int], firm: bool
) -> None:
    links = Links()
    hop(links, "acme", 0, **before)
    assert hop(links, "zeta", 1, **after).parent_firm is firm


def test_a_turn_is_forgotten_after_a_day() -> None:
    links = Links()
    links.look(seen("acme", chain="t0", messages=4))
    assert links.look(seen("zeta", LASTS + 1, parent_chain="t0", messages=6)) is NOWHERE


@pytest.mark.parametrize(
    ("field", "told"),
    [
        ("system_hash", "owners_with_system"),
        ("context", "owners_with_context"),
        ("prefix", "owners_with_prefix"),
        ("ja4", "owners_with_client"),
        ("header_hash", "owners_with_client"),
    ],
)
def test_what_other_owners_show_is_told_by_their_names(field: str, told: str) -> None:
    links = warm()
    assert links.look(seen("acme", **{field: "x"})) is NOWHERE
    assert getattr(links.look(seen("zeta", **{field: "x"})), told) == ("acme",)
    assert getattr(links.look(seen("acme", **{field: "x"})), told) == ("zeta",)


def test_nothing_shared_is_told_in_the_first_day_and_conversations_are() -> None:
    links = Links()
    links.look(seen("acme", system_hash="s", chain="t0", messages=4))
    told = links.look(seen("zeta", SECOND, system_hash="s", parent_chain="t0"))
    assert told.owners_with_system == ()
    assert told.parent_owner == "acme"


def test_what_two_owners_have_shared_for_three_days_links_nobody() -> None:
    links = warm()
    told = [
        links.look(seen(owner, hour * HOUR, prefix="192.0.2.0/24")).owners_with_prefix
        for hour in range(0, 96, 12)
        for owner in ("acme", "zeta")
    ]
    assert told[1] == ("acme",)
    assert told[-1] == told[-2] == ()
    assert links.look(seen("kilo", 96 * HOUR, prefix="192.0.2.0/24")) is NOWHERE


def test_what_was_shared_before_a_days_pause_is_fresh_again() -> None:
    links = warm()
    for owner in ("acme", "zeta"):
        links.look(seen(owner, 0, context="c"))
    assert links.look(seen("acme", 5 * DAY, context="c")) is NOWHERE
    assert links.look(seen("zeta", 5 * DAY, context="c")).owners_with_context == ("acme",)


def test_the_same_body_is_counted_for_one_key_within_five_minutes() -> None:
    links = Links()
    told = [links.look(seen("acme", n * SECOND, body_hash="b")).same_body for n in range(4)]
    assert told == [0, 2, 3, 4]
    assert links.look(seen("acme", 301 * SECOND, body_hash="b")).same_body == 1
    assert links.look(seen("zeta", 302 * SECOND, body_hash="b")).owners_with_body == ("acme",)


def test_a_body_that_failed_is_not_counted() -> None:
    links = Links()
    for n in range(5):
        assert links.look(seen("acme", n, body_hash="b", status=503)) is NOWHERE


def test_a_body_that_was_sent_for_a_day_is_a_routine() -> None:
    links = Links()
    for hour in range(25):
        links.look(seen("acme", hour * HOUR, body_hash="b"))
    assert links.look(seen("acme", 24 * HOUR + SECOND, body_hash="b")) is NOWHERE


def test_an_opening_is_looked_up_for_clients_and_its_end_for_bodies() -> None:
    links = warm()
    for owner in ("acme", "zeta"):
        links.look(seen(owner, context="c", body_hash="b", phase=Phase.OPENED))
    assert links.look(seen("acme", body_hash="b", phase=Phase.ENDED, context="c")) is NOWHERE
    assert links.look(seen("zeta", body_hash="b", phase=Phase.ENDED, context="c")).owners_with_body == (
        "acme",
    )


@pytest.mark.parametrize("phase", [Phase.ADMIN, Phase.WHOLE])
def test_what_has_no_owner_is_not_taken_in(phase: Phase) -> None:
    links = Links()
    nobody = seen("", context=ContextId("c"), body_hash="b", chain="t", phase=phase)
    assert links.look(nobody) is NOWHERE
    assert [name for name, _ in changes(links)] == ["begun"]


def test_traits_tell_of_links_and_of_repeats() -> None:
    one, habit = seen("acme"), Habit()
    assert Trait.LINKED not in traits_of(one, habit)
    assert Trait.LINKED in traits_of(one, habit, elsewhere=NOWHERE._replace(owners_with_body=(OwnerId("z"),)))
    repeated = traits_of(one, habit, elsewhere=NOWHERE._replace(same_body=10))
    assert Trait.REPEATED in repeated
    assert Trait.LINKED not in repeated
    assert Trait.REPEATED not in traits_of(one, habit, elsewhere=NOWHERE._replace(same_body=9))


# Properties.

values = st.sampled_from(["", "a", "b", "c"])
sightings = st.lists(
    st.builds(
        seen,
        owner=st.sampled_from(["", "acme", "zeta", "kilo"]),
        at=st.integers(-DAY, 5 * DAY),
        phase=st.sampled_from(list(Phase)),
        key=st.sampled_from([KeyId("k1"), KeyId("k2")]),
        status=st.sampled_from([0, 200, 429]),
        context=values,
        prefix=values,
        ja4=values,
        system_hash=values,
        body_hash=values,
        chain=values,
        parent_chain=values,
        messages=st.integers(0, 4),
    ),
    max_size=40,
)


@given(sightings, st.integers(0, 40))
def test_an_index_that_was_kept_and_read_back_goes_on_as_if_it_had_not(
    told: list[Sighting], cut: int
) -> None:
    told = sorted(told, key=lambda one: one.at)
    whole, first, second = Links(), Links(), Links()
    expected = [whole.look(one) for one in told]
    found = [first.look(one) for one in told[:cut]]
    take_up(second, changes(first))
    assert found + [second.look(one) for one in told[cut:]] == expected


@given(sightings)
def test_no_owner_is_told_of_itself_and_nothing_is_told_twice(told: list[Sighting]) -> None:
    links = Links()
    for one in told:
        found = links.look(one)
        assert found.parent_owner != one.owner or not found.parent_owner
        for owners in found[5:10]:
            assert isinstance(owners, tuple)
            assert one.owner not in owners
            assert len(owners) == len(set(owners)) <= 8


@given(st.integers(2, 40), st.integers(1, 200))
def test_no_table_grows_beyond_its_bound(most: int, count: int) -> None:
    links = Links(most)
    for n in range(count):
        value = f"v{n}"
        links.look(seen("acme", n, chain=value, context=value, prefix=value, ja4=value, body_hash=value))
    assert all(len(table.all()) <= most for table in (links.turns, links.bodies, *links.shared))
    assert f"v{count - 1}" in links.turns.all()


def test_a_value_is_not_shown_with_more_than_eight_owners() -> None:
    links = warm()
    for n in range(20):
        told = links.look(seen(f"owner{n}", n, system_hash="s"))
    assert len(told.owners_with_system) == 7
    assert told.owners_with_system[:2] == ("owner0", "owner1")
