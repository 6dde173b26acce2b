"""Owners with a past and thieves without one: keys that are settled before the house first runs.

An owner's client is first shown to a house of its own, so that the simulated past tells of it exactly as
the gate will see it. Thieves come from other loopback addresses, with other TLS stacks and other headers.
"""

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from house import PROVIDER_KEY, House, house

from chatelaine.app.errand import run_errand
from chatelaine.app.rehearsal.past import Habit, write_past
from chatelaine.app.rehearsal.records import recorded
from chatelaine.app.rehearsal.traffic import Goal, Visitor, request, send
from chatelaine.app.wire import CLOCK, Places, read_settings
from chatelaine.core.play import program, wish
from chatelaine.model.event import ExchangeOpened
from chatelaine.model.exchange import Asked, Client, Network, Operation
from chatelaine.model.key import Grant, KeyRequest, VirtualKey
from chatelaine.model.link import IssueKey, KeyIssuedTold
from chatelaine.model.words import AppName, OwnerId

PER_DAY = 12.0
"""Requests a day of each of an owner's clients: in two weeks enough to settle a key."""
PATIENCE = 60.0
HOME = Visitor("127.20.0.7", 0, program.program("openai-python", 3).on(Network("127.20.0.7")))
"""Where owners' programs run."""
OFFICE = Visitor("127.21.0.9", 4, program.program("curl", 2).on(Network("127.21.0.9")))
"""Another client of each owner: another network, another program."""
_USUAL = wish.chat(wish.MIDDLE)
_TOOL = program.program("aiohttp", 5)
_TOOLS_STACK = 12


@dataclass
class Owned:
    """A key, its token, and whose it is."""

    key: VirtualKey
    token: str


def thief(number: int = 0) -> Visitor:
    """Return a thief of its own: network, TLS stack and headers are no owner's."""
    address = f"127.{66 + number // 200}.{1 + number % 200}.6"
    return Visitor(address, _TOOLS_STACK, _TOOL.on(Network(address)))


def usual() -> Asked:
    """Return what owners ask for every day."""
    return _USUAL


def impossible() -> Asked:
    """Return the check of a key that costs nothing: a cap that cannot be (threat catalogue 1.3)."""
    return wish.chat(wish.SMALL, cap=-1)


def listing() -> Asked:
    """Return the question for models."""
    return wish.plain(Operation.LIST)


def goal(gate: House) -> Goal:
    """Return a house as a goal of visitors."""
    return Goal("127.0.0.1", gate.port, gate.certificate)


async def visit(gate: House, who: Visitor, token: str, asked: Asked) -> int:
    """Ask once on a connection of its own, and return the status."""
    there = goal(gate)
    return await send(there, who, request(who.client, asked, there, token))


def recognised(
    folder: Path, model: int, *, visitors: Sequence[Visitor] = (HOME, OFFICE)
) -> tuple[Client, ...]:
    """Return how a gate sees visitors, found out in a house of its own."""
    folder.mkdir()
    with house(folder, model=model) as gate:
        token = gate.issue()
        for who in visitors:
            assert asyncio.run(visit(gate, who, token, usual())) == 200
    opened = [event for event in recorded(folder / "data" / "journal") if isinstance(event, ExchangeOpened)]
    return tuple(event.client for event in opened)


@dataclass
class Settling:
    """Issues keys and writes their past, before a house runs for the first time."""

    clients: Sequence[Client]
    count: int
    owned: list[Owned] = field(default_factory=list)

    def __call__(self, folder: Path) -> None:
        os.environ.setdefault("MODEL_KEY", PROVIDER_KEY)
        settings = read_settings(str(folder / "chatelaine.yaml"))
        for number in range(self.count):
            told = run_errand(settings, IssueKey(_wanted(number), "test"))
            assert isinstance(told, KeyIssuedTold)
            self.owned.append(Owned(told.key, told.token))
        habits = tuple(Habit(one.key, client, PER_DAY) for one in self.owned for client in self.clients)
        write_past(Places(folder / "data").journal, habits, CLOCK.now())


def _wanted(number: int) -> KeyRequest:
    return KeyRequest(
        owner=OwnerId(f"owner{number}"),
        app=AppName("shop"),
        contact="keys@acme.example",
        grant=Grant(),
        lifetime=timedelta(days=30),
    )


def wait_until_watched(gate: House, pilot: Owned, *, seconds: float = 180.0) -> None:
    """Wait until the hub has learnt the past: until a theft of a key kept for that is answered."""
    until, number = time.monotonic() + seconds, 190
    while True:
        asyncio.run(visit(gate, thief(number), pilot.token, impossible()))
        time.sleep(1)
        if incidents_of(gate, pilot):
            return
        assert time.monotonic() < until, (gate.folder / "house.log").read_text()[-3000:]


def incidents_of(gate: House, owned: Owned) -> list[dict[str, object]]:
    """Return a key's incidents as the command line lists them."""
    listed = gate.told("incidents", "list", "--all", "--limit", "1000")["incidents"]
    # What was merged goes on in another.
    return [one for one in listed if owned.key.id in one["keys"] and one["state"] != "merged"]


def eventually(find: Callable[[], object], *, seconds: float = PATIENCE) -> object:
    """Return what is found, once it is something."""
    until = time.monotonic() + seconds
    while True:
        found = find()
        if found:
            return found
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.2)
