"""The demo's parts that need no gate: a past that is the app's own, requests, words for records."""

import asyncio
import io
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace as changed
from pathlib import Path

import pytest
from msgspec.structs import replace

from chatelaine.adapters.journal import read_segments
from chatelaine.app.rehearsal import told
from chatelaine.app.rehearsal.onlooker import Replay
from chatelaine.app.rehearsal.past import DAYS, Habit, write_past
from chatelaine.app.rehearsal.place import Gate
from chatelaine.app.rehearsal.story import _Cast as Cast
from chatelaine.app.rehearsal.story import by_client
from chatelaine.app.rehearsal.thief import answered
from chatelaine.app.rehearsal.traffic import STACKS, Goal, request, visitor
from chatelaine.catalog import detections
from chatelaine.core.detection.evidence_said import Weight
from chatelaine.core.detection.sighting import Joiner
from chatelaine.core.key.habit import Habit as LearntHabit
from chatelaine.core.play import program, wish
from chatelaine.model.detection import Dimension, Family, Finding, Phase, Said, Severity
from chatelaine.model.event import Event, ExchangeRefused
from chatelaine.model.exchange import Asked, Caller, Network, Operation, RefusalReason
from chatelaine.model.incident import Incident, IncidentState, Story
from chatelaine.model.key import Grant, KeyState, VirtualKey
from chatelaine.model.playbook import Action, ActionKind, ActionState, Outcome, Rehearsal, Wanted
from chatelaine.model.watch import WatchTold
from chatelaine.model.words import (
    SECOND,
    ActionId,
    AlertId,
    AppName,
    ContextId,
    DetectionId,
    ExchangeId,
    FindingId,
    IncidentId,
    Instant,
    KeyId,
    OwnerId,
    PepperId,
    PlaybookId,
    WorkerNumber,
)
from chatelaine.surfaces.cli.demo import Page

NOW = Instant(1_795_700_000 * SECOND)
CLIENT = program.program("openai-python", 2).on(Network("127.0.0.1"))
KEY = VirtualKey(
    id=KeyId("AbCdEfGh1"), env="live", owner=OwnerId("castle"), app=AppName("shop"), contact="c",
    grant=Grant(), state=KeyState.ISSUED, digest=b"", pepper=PepperId("first"), slot=3,
    issued_at=NOW, expires_at=None,
)  # fmt: skip
GOAL = Goal("127.0.0.1", 8443, None)


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> list[Event]:
    folder = tmp_path_factory.mktemp("past")
    other = changed(KEY, id=KeyId("AbCdEfGh2"), app=AppName("press"), slot=4)
    count = write_past(folder, (Habit(KEY, CLIENT, 300.0), Habit(other, CLIENT, 90.0)), NOW)
    events = [event for _, event in read_segments(folder, WorkerNumber(1))]
    assert len(events) == 2 * count
    return events


def test_the_past_is_two_weeks_and_over_before_the_present(past: list[Event]) -> None:
    assert past[0].at > NOW - (DAYS + 1) * 86_400 * SECOND
    assert max(event.at for event in past) < NOW
    assert len(past) > 2 * 13 * 390


def test_the_past_settles_the_habit_of_each_app_on_the_client_it_has_now(past: list[Event]) -> None:
    joiner, habits = Joiner(), defaultdict[str, LearntHabit](LearntHabit)
    contexts = set()
    for event in past:
        sighting = joiner.take(event)
        assert sighting is not None
        habits[sighting.key].learn(sighting)
        if sighting.phase is Phase.OPENED:
            contexts.add(sighting.context)
    assert set(habits) == {"AbCdEfGh1", "AbCdEfGh2"}
    for habit in habits.values():
        assert habit.settled
        assert habit.active_days >= DAYS
        assert habit.weight(Dimension.JA4, CLIENT.greeting.ja4)
        assert habit.weight(Dimension.MODEL, wish.MIDDLE)
        assert {habit.weight(Dimension.STREAM, value) > 100 for value in ("yes", "no")} == {True}
    assert len(contexts) == 1


def test_a_request_has_the_clients_headers_in_its_order_and_case() -> None:
    asked = replace(wish.chat(wish.SMALL, cap=-1), messages=3, empty=True)
    head, _, body = request(CLIENT, asked, GOAL, "token").decode().partition("\r\n\r\n")
    first, *lines = head.split("\r\n")
    assert first == "POST /v1/chat/completions HTTP/1.1"
    names = [line.split(":")[0] for line in lines]
    assert ",".join(names) == CLIENT.header_names
    assert "authorization: Bearer token" in lines
    assert f"Content-Length: {len(body)}" in lines
    told = json.loads(body)
    assert (told["model"], told["max_tokens"]) == (wish.SMALL, -1)
    assert [turn["content"] for turn in told["messages"]] == ["", "Blue.", ""]


def test_a_list_is_asked_for_without_a_body() -> None:
    data = request(CLIENT, wish.plain(Operation.LIST), GOAL, "token").decode()
    assert data.startswith("GET /v1/models HTTP/1.1\r\n")
    assert data.endswith("\r\n\r\n")
    assert "ontent-" not in data


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        (wish.plain(Operation.EMBEDDING, wish.VECTORS), "input"),
        (wish.plain(Operation.IMAGE, wish.IMAGE), "prompt"),
        (wish.chat(wish.LARGE, stream=True), "stream"),
    ],
)
def test_each_operation_is_asked_for_in_its_own_shape(asked: wish.Asked, field: str) -> None:
    body = json.loads(request(CLIENT, asked, GOAL, "token").partition(b"\r\n\r\n")[2])
    assert body[field]
    assert body["model"] == asked.model


def test_a_client_without_the_headers_that_a_request_needs_is_given_them() -> None:
    bare = replace(CLIENT, header_names="Accept")
    head = request(bare, wish.plain(Operation.LIST), GOAL, "token").decode()
    assert "Host: 127.0.0.1:8443\r\n" in head
    assert "Authorization: Bearer token\r\n" in head
    assert "Connection: close\r\n" in head


def test_programs_show_many_different_tls_stacks() -> None:
    built = [program.program(name, build) for name in program.NAMES for build in range(7)]
    seen = {visitor(one.on(Network("127.0.0.1"))).stack for one in built}
    assert len(seen) > 10
    assert max(seen) < STACKS


def test_statuses_are_told_the_most_frequent_first() -> None:
    assert answered([200, 401, 401, 0]) == "2 × 401, 1 × 200, 1 × broken off"


def test_records_are_told_by_client_with_what_they_cost(past: list[Event]) -> None:
    [(client, words)] = by_client(past)
    assert client.greeting == CLIENT.greeting
    assert words.startswith(f"{len(past) // 2} requests, $")
    assert "× 200" in words


ACTION = Action(
    id=ActionId("act_1"),
    incident=IncidentId("inc_1"),
    alert=AlertId("a"),
    playbook=PlaybookId("contain_client"),
    owner=OwnerId("castle"),
    state=ActionState.RUNNING,
    planned_at=NOW,
    changed_at=NOW,
    until=NOW,
    wanted=Wanted(kind=ActionKind.RESTRAIN, key=KEY.id, contexts=(ContextId("c1"),)),
    rehearsal=Rehearsal(30, 5000, 0, 0, 1, 1, 0),
    outcome=Outcome(Instant(NOW + SECOND // 4), well=True, text="held"),
)
FOUND = Finding(
    id=FindingId("f1"), detection=DetectionId("key_foreign_client_sure"), version=1, at=NOW,
    exchange=ExchangeId("x"), key=KEY.id, owner=OwnerId("castle"), context=ContextId("c1"),
    prefix="127.66.6.0/24", family=Family.NETWORK, severity=Severity.CRITICAL, certain=True,
    said=Said(
        "prefix: 127.66.6.0/24, after 2 requests of this client", "127.0.0.0/24",
        "input speaks for the owner: 10", score=2.0, facts=(("prefix", "+2.60"), ("program", "+1.10")),
    ),
)  # fmt: skip
TINY = replace(
    FOUND, detection=DetectionId("key_tiny_request"), family=Family.ECONOMICS, severity=Severity.LOW,
    certain=False, said=Said("two words", "forty", "a test does so too"),
)  # fmt: skip


def story(state: IncidentState, *actions: Action) -> Story:
    incident = Incident(
        id=IncidentId("inc_1"), state=state, severity=Severity.CRITICAL, title="somebody else uses it",
        opened_at=NOW, updated_at=NOW, first_at=NOW, keys=(KEY.id,), prefixes=("127.66.6.0/24",),
        families=(Family.NETWORK,), found=2, holding=tuple(one.id for one in actions),
    )  # fmt: skip
    return Story(incident, (), (TINY, FOUND), (), actions)


def refused(ip: str, at: int) -> ExchangeRefused:
    return ExchangeRefused(
        at=Instant(at), exchange=ExchangeId(f"{ip}{at}"), worker=WorkerNumber(1), caller=Caller(KEY.id),
        client=replace(CLIENT, network=Network(ip)), asked=Asked(), status=401,
        reason=RefusalReason.RESTRAINED,
    )  # fmt: skip


class Watcher:
    """A watch that knows its incidents beforehand."""

    def __init__(self, *stories: Story, behind: int = 0) -> None:
        self.known = stories
        self.behind = behind

    async def ready(self, gate: Gate, keys: int) -> WatchTold:
        assert gate.url
        return WatchTold(habits=keys)

    async def current(self, gate: Gate) -> bool:
        assert gate.url
        self.behind -= 1
        return self.behind < 0

    async def stories(self, gate: Gate) -> Sequence[Story]:
        assert gate.url
        return self.known


def looking(watch: Watcher, stream: io.StringIO) -> Cast:
    page, gate = Page(stream, coloured=False), Gate(Path(), 1)
    return Cast(page, watch, gate, {}, {}, CLIENT, Replay(Path()), settling=0.0, calming=0.0)


def test_each_incident_is_shown_once() -> None:
    stream, watch = io.StringIO(), Watcher(story(IncidentState.CONTAINED, ACTION))
    cast = looking(watch, stream)
    assert asyncio.run(cast.look()) == [watch.known[0]]
    assert asyncio.run(cast.look()) == []
    assert stream.getvalue().count("inc_1") == 1


def test_a_look_waits_for_a_watch_that_is_behind() -> None:
    watch = Watcher(behind=2)
    assert asyncio.run(looking(watch, io.StringIO()).look()) == []
    assert watch.behind < 0


def test_an_incident_is_told_with_its_reasons_in_words_and_what_was_done() -> None:
    rows = list(told.incident_rows(story(IncidentState.CONTAINED, ACTION)))
    assert [label for label, _ in rows] == [
        "incident", "evidence", "because", "because", "against", "rehearsed", "done",
    ]  # fmt: skip
    by = [text for _, text in rows]
    assert by[2].startswith("127.66.6.0/24, after 2 requests of this client: the network +2.60")
    assert "by chance once in 100,000 key-days" in by[2]
    assert by[3] == "two words; usual: forty (key_tiny_request)"
    assert by[4] == "the size of the question speaks for the owner"
    assert "5000 requests of the owner in 30 days: it would have stopped 0" in by[5]
    assert "lane refuse for 1 client context," in by[6]


def test_containment_is_measured_from_the_first_foreign_request_to_what_the_gates_were_told() -> None:
    at = told.contained_at(story(IncidentState.CONTAINED, ACTION))
    events = [refused("127.66.6.6", NOW + SECOND // 20), refused("127.66.6.6", NOW + SECOND)]
    course = told.Course([*events, refused("127.0.0.1", NOW - SECOND)], "127.66.6.6")
    assert at is not None
    assert (course.asked, course.served, course.refused) == (2, 0, 2)
    assert course.told_containment(at).startswith("200 ms after")
    assert told.contained_at(story(IncidentState.OPEN)) is None


def test_a_busy_day_is_explained_by_whose_it_was_and_by_what_was_found() -> None:
    events = [
        refused("127.0.0.1", NOW - SECOND),
        refused("127.0.0.1", NOW + 1),
        refused("127.9.9.9", NOW + 2),
    ]
    seen = told.new_clients(events, NOW)
    assert seen == (2, 1)
    assert "no detection" in list(told.quiet_rows(seen, []))[-1][1]
    alone = list(told.quiet_rows(seen, [TINY]))
    assert [label for label, _ in alone] == ["clients", "found", "not flagged"]
    assert "economics alone says so" in alone[-1][1]
    assert "do not agree" in list(told.quiet_rows(seen, [TINY, FOUND]))[-1][1]


def test_evidence_is_told_as_it_grew_and_with_what_spoke_against() -> None:
    families = dict.fromkeys(Family, 0.0)
    grown = [
        Weight(-0.3, 1.0, 1, families, (), ()),
        Weight(0.7, 3.0, 60, families, (("prefix", 3.2, "", ""),), (("clock", -0.4, "", ""),)),
    ]
    rows = dict(told.evidence_rows(grown))
    assert rows["weighed"].startswith("-0.30 after 1, +0.70 after 60 requests")
    assert (rows["for it"], rows["against"]) == ("the network +3.2", "the hour -0.4")
    assert "known to the key" in dict(told.evidence_rows([]))["weighed"]


def test_the_scores_that_are_named_are_those_of_the_cards() -> None:
    cards = {str(one.card.id): one.card.thresholds for one in detections()}
    assert cards["key_foreign_client"]["score"] == told.FOUND_AT
    assert cards["key_foreign_client_sure"]["score"] == told.SURE_AT


def test_a_thief_who_was_not_noticed_is_told_of_plainly() -> None:
    course = told.Course([refused("127.77.7.7", NOW)], "127.77.7.7")
    rows = list(told.quiet_thief_rows([], [TINY], course))
    assert rows[0][0] == "not noticed"
    assert rows[1] == ("found", "economics alone, low (key_tiny_request)")
    noticed, done = told.quiet_thief_rows([story(IncidentState.OPEN)], [], course)
    assert noticed == ("noticed", "by the evidence after 1 of his requests; none held back, 1 turned away")
    assert "they decide" in done[1]
    assert [
        one[0] for one in told.quiet_thief_rows([story(IncidentState.CONTAINED, ACTION)], [], course)
    ] == ["noticed"]


def test_sums_are_those_of_the_journal() -> None:
    rows = list(told.sum_rows(story(IncidentState.OPEN), [refused("127.66.6.6", NOW)]))
    assert rows[0] == ("incident", "inc_1 on key AbCdEfGh1: open")
    assert rows[1][1].startswith("127.66.6.6: 0 requests served")
    assert rows[2][1].startswith("$0.000000 spent")


def test_a_replay_goes_on_where_it_stopped(tmp_path: Path) -> None:
    write_past(tmp_path, (Habit(KEY, CLIENT, 40.0),), NOW)
    replay = Replay(tmp_path)
    replay.go_on()
    found = replay.findings(KEY.id, Instant(0))
    replay.go_on()
    assert replay.findings(KEY.id, Instant(0)) == found
    assert replay.weights(KEY.id, "127.0.0.1") == []
