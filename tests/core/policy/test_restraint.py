"""Whom restraints and habits hold back, and for how long."""

import pytest

from chatelaine.core.context import context_id, mark, prefix_of
from chatelaine.core.policy.restraint import Restraints, firmer
from chatelaine.model.detection import Dimension
from chatelaine.model.exchange import Client, Greeting, Network
from chatelaine.model.playbook import HabitTable, Lane, Restraint, UnknownClient
from chatelaine.model.policy import Hold
from chatelaine.model.words import SECOND, ActionId, ContextId, Instant, KeyId

KEY, OTHER = KeyId("AAAAAAAAA"), KeyId("BBBBBBBBB")
NOW, LATER = Instant(100 * SECOND), Instant(200 * SECOND)
OWNER_IP, THIEF_IP = "192.0.2.7", "203.0.113.9"


def client(ip: str = THIEF_IP, ja4: str = "t13d_thief", headers: str = "aaaaaaaaaaaa") -> Client:
    return Client(Network(ip), Greeting(ja4), "1.1", "Host", headers)


def owner(ip: str = OWNER_IP, ja4: str = "t13d_owner", headers: str = "0123456789ab") -> Client:
    return client(ip, ja4, headers)


def context(of: Client) -> ContextId:
    return context_id(prefix_of(of.network.ip), of.greeting.ja4, of.header_hash)


def a_restraint(number: int = 1, lane: Lane = Lane.REFUSE, **fields: object) -> Restraint:
    made = {"id": ActionId(f"act_{number:012}"), "key": KEY, "lane": lane, "until": LATER, **fields}
    return Restraint(**made)  # type: ignore[arg-type] - each test names fields of its own


def a_habit(**fields: object) -> HabitTable:
    mine = owner()
    prefix = prefix_of(mine.network.ip)
    made = {
        "key": KEY,
        "contexts": (mark(Dimension.CONTEXT, context(mine)),),
        "prefixes": (mark(Dimension.PREFIX, prefix),),
        "clients": (
            mark(Dimension.JA4, mine.greeting.ja4),
            mark(Dimension.HEADERS, mine.header_hash),
        ),
        **fields,
    }
    return HabitTable(**made)  # type: ignore[arg-type] - as above


def holding(*restraints: Restraint, habit: HabitTable | None = None) -> Restraints:
    table = Restraints()
    table.replace_all(restraints)
    if habit is not None:
        table.replace_habits([habit])
    return table


def lane_of(table: Restraints, one: Client, now: Instant = NOW, **asked: UnknownClient) -> Lane | None:
    hold = table.find(KEY, one, now, **asked)
    return hold.lane if hold is not None else None


def test_a_key_without_restraints_and_habit_is_held_back_by_nothing() -> None:
    table = holding(a_restraint(key=OTHER))
    assert table.find(KEY, client(), NOW) is None
    assert not table.known(KEY, client())


@pytest.mark.parametrize(
    "part",
    [
        {"prefixes": ("203.0.113.0/24",)},
        {"ja4s": ("t13d_thief", "t13d_more")},
        {"contexts": (context(client()),)},
        {"prefixes": ("203.0.113.0/24",), "ja4s": ("t13d_thief",), "contexts": (context(client()),)},
    ],
)
def test_a_restraint_holds_the_thief_and_lets_the_owner_go_on(part: dict[str, object]) -> None:
    table = holding(a_restraint(**part))
    assert lane_of(table, client()) is Lane.REFUSE
    assert lane_of(table, client("203.0.113.200")) is Lane.REFUSE
    assert lane_of(table, owner()) is None


def test_every_part_that_is_given_must_match() -> None:
    table = holding(a_restraint(prefixes=("203.0.113.0/24",), ja4s=("t13d_owner",)))
    assert lane_of(table, client()) is None
    assert lane_of(table, client(ja4="t13d_owner")) is Lane.REFUSE


def test_a_restraint_that_names_nobody_holds_the_whole_key() -> None:
    table = holding(a_restraint())
    assert lane_of(table, client()) is lane_of(table, owner()) is Lane.REFUSE


def test_a_foreign_restraint_holds_whom_the_habit_does_not_know() -> None:
    table = holding(a_restraint(foreign=True), habit=a_habit())
    assert lane_of(table, client()) is Lane.REFUSE
    assert lane_of(table, owner()) is None


def test_without_a_habit_nobody_is_foreign_so_that_no_owner_is_shut_out() -> None:
    assert lane_of(holding(a_restraint(foreign=True)), client()) is None


def test_a_restraint_ends_by_itself_also_for_a_client_that_is_remembered() -> None:
    table = holding(a_restraint(1, until=Instant(NOW + 5)), a_restraint(2, Lane.TARPIT, until=LATER))
    thief = client()
    assert [lane_of(table, thief, Instant(NOW + step)) for step in (0, 4, 5, 6)] == [
        Lane.REFUSE, Lane.REFUSE, Lane.TARPIT, Lane.TARPIT,
    ]  # fmt: skip
    assert lane_of(table, thief, LATER) is None


@pytest.mark.parametrize(
    ("lanes", "strictest"),
    [
        (tuple(Lane), Lane.REFUSE),
        ((Lane.TARPIT, Lane.DECOY, Lane.QUARANTINE), Lane.DECOY),
        ((Lane.THROTTLE, Lane.QUARANTINE), Lane.QUARANTINE),
        ((Lane.TARPIT, Lane.THROTTLE), Lane.THROTTLE),
    ],
)
def test_of_several_lanes_the_strictest_holds(lanes: tuple[Lane, ...], strictest: Lane) -> None:
    table = holding(*(a_restraint(number, lane) for number, lane in enumerate(lanes)))
    assert lane_of(table, client()) is strictest


def test_what_holds_says_its_restraint_and_its_numbers() -> None:
    table = holding(a_restraint(7, Lane.THROTTLE, requests_per_minute=3, delay_ms=0))
    assert table.find(KEY, client(), NOW) == Hold(Lane.THROTTLE, ActionId("act_000000000007"), 3, 0)


def test_changes_add_replace_and_lift() -> None:
    table = Restraints()
    assert table.change([a_restraint(1), a_restraint(2, key=OTHER)], ()) == {KEY, OTHER}
    assert lane_of(table, client()) is Lane.REFUSE
    assert table.change([a_restraint(1, Lane.TARPIT)], ()) == {KEY}
    assert lane_of(table, client()) is Lane.TARPIT
    assert table.delaying
    assert table.change((), [ActionId("act_000000000001"), ActionId("act_none")]) == {KEY}
    assert lane_of(table, client()) is None
    assert not table.delaying


def test_a_restraint_that_moves_to_another_key_leaves_the_first() -> None:
    table = holding(a_restraint(1))
    assert table.change([a_restraint(1, key=OTHER)], ()) == {KEY, OTHER}
    assert table.find(KEY, client(), NOW) is None
    assert table.find(OTHER, client(), NOW) is not None


def test_a_whole_table_replaces_all_and_names_the_keys_that_differ() -> None:
    table = holding(a_restraint(1), a_restraint(2, key=OTHER))
    third = KeyId("CCCCCCCCC")
    assert table.replace_all([a_restraint(2, key=OTHER), a_restraint(3, key=third)]) == {KEY, third}
    assert lane_of(table, client()) is None


@pytest.mark.parametrize(
    "known",
    [
        owner(),
        owner("192.0.2.99"),
        owner(headers="ffffffffffff"),
        owner(ja4="t13d_renewed"),
    ],
)
def test_a_habit_knows_its_contexts_and_renewed_programs_in_its_networks(known: Client) -> None:
    assert holding(habit=a_habit()).known(KEY, known)


@pytest.mark.parametrize(
    "unknown",
    [
        client(),
        owner(THIEF_IP),
        client(OWNER_IP),
        owner(""),
        owner("not an address"),
        client(OWNER_IP, ja4=""),
    ],
)
def test_a_habit_does_not_know_other_networks_or_other_programs(unknown: Client) -> None:
    assert not holding(habit=a_habit()).known(KEY, unknown)


@pytest.mark.parametrize("wanted", list(UnknownClient))
@pytest.mark.parametrize("answer", list(UnknownClient))
@pytest.mark.parametrize("alarmed", [False, True])
def test_the_first_request_of_an_unknown_client_meets_the_strictest_wish(
    wanted: UnknownClient, answer: UnknownClient, alarmed: bool
) -> None:
    table = holding(habit=a_habit(answer=answer, alarmed=alarmed))
    least = UnknownClient.QUARANTINE if alarmed else UnknownClient.OBSERVE
    told = firmer(firmer(wanted, answer), least)
    lanes = {UnknownClient.OBSERVE: None, UnknownClient.QUARANTINE: Lane.QUARANTINE}
    assert lane_of(table, client(), wanted=wanted) is lanes.get(told, Lane.REFUSE)
    assert lane_of(table, owner(), wanted=wanted) is None


def test_the_settings_speak_where_the_key_says_nothing() -> None:
    table = holding(habit=a_habit())
    assert lane_of(table, client()) is None
    table.default = UnknownClient.REFUSE
    assert lane_of(table, client()) is Lane.REFUSE
    assert lane_of(table, client(), wanted=UnknownClient.OBSERVE) is None


def test_a_restraint_and_a_habit_add_up_to_the_stricter() -> None:
    table = holding(a_restraint(1, Lane.TARPIT), habit=a_habit(alarmed=True))
    assert lane_of(table, client()) is Lane.QUARANTINE
    assert lane_of(table, owner()) is Lane.TARPIT


def test_habits_change_and_are_forgotten() -> None:
    table = holding(habit=a_habit())
    assert table.change_habits([a_habit(alarmed=True)], ()) == {KEY}
    assert lane_of(table, client()) is Lane.QUARANTINE
    assert table.change_habits([], [KEY]) == {KEY}
    assert lane_of(table, client()) is None
    assert table.replace_habits([a_habit(answer=UnknownClient.REFUSE)]) == {KEY}
    assert table.replace_habits([a_habit(answer=UnknownClient.REFUSE)]) == frozenset(), "as it was"
    assert lane_of(table, client()) is Lane.REFUSE
    assert table.replace_habits([]) == {KEY}
    assert not table.known(KEY, owner())


def test_a_thief_that_changes_its_address_each_time_makes_no_memory_grow() -> None:
    table = holding(a_restraint(prefixes=("203.0.113.0/24",)))
    for number in range(3000):
        lane_of(table, client(f"198.51.{number // 250}.{number % 250}"))
    watch = table.watches[KEY]
    assert len(watch._seen) <= 1024
    assert lane_of(table, client()) is Lane.REFUSE
