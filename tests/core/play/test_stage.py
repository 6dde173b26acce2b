"""The play as a whole: what a gate would have recorded, and a truth that is whole and kept apart."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from itertools import pairwise
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatelaine.core.codec import decode, encode
from chatelaine.core.detection.scene import traits_of
from chatelaine.core.detection.sighting import Joiner
from chatelaine.core.key.habit import Habit
from chatelaine.core.play.benign import BENIGN
from chatelaine.core.play.cast import KINDS, Casting
from chatelaine.core.play.chance import Chance
from chatelaine.core.play.life import DAY, HOUR
from chatelaine.core.play.stage import SCENARIOS, Play, play
from chatelaine.core.play.theft import THEFTS
from chatelaine.model.detection import Sighting, Trait
from chatelaine.model.event import (
    Event,
    ExchangeEnded,
    ExchangeOpened,
    ExchangeRefused,
    KeyChanged,
    KeyIssued,
)
from chatelaine.model.exchange import Operation, RefusalReason
from chatelaine.model.key import KeyState
from chatelaine.model.play import Call, Label, Outline, Part
from chatelaine.model.words import SECOND, ExchangeId, Instant, KeyId

START = Instant(int(datetime(2026, 11, 2, tzinfo=UTC).timestamp()) * SECOND)
FOREIGN = Trait.NEW_PREFIX | Trait.NEW_CLIENT | Trait.NEW_ASN
DOCUMENTED = [
    ip_network(block) for block in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
]


class Record(NamedTuple):
    """A play that was played."""

    events: list[Event]
    labels: list[Label]
    outlines: Sequence[Outline]

    def exchanges(self) -> Iterator[ExchangeOpened | ExchangeRefused]:
        return (event for event in self.events if isinstance(event, ExchangeOpened | ExchangeRefused))

    def of(self, scenario: str) -> list[ExchangeOpened | ExchangeRefused]:
        ids = {label.exchange for label in self.labels if label.scenario == scenario}
        return [event for event in self.exchanges() if event.exchange in ids]


def performed(staged: Play) -> Record:
    hours = list(staged.hours())
    return Record(
        [event for hour in hours for event in hour.events],
        [label for hour in hours for label in hour.labels],
        staged.outlines(),
    )


def call(*scenarios: str, seed: int = 7, days: int = 2, bystanders: int = 3) -> Call:
    return Call(seed, START, days, bystanders, scenarios)


@pytest.fixture(scope="module")
def whole() -> Record:
    return performed(play(call(*SCENARIOS)))


def test_events_come_in_order_of_time(whole: Record) -> None:
    times = [event.at for event in whole.events]
    assert times == sorted(times)
    assert times[0] >= START


def test_every_opening_has_exactly_one_end_behind_it(whole: Record) -> None:
    open_now: set[ExchangeId] = set()
    seen: set[ExchangeId] = set()
    for event in whole.events:
        if isinstance(event, ExchangeOpened | ExchangeRefused):
            assert event.exchange not in seen
            seen.add(event.exchange)
        if isinstance(event, ExchangeOpened):
            open_now.add(event.exchange)
        elif isinstance(event, ExchangeEnded):
            open_now.remove(event.exchange)
    assert not open_now
    assert len(seen) > 10_000


def test_no_address_is_anybodys_in_the_real_world(whole: Record) -> None:
    for ip in {event.client.network.ip for event in whole.exchanges()}:
        assert any(ip_address(ip) in block for block in DOCUMENTED), ip
    assert {event.client.network.asn for event in whole.exchanges()} <= set(range(64_496, 64_512))


def test_every_key_is_issued_once_and_wakes_before_it_is_used(whole: Record) -> None:
    issued = [event.key for event in whole.events if isinstance(event, KeyIssued)]
    assert len(set(issued)) == len(issued)
    awake: set[KeyId | None] = set()
    for event in whole.events:
        if isinstance(event, KeyChanged) and event.after is KeyState.ACTIVE:
            assert event.key not in awake
            awake.add(event.key)
        if isinstance(event, ExchangeOpened):
            assert event.caller.key in awake
            assert event.caller.key in issued


def test_events_are_read_back_from_the_journals_own_form_as_they_were(whole: Record) -> None:
    for event in whole.events[:: max(len(whole.events) // 500, 1)]:
        assert decode(encode(event)) == event


def test_labels_are_whole_and_of_exchanges_that_are_there(whole: Record) -> None:
    keys = {event.exchange: (event.caller.key, event.at) for event in whole.exchanges()}
    assert len({label.exchange for label in whole.labels}) == len(whole.labels)
    told = {outline.scenario: outline for outline in whole.outlines}
    assert set(told) == set(SCENARIOS)
    for label in whole.labels:
        assert keys[label.exchange] == (label.key, label.at)
        assert label.key in told[label.scenario].keys
        assert label.at >= told[label.scenario].begins_at
        assert label.part is told[label.scenario].part


def test_every_scenario_comes_to_something(whole: Record) -> None:
    counted = Counter(label.scenario for label in whole.labels)
    assert set(counted) == set(SCENARIOS)
    assert {label.scenario for label in whole.labels if label.part is Part.THEFT} == set(THEFTS)
    assert {label.scenario for label in whole.labels if label.part is Part.BENIGN} == set(BENIGN)


def test_whoever_has_no_label_lives_as_before(whole: Record) -> None:
    """An unlabelled exchange is never a thief's: no client of a theft appears on its key without a label."""
    labelled = {label.exchange for label in whole.labels}
    thieves: dict[KeyId | None, set[str]] = defaultdict(set)
    for name in THEFTS:
        for event in whole.of(name):
            thieves[event.caller.key].add(event.client.network.ip)
    for event in whole.exchanges():
        if event.exchange not in labelled:
            assert event.client.network.ip not in thieves[event.caller.key]


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**64 - 1), st.sampled_from(sorted(SCENARIOS)))
def test_the_same_call_plays_the_same_to_the_byte(seed: int, scenario: str) -> None:
    asked = call(scenario, seed=seed, days=1, bystanders=1)
    one, other = performed(play(asked)), performed(play(asked))
    assert list(map(encode, one.events)) == list(map(encode, other.events))
    assert one.labels == other.labels
    assert one.outlines == other.outlines


def test_another_seed_plays_another_play() -> None:
    one, other = (performed(play(call("probe_only", seed=seed))) for seed in (1, 2))
    assert {event.exchange for event in one.exchanges()}.isdisjoint(
        event.exchange for event in other.exchanges()
    )


def test_a_play_can_begin_at_any_instant_and_go_on_for_no_owner_at_all() -> None:
    odd = Instant(START + 1_234_567_891)
    record = performed(play(Call(1, odd, 1, 0, ("canary_use",))))
    assert min(event.at for event in record.events) == odd
    assert {event.caller.app for event in record.exchanges()} == {"canary"}
    assert performed(play(Call(1, odd, 1, 0, ()))) == Record([], [], ())


def test_an_unknown_scenario_is_refused() -> None:
    with pytest.raises(KeyError, match="nothing"):
        play(call("nothing"))


@pytest.mark.parametrize("kind", KINDS)
def test_an_owner_of_any_kind_has_a_key_and_a_life(kind: str) -> None:
    casting = Casting(Chance(1), begins_at=START, ends_at=Instant(START + DAY))
    owner = casting.owner(kind)
    assert owner.kind == kind
    assert owner.main.per_day > 0
    assert {source.holder for source in owner.sources} == {owner.holder}
    assert len(owner.holder.key) == 9


# What each scenario is about.


def traits(record: Record, scenario: str) -> Counter[Trait]:
    """Count what is striking about a scenario's exchanges to the habit of their key before it began."""
    begins_at = next(one.begins_at for one in record.outlines if one.scenario == scenario)
    joiner, habits = Joiner(), defaultdict[KeyId, Habit](Habit)
    found: Counter[Trait] = Counter()
    ids = {label.exchange for label in record.labels if label.scenario == scenario}
    for event in record.events:
        sighting = joiner.take(event)
        if sighting is None or not sighting.exchange:
            continue
        habit = habits[sighting.key]
        if sighting.exchange in ids:
            found.update(traits_of(sighting, habit))
        elif sighting.at < begins_at:
            habit.learn(sighting)
    return found


def alone(scenario: str, days: int = 12) -> Record:
    return performed(play(call(scenario, days=days, bystanders=0, seed=3)))


@pytest.mark.parametrize(
    "scenario", ["slow_resale", "probe_only", "images", "conversation_hop", "batch_validation"]
)
def test_a_thief_with_tools_of_its_own_is_foreign_to_the_habit(scenario: str) -> None:
    found = traits(alone(scenario), scenario)
    assert found[Trait.NEW_PREFIX]
    assert found[Trait.NEW_CLIENT]


def test_a_thief_that_imitates_differs_in_its_place_alone() -> None:
    found = traits(alone("imitate"), "imitate")
    assert found[Trait.NEW_PREFIX] > 50
    assert not found[Trait.NEW_CLIENT]
    assert not found[Trait.NEW_AGENT]
    assert not found[Trait.NEW_MODEL]
    assert not found[Trait.PROBE]


def test_a_new_sdk_changes_the_program_and_not_the_place() -> None:
    found = traits(alone("sdk_upgrade"), "sdk_upgrade")
    assert found[Trait.NEW_CLIENT] > 50
    assert not found[Trait.NEW_PREFIX]
    assert not found[Trait.NEW_MODEL]


def test_a_service_without_servers_changes_the_place_and_not_the_program() -> None:
    found = traits(alone("serverless_egress"), "serverless_egress")
    assert found[Trait.NEW_PREFIX] > 50
    assert not found[Trait.NEW_CLIENT]


def test_an_office_that_moves_to_a_vpn_is_on_a_network_of_another_class() -> None:
    found = traits(alone("vpn_move"), "vpn_move")
    assert found[Trait.NEW_NETWORK_CLASS]
    assert not found[Trait.NEW_CLIENT]


def test_a_newer_model_is_all_that_is_new_on_the_day_of_an_upgrade() -> None:
    found = traits(alone("model_upgrade"), "model_upgrade")
    assert found[Trait.NEW_MODEL] > 50
    assert not found & Counter({FOREIGN: 1})
    assert not found[Trait.NEW_PREFIX]


def test_embedding_anew_is_a_new_operation_from_the_usual_client() -> None:
    found = traits(alone("batch_embedding"), "batch_embedding")
    assert found[Trait.NEW_OPERATION] > 5_000
    assert not found[Trait.NEW_CONTEXT]


def test_a_spike_of_volume_has_nothing_new_but_its_volume() -> None:
    record = alone("volume_spike")
    found = traits(record, "volume_spike")
    new = [trait for trait in Trait if trait.name and trait.name.startswith("NEW_") and found[trait]]
    assert new == []
    assert len(record.of("volume_spike")) > 50


def test_a_retry_storm_sends_one_body_and_is_mostly_told_to_wait(whole: Record) -> None:
    storm = whole.of("retry_storm")
    assert len({event.asked.body_hash for event in storm}) == 1
    ids = {event.exchange for event in storm}
    limited = sum(
        isinstance(event, ExchangeEnded) and event.exchange in ids and event.status == 429
        for event in whole.events
    )
    assert limited > 0.9 * len(storm)


@pytest.mark.parametrize(("scenario", "share"), [("red_team", 0.2), ("filter_heavy", 0.04)])
def test_the_filter_stops_many_of_an_owners_own_requests(whole: Record, scenario: str, share: float) -> None:
    joiner = Joiner()
    ids = {event.exchange for event in whole.of(scenario)}
    seen = [one for event in whole.events if (one := joiner.take(event)) is not None and one.exchange in ids]
    blocked = sum(one.blocked for one in seen)
    assert blocked > share * len(ids)


def test_a_burst_begins_with_a_list_and_an_impossible_cap(whole: Record) -> None:
    first = whole.of("burst")[:3]
    assert first[0].asked.operation is Operation.LIST
    assert ("max_tokens", -1.0) in first[1].asked.numbers
    assert first[2].asked.empty


def test_a_burst_is_thousands_of_calls_an_hour(whole: Record) -> None:
    times = [event.at for event in whole.of("burst")]
    assert max(Counter(at // HOUR for at in times).values()) > 10_000


def test_a_proxy_shows_many_agents_on_one_tls_stack_and_checks_each_key_again(whole: Record) -> None:
    resold = [event for event in whole.of("proxy_resale") if event.client.user_agent.startswith("Mozilla")]
    assert len({event.client.greeting.ja4 for event in resold}) == 1
    assert len({event.client.user_agent for event in resold}) > 20
    checks = [
        event.at for event in whole.of("proxy_resale")
        if ("max_tokens", -1.0) in event.asked.numbers and event.caller.key == resold[0].caller.key
    ]  # fmt: skip
    gaps = [after - before for before, after in pairwise(checks[1:])]
    assert gaps
    assert all(67 <= gap / SECOND / 60 <= 113 for gap in gaps)


def test_one_conversation_travels_on_the_keys_of_several_owners(whole: Record) -> None:
    holders = {event.asked.chain: event.caller.owner for event in whole.of("conversation_hop")}
    hops = [
        (holders[event.asked.parent_chain], event.caller.owner)
        for event in whole.of("conversation_hop") if event.asked.parent_chain
    ]  # fmt: skip
    assert len(hops) > 100
    assert sum(before != after for before, after in hops) > 0.5 * len(hops)


def test_one_machine_checks_the_keys_of_many_owners(whole: Record) -> None:
    checks = whole.of("batch_validation")
    assert len({event.caller.owner for event in checks}) == 16
    first = [event.at for event in checks[:16]]
    assert first[-1] - first[0] < 6 * SECOND


def test_a_revoked_key_is_tried_again_and_never_served_again(whole: Record) -> None:
    revoked = next(
        event for event in whole.events
        if isinstance(event, KeyChanged) and event.after is KeyState.REVOKED
    )  # fmt: skip
    later = [
        event for event in whole.exchanges() if event.caller.key == revoked.key and event.at >= revoked.at
    ]
    assert later
    reasons = {event.reason for event in later if isinstance(event, ExchangeRefused)}
    assert reasons == {RefusalReason.KEY_REVOKED}
    assert all(isinstance(event, ExchangeRefused) for event in later)


def test_a_canary_is_used_by_nobody_but_whoever_found_it(whole: Record) -> None:
    planted = next(one for one in whole.outlines if one.scenario == "canary_use").canaries
    used = [event for event in whole.exchanges() if event.caller.key in planted]
    assert used
    assert {event.exchange for event in used} == {event.exchange for event in whole.of("canary_use")}


def test_images_come_from_a_key_that_only_wrote_text(whole: Record) -> None:
    ids = {event.exchange for event in whole.of("images")}
    key = next(iter(whole.of("images"))).caller.key
    kinds = {
        (event.exchange in ids, event.asked.operation)
        for event in whole.exchanges()
        if event.caller.key == key
    }
    assert (True, Operation.IMAGE) in kinds
    assert (False, Operation.IMAGE) not in kinds


def test_sightings_of_a_play_have_all_that_detections_look_at(whole: Record) -> None:
    joiner = Joiner()
    some: list[Sighting] = [
        one for event in whole.events[:5_000] if (one := joiner.take(event)) is not None and one.exchange
    ]
    assert all(
        one.context and one.prefix and one.ja4 and one.header_hash and one.agent_family for one in some
    )
