"""A gate worker: one process on one core, with its own journal and its own listening socket."""

import asyncio
import logging
import signal
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import uvloop

from chatelaine.adapters.hub_link import HubLink, Reception
from chatelaine.adapters.journal import SegmentJournal
from chatelaine.adapters.log import set_up
from chatelaine.adapters.meter import SharedMeter
from chatelaine.app.collecting import settle
from chatelaine.app.gate import GateWorks
from chatelaine.app.locks import supervisor
from chatelaine.app.orders import take_orders, watch_supervisor
from chatelaine.app.wire import CLOCK, Places, peppers, read_settings
from chatelaine.catalog import providers
from chatelaine.core.key.roster import Roster
from chatelaine.core.metric import (
    CONNECTIONS,
    IN_FLIGHT,
    JOURNAL_AVAILABLE,
    RELOAD_FAILURES,
    RELOADS,
    UPSTREAM_CONNECTIONS,
    UPSTREAM_OPEN,
)
from chatelaine.model.error import ChatelaineError, TableError
from chatelaine.model.exchange import EndReason
from chatelaine.model.key import VirtualKey
from chatelaine.model.link import Snapshot, WorkerOrders, WorkerStanding
from chatelaine.model.playbook import HabitTable, Restraint
from chatelaine.model.settings import Settings
from chatelaine.model.words import ActionId, KeyId, ProviderKeyName
from chatelaine.surfaces.gate.hall import Gate
from chatelaine.surfaces.gate.listener import Listener

_TICK = 0.25
"""Seconds between looks at the clocks of connections."""

_LOOK = 0.02
_YOUNG = 10_000
"""Objects of a worker until its collector looks at the new ones among them."""
_DAY = 24 * 3600.0
"""Seconds between looks at the certificate, which is renewed two weeks before its end."""

log = logging.getLogger("chatelaine.worker")


class Worker:
    """The life of one worker: tables, then traffic, then the drain."""

    def __init__(self, orders: WorkerOrders) -> None:
        self._orders = orders
        self._places = Places(Path(orders.storage))
        self._settings = read_settings(orders.settings_path, orders.overrides)
        self._works = GateWorks(
            orders.worker,
            orders.workers,
            self._places,
            providers(),
            Roster(peppers(self._settings, self._places)),
        )
        self._gate: Gate | None = None
        self._journal: SegmentJournal | None = None
        self._stop = asyncio.Event()
        self._supervisor = supervisor(self._places.lock)
        self._orphaned = False

    async def run(self) -> None:
        """Serve until told to stop."""
        self._watch()
        link = self._link()
        linking = asyncio.create_task(link.run())
        if not await self._tables(link):
            linking.cancel()
            return
        # The hub has recovered what a worker of this number left before it sent the tables.
        journal = SegmentJournal(self._places.journal, self._orders.worker, self._settings.journal, CLOCK)
        meter = SharedMeter(self._places.meter, self._orders.worker, self._orders.workers)
        self._journal = journal
        self._gate = gate = self._works.open(self._settings, journal, meter, link.report_used)
        listening = socket.socket(fileno=self._orders.listening_fd)
        listening.setblocking(False)
        listener = Listener(listening, gate, self._works.door())
        serving = asyncio.create_task(listener.serve())
        chores = [
            asyncio.create_task(chore)
            for chore in (
                self._tick(gate, journal, link),
                self._look_at_addresses(),
                self._look_at_certificate(),
            )
        ]
        link.report_standing(WorkerStanding(ready=True))
        settle(_YOUNG)
        await self._stop.wait()
        serving.cancel()
        listener.close()
        link.report_standing(WorkerStanding(ready=False, draining=True))
        await self._drain(gate)
        for chore in chores:
            chore.cancel()
        self._works.pool.close()
        self._works.capture.close()
        journal.close()
        linking.cancel()
        meter.close()

    async def _tables(self, link: HubLink) -> bool:
        """Wait for the tables; return False if the worker is stopped before they come."""
        complete, stop = asyncio.create_task(link.complete.wait()), asyncio.create_task(self._stop.wait())
        await asyncio.wait((complete, stop), return_when=asyncio.FIRST_COMPLETED)
        complete.cancel()
        stop.cancel()
        return not self._stop.is_set()

    def _watch(self) -> None:
        """Stop on SIGTERM, and when the supervisor is gone."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        watch_supervisor(self._lose_supervisor)

    def _lose_supervisor(self) -> None:
        """Drain, and make room for a successor as soon as there is one."""
        log.warning("the supervisor is gone", extra={"in_flight": len(self._works.live)})
        self._orphaned = True
        self._stop.set()

    def _link(self) -> HubLink:
        reception = Reception(
            on_keys=self._take_keys,
            on_changes=self._take_changes,
            on_secrets=self._take_secrets,
            on_settings=self._take_settings,
            on_restraints=self._take_restraints,
            on_restraint_changes=self._take_restraint_changes,
            on_habits=self._take_habits,
            on_habit_changes=self._take_habit_changes,
        )
        return HubLink(
            self._places.socket,
            self._orders.worker,
            reception,
            snapshot=self._snapshot,
        )

    def _snapshot(self) -> Snapshot:
        return self._works.tally.snapshot()

    def _take_keys(self, keys: Sequence[VirtualKey]) -> None:
        for kid in self._works.roster.replace_all(keys):
            self._works.live.cut(kid)

    def _take_changes(self, keys: Sequence[VirtualKey]) -> None:
        for kid in self._works.roster.change(keys):
            self._works.live.cut(kid)

    def _take_restraints(self, restraints: Sequence[Restraint]) -> None:
        self._works.cut_held(self._works.restraints.replace_all(restraints))

    def _take_restraint_changes(self, restraints: Sequence[Restraint], lifted: Sequence[ActionId]) -> None:
        self._works.cut_held(self._works.restraints.change(restraints, lifted))

    def _take_habits(self, habits: Sequence[HabitTable]) -> None:
        self._works.cut_held(self._works.restraints.replace_habits(habits))

    def _take_habit_changes(self, habits: Sequence[HabitTable], forgotten: Sequence[KeyId]) -> None:
        self._works.cut_held(self._works.restraints.change_habits(habits, forgotten))

    def _take_secrets(self, secrets: Mapping[ProviderKeyName, bytes]) -> None:
        try:
            self._works.change_secrets(secrets)
        except ChatelaineError as fault:
            # Raised further, it would end the line to the hub, and with it every later change.
            log.error("the new provider keys are not taken over", extra={"fault": str(fault)})  # noqa: TRY400 - told, not traced
            self._count_reload(taken=False)

    def _take_settings(self) -> None:
        if self._gate is None:
            return
        try:
            settings: Settings = read_settings(self._orders.settings_path, self._orders.overrides)
            self._works.change_settings(settings)
        except ChatelaineError as fault:
            log.error("the new settings are not taken over", extra={"fault": str(fault)})  # noqa: TRY400 - told, not traced
            self._count_reload(taken=False)
        else:
            self._settings = settings
            self._gate.sizes, self._gate.timeouts = settings.gate.sizes, settings.gate.timeouts
            self._count_reload(taken=True)

    async def _look_at_addresses(self) -> None:
        """Take over files of networks that changed; keep what was read before where one is broken."""
        while True:
            await asyncio.sleep(self._settings.addresses.look_every.total_seconds())
            if not self._works.addresses.stale:
                continue
            try:
                # In a thread: a file of a hundred megabytes must not hold up traffic.
                await asyncio.to_thread(self._works.addresses.reload)
            except TableError as fault:
                log.error("address files are kept as they were", extra={"fault": str(fault)})  # noqa: TRY400 - told, not traced
                self._count_reload(taken=False)
            else:
                log.info("address files were read again")
                self._count_reload(taken=True)

    async def _look_at_certificate(self) -> None:
        """Show the certificate that lies there now; one of our own is renewed before it expires."""
        while True:
            await asyncio.sleep(_DAY)
            try:
                self._works.renew_certificate(self._settings)
            except ChatelaineError as fault:
                log.error("the certificate is kept as it was", extra={"fault": str(fault)})  # noqa: TRY400 - told, not traced

    def _count_reload(self, *, taken: bool) -> None:
        self._works.tally.count(RELOADS, "ok" if taken else "refused")
        if not taken:
            self._works.tally.count(RELOAD_FAILURES)

    async def _tick(self, gate: Gate, journal: SegmentJournal, link: HubLink) -> None:
        tally = self._works.tally
        while True:
            await asyncio.sleep(_TICK)
            gate.tick()
            self._works.capture.tell(tally)
            journal.tell(tally)
            self._show_resting()
            tally.show(CONNECTIONS, value=len(gate.connections))
            tally.show(IN_FLIGHT, value=len(self._works.live))
            tally.show(JOURNAL_AVAILABLE, value=float(journal.available))
            link.report_standing(
                WorkerStanding(ready=True, draining=gate.draining, journal=journal.available)
            )

    def _show_resting(self) -> None:
        for name, alive in self._works.connections().items():
            self._works.tally.show(UPSTREAM_CONNECTIONS, name, value=alive)
        resting = set(self._works.rota.resting(CLOCK.elapsed()))
        for upstream in self._settings.upstreams:
            self._works.tally.show(UPSTREAM_OPEN, upstream.name, value=upstream.name in resting)

    async def _drain(self, gate: Gate) -> None:
        gate.drain()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.gate.timeouts.drain.total_seconds()):
                while len(self._works.live) and not self._is_succeeded():  # noqa: ASYNC110 - exchanges end one by one
                    await asyncio.sleep(_LOOK)
        self._works.live.cut_all(EndReason.DRAINED)
        await asyncio.sleep(0.05)

    def _is_succeeded(self) -> bool:
        """Tell whether another `chatelaine up` has begun, whose worker waits for this one's journal."""
        return self._orphaned and supervisor(self._places.lock) != self._supervisor


def main() -> None:
    """Run a worker on the orders that stand on its standard input."""
    set_up()
    try:
        uvloop.run(_serve(take_orders(WorkerOrders)))
    except ChatelaineError as fault:
        log.critical("the worker cannot run", extra={"fault": str(fault)})
        raise SystemExit(3) from fault


async def _serve(orders: WorkerOrders) -> None:
    await Worker(orders).run()


if __name__ == "__main__":
    main()
