"""The story of a theft, played on this machine: a leak, a probe, a burst, a busy day, and a quiet thief.

What the hub makes of it is asked of the hub; everything else is counted as it happens, or read in the
journal afterwards. No figure that is shown is written here.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Protocol

from chatelaine.app.rehearsal import records, told
from chatelaine.app.rehearsal.model_server import MODEL, ModelServer
from chatelaine.app.rehearsal.onlooker import Replay
from chatelaine.app.rehearsal.past import DAYS, Habit, write_past
from chatelaine.app.rehearsal.place import App, Gate, House, app_with, gate_before, gate_of, set_up
from chatelaine.app.rehearsal.talk import Answered, Failed
from chatelaine.app.rehearsal.thief import (
    FOREIGN,
    NEAR,
    QUIET_ANSWER,
    Stolen,
    answered,
    quiet_question,
)
from chatelaine.app.rehearsal.traffic import Goal
from chatelaine.app.wire import CLOCK
from chatelaine.core.context import context_id, prefix_of
from chatelaine.model.error import ChatelaineError
from chatelaine.model.event import Event, ExchangeEnded, ExchangeOpened, ExchangeRefused
from chatelaine.model.exchange import Client
from chatelaine.model.incident import Story
from chatelaine.model.link import KeyIssuedTold
from chatelaine.model.watch import WatchTold
from chatelaine.model.words import ContextId, ExchangeId
from chatelaine.surfaces.cli.demo import Stage

_QUESTION: Final = "How many doors has the castle?"
_MODELS: Final = frozenset({MODEL, "gpt-4o", "gpt-4o-mini"})
_DOLLARS: Final = 20
_A_DAY: Final = {"shop": 240.0, "press": 120.0}
_CALM: Final = 0.25
"""Seconds an app waits between two questions on a usual day."""
_BUSY: Final = 0.01
_BURST: Final = 200
_SPIKE: Final = 4.0
"""Seconds that the busy day lasts."""
_BLENDING, _BLEND_PAUSE, _BLOCKED = 80, 0.03, 10
_ANSWERS: Final = {
    _QUESTION: "Forty-one, and a small one behind the kitchen.",
    **{quiet_question(number): QUIET_ANSWER for number in range(_BLENDING + _BLOCKED)},
}
_DOUBT: Final = "not ours?"
_GLANCE: Final = 0.1
_SETTLING: Final = 3.0
"""Seconds a watch is given to see what has just happened, and the gate to hold it back."""
_PATIENCE: Final = 10.0
"""The same for a watch that is behind."""
_CALMING: Final = 0.5
"""Seconds after which what has just been answered is told whole."""


class Watch(Protocol):
    """Tells what the hub makes of what happens."""

    async def ready(self, gate: Gate, keys: int) -> WatchTold:
        """Wait until the hub has learnt the past and the gates hold the habits of so many keys."""
        ...

    async def current(self, gate: Gate) -> bool:
        """Tell whether the hub has seen what has happened, up to a moment ago."""
        ...

    async def stories(self, gate: Gate) -> Sequence[Story]:
        """Return all that is known of each incident so far, the oldest first."""
        ...


@dataclass
class Worker:
    """An app that asks all the while, in its own rhythm."""

    app: App
    pause: float = _CALM
    answered: int = 0
    failures: list[Failed] = field(default_factory=list)
    over: bool = False

    async def work(self) -> None:
        """Ask until told that it is over."""
        while not self.over:
            said = await self.app.ask(_QUESTION)
            if isinstance(said, Answered):
                self.answered += 1
            elif isinstance(said, Failed):
                self.failures.append(said)
            await asyncio.sleep(self.pause)

    def told(self) -> str:
        """Return how it has fared."""
        return f"{self.asked()} questions, {len(self.failures)} failures"

    def asked(self) -> int:
        """Return how many questions were answered or failed."""
        return self.answered + len(self.failures)


@dataclass
class _Cast:
    stage: Stage
    watch: Watch
    gate: Gate
    keys: dict[str, KeyIssuedTold]
    workers: dict[str, Worker]
    owner: Client
    replay: Replay
    shown: set[str] = field(default_factory=set)
    settling: float = _SETTLING
    calming: float = _CALMING

    def stolen(self, name: str) -> Stolen:
        """Return an app's token in a thief's hands."""
        port = int(self.gate.url.rpartition(":")[2])
        return Stolen(Goal("127.0.0.1", port, self.gate.certificate), self.keys[name].token)

    def rows(self, rows: Iterable[told.Row]) -> None:
        """Show rows."""
        for label, text in rows:
            self.stage.row(label, text)

    async def look(self) -> list[Story]:
        """Show the incidents that were opened since the last look, once they are contained or it is late."""
        begun = time.monotonic()
        while not (fresh := await self._fresh()) or not all(map(told.contained, fresh)):
            waited = time.monotonic() - begun
            if waited >= _PATIENCE or (waited >= self.settling and await self.watch.current(self.gate)):
                break
            await asyncio.sleep(_GLANCE)
        await asyncio.sleep(self.calming if fresh else 0)
        fresh = await self._fresh()
        self.shown |= {one.incident.id for one in fresh}
        for one in fresh:
            self.rows(told.incident_rows(one))
        return fresh

    async def _fresh(self) -> list[Story]:
        return [one for one in await self.watch.stories(self.gate) if one.incident.id not in self.shown]

    def events(self, name: str) -> list[Event]:
        """Return what is recorded of an app's key."""
        return records.of_key(records.recorded(self.gate.places.journal), self.keys[name].key.id)


async def tell(stage: Stage, folder: Path, watch: Watch, *, keep: bool) -> None:
    """Tell the whole story in a folder; ``keep``: leave everything running until cancelled.

    ``watch``: who tells of incidents.

    Raises:
        ChatelaineError: a part of it cannot be started, or an owner's app failed.
    """
    async with _cast(stage, folder, watch) as cast:
        await _probe(cast)
        await _resale(cast)
        await _busy_day(cast)
        await _quiet_thief(cast)
        _tell_records(cast)
        await _tell_sums(cast)
        if keep:
            _tell_keeping(cast, folder)
            await asyncio.Event().wait()


@asynccontextmanager
async def _cast(stage: Stage, folder: Path, watch: Watch) -> AsyncIterator[_Cast]:
    stage.act("Two apps, the gate before their model, and two weeks of everyday life")
    async with AsyncExitStack() as stack:
        model = await stack.enter_async_context(ModelServer(_ANSWERS, pace=0.01, models=_MODELS))
        owner = await _recognise(model.port)
        house = set_up(model.port, folder)
        keys = {name: await asyncio.to_thread(house.issue, name, dollars=_DOLLARS) for name in _A_DAY}
        _tell_past(stage, house, keys, owner)
        replay, began = Replay(house.journal), time.monotonic()
        gate = await stack.enter_async_context(gate_of(house))
        stage.row("gate", f"{gate.url}, before a stand-in for a model: fixed words, in OpenAI's dialect")
        workers = {}
        for name, issued in keys.items():
            app = await stack.enter_async_context(app_with(gate.environment(issued.token), folder))
            workers[name] = Worker(app)
            stage.row(name, f"an app with {await app.ready()} and the key {issued.key.id}")
        async with _at_work(workers.values()):
            learnt, _ = await asyncio.gather(watch.ready(gate, len(keys)), asyncio.to_thread(replay.go_on))
            took = time.monotonic() - began
            stage.row(
                "watch",
                f"{learnt.seen} events read and {learnt.habits} habits learnt, {took:.1f} s after its start",
            )
            yield _Cast(stage, watch, gate, keys, workers, owner, replay)


async def _recognise(model: int) -> Client:
    """Return how a gate sees the apps, found out by one question in a house of its own."""
    with TemporaryDirectory(prefix="chatelaine-") as name:
        async with gate_before(model, Path(name)) as gate:
            issued = await gate.issue("shop")
            async with app_with(gate.environment(issued.token), Path(name)) as app:
                await app.ready()
                await app.ask(_QUESTION)
        events = records.recorded(gate.places.journal)
    for event in events:
        if isinstance(event, ExchangeOpened):
            return event.client
    raise ChatelaineError(
        "the demo's app did not reach the gate", hint="does `chatelaine doctor` find a cause?"
    )


def _tell_past(stage: Stage, house: House, keys: dict[str, KeyIssuedTold], owner: Client) -> None:
    habits = tuple(Habit(issued.key, owner, _A_DAY[name]) for name, issued in keys.items())
    written = write_past(house.journal, habits, CLOCK.now())
    stage.row("past", f"{DAYS} simulated days of both apps in the journal: {written} exchanges")


@asynccontextmanager
async def _at_work(workers: Iterable[Worker]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(worker.work()) for worker in workers]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _probe(cast: _Cast) -> None:
    stage = cast.stage
    stage.act("The shop's key leaks, and a thief looks whether it is any good")
    statuses = await cast.stolen("shop").probe()
    stage.row("thief", f"from {FOREIGN}: a list, an impossible cap, an empty question: {answered(statuses)}")
    stories = await cast.look()
    if not stories:
        raise ChatelaineError(
            "the thief opened no incident", hint="is the machine busy? chatelaine demo again"
        )
    at = told.contained_at(stories[0])
    course = told.Course(cast.events("shop"), FOREIGN)
    stage.row("contained", course.told_containment(at) if at is not None else "not yet")


async def _resale(cast: _Cast) -> None:
    stage, thief, shop = cast.stage, cast.stolen("shop"), cast.workers["shop"]
    stage.act("He goes on all the same: he counts the models, then resells the key")
    models = await thief.enumerate_models()
    stage.row("models", f"{len(models)} asked for: {answered(models.values())}")
    began = time.monotonic()
    statuses = await thief.burst(_BURST)
    took = time.monotonic() - began
    stage.row("burst", f"{_BURST} requests in {took:.1f} s: {answered(statuses.elements())}")
    stage.row("shop", f"the app meanwhile: {shop.told()}")
    _require_unharmed(shop)


async def _busy_day(cast: _Cast) -> None:
    stage, press = cast.stage, cast.workers["press"]
    stage.act("The other app has a busy day: the same program, the same place, many times the traffic")
    before, since, press.pause = press.answered, CLOCK.now(), _BUSY
    await asyncio.sleep(_SPIKE)
    press.pause = _CALM
    usual = _SPIKE / _CALM
    count = press.answered - before
    stage.row("press", f"{count} questions in {_SPIKE:.0f} s, {count / usual:.1f} times its usual pace")
    fresh = await cast.look()
    stage.row("incidents", f"{len(fresh)} new")
    await asyncio.to_thread(cast.replay.go_on)
    if not fresh:
        found = cast.replay.findings(cast.keys["press"].key.id, since)
        cast.rows(told.quiet_rows(told.new_clients(cast.events("press"), since), found))
    _require_unharmed(press)


async def _quiet_thief(cast: _Cast) -> None:
    stage, key = cast.stage, cast.keys["press"].key.id
    stage.act("A quiet thief has the other app's key: its SDK, its TLS, its model, from another network")
    since = CLOCK.now()
    thief = cast.stolen("press")
    statuses = await thief.blend_in(cast.owner, _BLENDING, _BLEND_PAUSE)
    stage.row("thief", f"from {NEAR}: {len(statuses)} requests: {answered(statuses)}")
    fresh = await cast.look()
    await asyncio.to_thread(cast.replay.go_on)
    cast.rows(told.evidence_rows(cast.replay.weights(key, NEAR)))
    course = told.Course(cast.events("press"), NEAR)
    cast.rows(told.quiet_thief_rows(fresh, cast.replay.findings(key, since), course))
    await _shut_out(cast, thief)
    stage.row("press", f"the app meanwhile: {cast.workers['press'].told()}")
    _require_unharmed(cast.workers["press"])


async def _shut_out(cast: _Cast, thief: Stolen) -> None:
    """Let somebody who doubts shut out whatever is foreign to the key."""
    stage, key = cast.stage, cast.keys["press"].key.id
    stage.row("analyst", "shuts out whatever is foreign to the key, and leaves its owner running:")
    await cast.gate.shut_out(key, _DOUBT)
    stage.code(f"chatelaine keys restrain {key} --lane refuse --foreign --for 24h --reason '{_DOUBT}'")
    statuses = await thief.blend_in(cast.owner, _BLOCKED, _BLEND_PAUSE)
    stage.row("thief", f"{len(statuses)} more requests: {answered(statuses)}")


def _require_unharmed(worker: Worker) -> None:
    if worker.failures:
        first = worker.failures[0]
        raise ChatelaineError(f"the owner's app failed: {first.status} {first.error}: {first.message}")


def _tell_records(cast: _Cast) -> None:
    stage = cast.stage
    stage.act("What the journal holds of each client, refusals and failures as fully as answers")
    for name, issued in cast.keys.items():
        stage.note(f"{name}, key {issued.key.id}:")
        for client, words in by_client(cast.events(name)):
            stage.row(client.network.ip, words)


async def _tell_sums(cast: _Cast) -> None:
    stage = cast.stage
    stage.act("What it came to")
    stories = await cast.watch.stories(cast.gate)
    for story in stories:
        cast.rows(told.sum_rows(story, records.recorded(cast.gate.places.journal)))
    workers = cast.workers.values()
    failed, asked = sum(len(one.failures) for one in workers), sum(map(Worker.asked, workers))
    stage.row("owner", f"{failed} of {asked} requests failed")
    events = records.recorded(cast.gate.places.journal)
    secrets = [*_ANSWERS, *_ANSWERS.values(), *(issued.token for issued in cast.keys.values())]
    found = records.places_of(events, secrets)
    stage.row("records", f"{len(events)} in all; {found} of them hold a question, an answer or a key")


def _tell_keeping(cast: _Cast, folder: Path) -> None:
    stage = cast.stage
    stage.note(f"The gate runs on at {cast.gate.url}, its folder is {folder}. Stop it with ^C.")
    stage.code(f"chatelaine incidents list --config {folder}/chatelaine.yaml")


def by_client(events: Sequence[Event]) -> list[tuple[Client, str]]:
    """Return each client context of some events with what came of its requests, the busiest first."""
    ended = {event.exchange: event for event in events if isinstance(event, ExchangeEnded)}
    clients: dict[ContextId, Client] = {}
    found: dict[ContextId, list[tuple[ExchangeId, int]]] = {}
    for event in events:
        if not isinstance(event, ExchangeOpened | ExchangeRefused):
            continue
        network, greeting = event.client.network, event.client.greeting
        context = context_id(prefix_of(network.ip), greeting.ja4, event.client.header_hash)
        clients[context] = event.client
        status = event.status if isinstance(event, ExchangeRefused) else _status(ended.get(event.exchange))
        found.setdefault(context, []).append((event.exchange, status))
    ranked = sorted(found.items(), key=lambda item: -len(item[1]))
    return [(clients[context], _words(clients[context], seen, ended)) for context, seen in ranked]


def _status(event: ExchangeEnded | None) -> int:
    return event.status if event is not None else 0


def _words(
    client: Client, seen: Sequence[tuple[ExchangeId, int]], ended: dict[ExchangeId, ExchangeEnded]
) -> str:
    cost = sum(end.cost for exchange, _ in seen if (end := ended.get(exchange)) is not None)
    statuses = answered(status for _, status in seen)
    shown = f"{client.user_agent.partition(' ')[0]}, JA4 {client.greeting.ja4}, headers {client.header_hash}"
    return f"{len(seen)} requests, {records.dollars(cost)}: {statuses}; {shown}"
