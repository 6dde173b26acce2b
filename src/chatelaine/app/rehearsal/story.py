"""The story of a theft, played on this machine: a leak, a probe, a burst, a busy day, and a quiet thief.

What the hub makes of it comes in by a ``Watch``, where there is one; everything else is counted as it
happens, or read in the journal afterwards. No figure that is shown is written here.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Protocol

from chatelaine.app.rehearsal import records
from chatelaine.app.rehearsal.model_server import MODEL, ModelServer
from chatelaine.app.rehearsal.past import DAYS, Habit, write_past
from chatelaine.app.rehearsal.place import App, Gate, House, app_with, gate_before, gate_of, set_up
from chatelaine.app.rehearsal.talk import Answered, Failed
from chatelaine.app.rehearsal.thief import Stolen, answered
from chatelaine.app.rehearsal.traffic import Goal
from chatelaine.app.wire import CLOCK
from chatelaine.core.context import context_id, prefix_of
from chatelaine.model.error import ChatelaineError
from chatelaine.model.event import Event, ExchangeEnded, ExchangeOpened, ExchangeRefused
from chatelaine.model.exchange import Client
from chatelaine.model.link import KeyIssuedTold
from chatelaine.model.words import ContextId, ExchangeId, KeyId
from chatelaine.surfaces.cli.demo import Stage

_QUESTION: Final = "How many doors has the castle?"
_ANSWERS: Final = {_QUESTION: "Forty-one, and a small one behind the kitchen."}
_MODELS: Final = frozenset({MODEL, "gpt-4o", "gpt-4o-mini"})
_DOLLARS: Final = 20
_A_DAY: Final = {"shop": 400.0, "press": 200.0}
_CALM: Final = 0.25
"""Seconds an app waits between two questions on a usual day."""
_BUSY: Final = 0.01
_BURST: Final = 200
_SPIKE: Final = 5.0
"""Seconds that the busy day lasts."""
_BLENDING, _BLEND_PAUSE = 6, 0.7
_GLANCE: Final = 0.25
_SETTLING: Final = 2.0
"""Seconds a watch is given to see what has just happened."""


@dataclass(frozen=True, slots=True)
class Opened:
    """An incident as far as the story needs it."""

    id: str
    key: KeyId
    title: str
    contained: bool
    """Whether something holds the thief back."""


class Watch(Protocol):
    """Tells what the hub makes of what happens."""

    async def ready(self, gate: Gate) -> None:
        """Wait until the hub has learnt the past."""
        ...

    async def incidents(self, gate: Gate) -> Sequence[Opened]:
        """Return the incidents so far, the oldest first."""
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
        return f"{self.answered + len(self.failures)} questions, {len(self.failures)} failures"


@dataclass
class _Cast:
    stage: Stage
    watch: Watch | None
    gate: Gate
    keys: dict[str, KeyIssuedTold]
    workers: dict[str, Worker]
    owner: Client
    told: set[str] = field(default_factory=set)
    settling: float = _SETTLING

    def stolen(self, name: str) -> Stolen:
        """Return an app's token in a thief's hands."""
        port = int(self.gate.url.rpartition(":")[2])
        return Stolen(Goal("127.0.0.1", port, self.gate.certificate), self.keys[name].token)

    async def look(self) -> None:
        """Show the incidents that were opened since the last look."""
        if self.watch is None:
            return
        until = time.monotonic() + self.settling
        while True:
            for one in await self.watch.incidents(self.gate):
                line = f"{one.id} on key {one.key}: {one.title}{', contained' if one.contained else ''}"
                if line not in self.told:
                    self.told.add(line)
                    self.stage.row("incident", line)
            if time.monotonic() >= until:
                return
            await asyncio.sleep(_GLANCE)


async def tell(stage: Stage, folder: Path, watch: Watch | None, *, keep: bool) -> None:
    """Tell the whole story in a folder; ``keep``: leave everything running until cancelled.

    ``watch``: who tells of incidents; None: nobody does, and the story tells none.

    Raises:
        ChatelaineError: a part of it cannot be started, or an owner's app failed.
    """
    async with _cast(stage, folder, watch) as cast:
        await _theft(cast)
        await _busy_day(cast)
        await _quiet_thief(cast)
        _tell_records(cast)
        if keep:
            stage.note(f"The gate runs on at {cast.gate.url}, its folder is {folder}. Stop it with ^C.")
            await asyncio.Event().wait()


@asynccontextmanager
async def _cast(stage: Stage, folder: Path, watch: Watch | None) -> AsyncIterator[_Cast]:
    stage.act("Two apps, the gate before their model, and two weeks of everyday life")
    async with AsyncExitStack() as stack:
        model = await stack.enter_async_context(ModelServer(_ANSWERS, pace=0.01, models=_MODELS))
        owner = await _recognise(model.port)
        house = set_up(model.port, folder)
        keys = {name: await asyncio.to_thread(house.issue, name, dollars=_DOLLARS) for name in _A_DAY}
        _tell_past(stage, house, keys, owner)
        gate = await stack.enter_async_context(gate_of(house))
        if watch is not None:
            await watch.ready(gate)
        stage.row("gate", f"{gate.url}, before a stand-in for a model: fixed words, in OpenAI's dialect")
        workers = {}
        for name, told in keys.items():
            app = await stack.enter_async_context(app_with(gate.environment(told.token), folder))
            workers[name] = Worker(app)
            stage.row(name, f"an app with {await app.ready()} and the key {told.key.id}")
        async with _at_work(workers.values()):
            yield _Cast(stage, watch, gate, keys, workers, owner)


async def _recognise(model: int) -> Client:
    """Return how a gate sees the apps, found out by one question in a house of its own."""
    with TemporaryDirectory(prefix="chatelaine-") as name:
        async with gate_before(model, Path(name)) as gate:
            told = await gate.issue("shop")
            async with app_with(gate.environment(told.token), Path(name)) as app:
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
    habits = tuple(Habit(told.key, owner, _A_DAY[name]) for name, told in keys.items())
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


async def _theft(cast: _Cast) -> None:
    stage, thief, shop = cast.stage, cast.stolen("shop"), cast.workers["shop"]
    stage.act("The shop's key leaks: it is probed, its models are counted, then it is resold")
    stage.row("probe", f"a list, an impossible cap, an empty question: {answered(await thief.probe())}")
    await cast.look()
    models = await thief.enumerate_models()
    there = [model for model, status in models.items() if status < 400]  # noqa: PLR2004 - HTTP's first error
    stage.row("models", f"{len(models)} asked for, {len(there)} there: {', '.join(there) or 'none'}")
    await cast.look()
    began = time.monotonic()
    statuses = await thief.burst(_BURST)
    stage.row(
        "burst", f"{_BURST} requests in {time.monotonic() - began:.1f} s: {answered(statuses.elements())}"
    )
    await cast.look()
    stage.row("shop", f"the app meanwhile: {shop.told()}")
    _require_unharmed(shop)


async def _busy_day(cast: _Cast) -> None:
    stage, press = cast.stage, cast.workers["press"]
    stage.act("The other app has a busy day: the same program, the same place, many times the traffic")
    before, press.pause = press.answered, _BUSY
    await asyncio.sleep(_SPIKE)
    press.pause = _CALM
    usual = _SPIKE / _CALM
    count = press.answered - before
    stage.row("press", f"{count} questions in {_SPIKE:.0f} s, {count / usual:.1f} times its usual pace")
    known = len(cast.told)
    await cast.look()
    if cast.watch is not None:
        stage.row("incidents", f"{len(cast.told) - known} new")
    _require_unharmed(press)


async def _quiet_thief(cast: _Cast) -> None:
    stage = cast.stage
    stage.act("A quiet thief has the other app's key: its SDK, its TLS, its model, seldom, from elsewhere")
    statuses = await cast.stolen("press").blend_in(cast.owner, _BLENDING, _BLEND_PAUSE)
    stage.row("thief", f"{_BLENDING} requests: {answered(statuses)}")
    await cast.look()
    stage.row("press", f"the app meanwhile: {cast.workers['press'].told()}")
    _require_unharmed(cast.workers["press"])


def _require_unharmed(worker: Worker) -> None:
    if worker.failures:
        first = worker.failures[0]
        raise ChatelaineError(f"the owner's app failed: {first.status} {first.error}: {first.message}")


def _tell_records(cast: _Cast) -> None:
    stage = cast.stage
    stage.act("What the journal holds of each client, refusals and failures as fully as answers")
    events = records.recorded(cast.gate.places.journal)
    for name, told in cast.keys.items():
        stage.note(f"{name}, key {told.key.id}:")
        for client, words in by_client(records.of_key(events, told.key.id)):
            stage.row(client.network.ip, words)


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
