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
from chatelaine.app.rehearsal.past import DAYS, Habit, write_past
from chatelaine.app.rehearsal.place import Gate
from chatelaine.app.rehearsal.story import Opened, by_client
from chatelaine.app.rehearsal.story import _Cast as Cast
from chatelaine.app.rehearsal.thief import answered
from chatelaine.app.rehearsal.traffic import STACKS, Goal, request, visitor
from chatelaine.core.detection.sighting import Joiner
from chatelaine.core.key.habit import Habit as LearntHabit
from chatelaine.core.play import program, wish
from chatelaine.model.detection import Dimension, Phase
from chatelaine.model.event import Event
from chatelaine.model.exchange import Network, Operation
from chatelaine.model.key import Grant, KeyState, VirtualKey
from chatelaine.model.words import SECOND, AppName, Instant, KeyId, OwnerId, PepperId, WorkerNumber
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


class Told:
    """A watch that knows its incidents beforehand."""

    def __init__(self, *incidents: Opened) -> None:
        self.known = incidents

    async def ready(self, gate: Gate) -> None:
        assert gate.url

    async def incidents(self, gate: Gate) -> Sequence[Opened]:
        assert gate.url
        return self.known


def test_each_incident_is_shown_once_and_again_when_it_is_contained() -> None:
    stream = io.StringIO()
    opened = Opened("inc_1", KeyId("AbCdEfGh1"), "a foreign client", contained=False)
    watch = Told(opened)
    cast = Cast(Page(stream, coloured=False), watch, Gate(Path(), 1), {}, {}, CLIENT, settling=0.0)
    asyncio.run(cast.look())
    asyncio.run(cast.look())
    watch.known = (changed(opened, contained=True),)
    asyncio.run(cast.look())
    lines = stream.getvalue().splitlines()
    assert [" ".join(line.split()) for line in lines] == [
        "incident inc_1 on key AbCdEfGh1: a foreign client",
        "incident inc_1 on key AbCdEfGh1: a foreign client, contained",
    ]


def test_where_nobody_watches_no_incident_is_shown() -> None:
    stream = io.StringIO()
    asyncio.run(Cast(Page(stream, coloured=False), None, Gate(Path(), 1), {}, {}, CLIENT).look())
    assert stream.getvalue() == ""
