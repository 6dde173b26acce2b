"""The hub: keeps the keys, pushes tables to the gates, closes what dead workers left, counts."""

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import uvicorn

from chatelaine.adapters.capture import sweep
from chatelaine.adapters.journal import SegmentJournal, compress_closed
from chatelaine.adapters.log import set_up
from chatelaine.adapters.meter import SharedMeter
from chatelaine.adapters.restraint_file import open_restraint_file
from chatelaine.adapters.sqlite import SqliteKeyStore, open_key_store
from chatelaine.adapters.telemetry import Tally
from chatelaine.app.census import Census, label_values, worker_reasons
from chatelaine.app.commands import Clerk, acted
from chatelaine.app.difference import changes, digest, split_by_restart, weakened
from chatelaine.app.guarding import Guarding, HubParts
from chatelaine.app.locks import hub_lock
from chatelaine.app.orders import take_orders, watch_supervisor
from chatelaine.app.recovery import HUB, durable, rebuild_totals, recover_worker
from chatelaine.app.restraining import carry_out, is_restraining
from chatelaine.app.settings_files import read_to_serve
from chatelaine.app.wire import CLOCK, ENTROPY, Places, peppers, read_settings, sealer
from chatelaine.core.metric import EVENTS, KEY_CHANGE, RELOAD_FAILURES, RELOADS
from chatelaine.model.desk import IncidentCommand
from chatelaine.model.error import ChatelaineError, JournalError, StoreError
from chatelaine.model.event import AdminActed
from chatelaine.model.link import (
    ActRecorded,
    Command,
    HubOrders,
    Reach,
    ReadStatus,
    RecordAct,
    ReloadSettings,
    Reply,
    SettingsTold,
    StatusTold,
    WorkerHello,
)
from chatelaine.model.words import SECOND, Instant, KeyId
from chatelaine.services.key import KeyKeeper
from chatelaine.services.restraint import RestraintKeeper
from chatelaine.surfaces.api import Vitals, admin_application
from chatelaine.surfaces.control import ControlServer, Desk
from chatelaine.surfaces.switchboard import Switchboard

log = logging.getLogger("chatelaine.hub")

_SWEEP = 1.0
"""Seconds between looks at what expires, what can be compressed and how the clock goes."""
_COMPRESS = 30.0
_EXPIRE = 60.0
"""Seconds between looks for captured content that is too old."""
_LOCK_PATIENCE = 10.0
"""Seconds a hub waits for the one before it, or a command that works on the store, to be done."""
_JUMP = 2 * SECOND
"""The wall clock may differ so much from the steady one between two looks."""


@dataclass(slots=True)
class _Stores:
    """The files the hub holds open."""

    store: SqliteKeyStore
    journal: SegmentJournal
    meter: SharedMeter

    def close(self) -> None:
        self.journal.close()
        self.meter.close()
        self.store.close()


class Hub:
    """The life of the hub."""

    def __init__(self, orders: HubOrders) -> None:
        self._orders = orders
        self._places = Places(Path(orders.storage))
        self._settings = read_settings(orders.settings_path, orders.overrides)
        self._started_at = CLOCK.now()
        self._stop = asyncio.Event()
        self._configured = label_values(self._settings)
        self._tally = Tally(self._configured)
        self._used: set[KeyId] = set()
        self._use_noted = asyncio.Event()
        self._store_fault = ""
        self._reloads = 0
        self._recovering = asyncio.Lock()

    async def run(self) -> None:
        """Serve until told to stop.

        Raises:
            ChatelaineError: store, journal, meter or secrets cannot be used.
        """
        self._watch()
        with hub_lock(self._places.root, patience=_LOCK_PATIENCE):
            stores = self._open()
            try:
                await self._prepare(stores)
                await self._serve()
            finally:
                stores.close()

    def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload_by_signal)
        watch_supervisor(self._stop.set)

    def _open(self) -> _Stores:
        return _Stores(
            open_key_store(self._places.store),
            SegmentJournal(self._places.journal, HUB, self._settings.journal, CLOCK),
            SharedMeter(self._places.meter, HUB, self._orders.workers),
        )

    async def _prepare(self, stores: _Stores) -> None:
        self._journal, self._meter = stores.journal, stores.meter
        keys = await stores.store.keys()
        if stores.meter.begun_anew:
            now = CLOCK.now()
            await asyncio.to_thread(rebuild_totals, self._places.journal, stores.meter, now=now)
        held = open_restraint_file(self._places.restraints)
        switchboard = Switchboard(
            keys,
            settings_digest=digest(self._settings),
            workers=self._orders.workers,
            restraints=await held.restraints(),
        )
        self._restraints = RestraintKeeper(
            store=held,
            clock=CLOCK,
            entropy=ENTROPY,
            record=stores.journal.append,
            publish=switchboard.publish_restraints,
        )
        keeper = KeyKeeper(
            store=stores.store,
            clock=CLOCK,
            entropy=ENTROPY,
            sealer=sealer(self._settings, self._places),
            peppers=peppers(self._settings, self._places),
            record=stores.journal.append,
            publish=switchboard.publish,
            publish_provider_keys=switchboard.publish_secrets,
        )
        switchboard.publish_secrets(await keeper.open_provider_keys())
        self._guarding = Guarding(
            HubParts(
                places=self._places,
                record=stores.journal.append,
                keys=keeper,
                restraints=self._restraints,
                telemetry=self._tally,
                held=lambda: switchboard.keys,
                meter_row=stores.meter.row,
                publish_habits=switchboard.publish_habits,
                notify=self._settings.notify,
            )
        )
        self._keeper, self._switchboard = keeper, switchboard
        self._census = Census(self._tally, switchboard)
        self._clerk = Clerk(keeper, self._settings, self)

    async def _serve(self) -> None:
        desk = Desk(
            answer=self._answer, recover=self._recover, note_used=self._note_used, gone=self._census.note_gone
        )
        control = ControlServer(self._places.socket, self._switchboard, desk)
        await control.start()
        tasks = [
            asyncio.create_task(work)
            for work in (
                self._serve_admin(),
                self._sweep(),
                self._mark_used(),
                self._compress(),
                self._delete_captures(),
                *self._guarding.works(),
            )
        ]
        stopping = asyncio.create_task(self._stop.wait())
        try:
            done, _ = await asyncio.wait([*tasks, stopping], return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopping}:
                task.result()
        finally:
            for task in (*tasks, stopping):
                task.cancel()
            await control.close()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._guarding.close()

    # What the socket's server asks.

    async def _answer(self, command: Command) -> Reply:
        if isinstance(command, ReadStatus):
            return self._status()
        if isinstance(command, ReloadSettings):
            return self._reload(command.by)
        if isinstance(command, RecordAct):
            self._journal.append(acted(command, CLOCK.now()))
            reply: Reply = ActRecorded()
        elif is_restraining(command):
            reply = await carry_out(command, self._restraints, self._keeper, self)
        elif isinstance(command, IncidentCommand):
            reply = await self._guarding.desk.carry_out(command)
        else:
            reply = await self._clerk.carry_out(command)
        await durable(self._journal)
        return reply

    async def reach(self) -> Reach:
        """Wait until every worker has what was published, and return how many have."""
        reach = await self._switchboard.reach()
        self._tally.observe(KEY_CHANGE, value=reach.took_ms / 1000)
        return reach

    async def _recover(self, hello: WorkerHello) -> None:
        try:
            closed = await recover_worker(hello.worker, self._places.journal, self._meter)
        except (JournalError, OSError) as fault:
            # The worker comes again and again until its predecessor's exchanges are closed.
            log.error("a worker cannot be recovered", extra={"worker": hello.worker, "fault": str(fault)})  # noqa: TRY400 - told, not traced
            raise ConnectionAbortedError(str(fault)) from fault
        if closed:
            self._tally.count(EVENTS, "interrupted", by=closed)
            log.warning("exchanges were interrupted", extra={"worker": hello.worker, "exchanges": closed})
            self._note("recover", "hub", "done", f"worker {hello.worker}: {closed} exchanges interrupted")

    def _note_used(self, kid: KeyId) -> None:
        self._used.add(kid)
        self._use_noted.set()

    def _status(self) -> StatusTold:
        return StatusTold(
            pid=os.getpid(),
            started_at=self._started_at,
            epoch=self._switchboard.epoch,
            keys=len(self._switchboard.keys),
            workers=self._switchboard.told(),
            reasons=tuple(self._reasons()),
            watch=self._guarding.told(habits=len(self._switchboard.habits)),
        )

    def _reasons(self) -> Sequence[str]:
        found = worker_reasons(self._switchboard.told())
        if not self._journal.available:
            found.append(f"the hub's journal cannot be written: {self._journal.failure}")
        if self._store_fault:
            found.append(f"the store of keys: {self._store_fault}")
        if self._stop.is_set():
            found.append("the hub is stopping")
        return found

    # Settings.

    def _reload_by_signal(self) -> None:
        with suppress(ChatelaineError):
            self._reload("SIGHUP")

    def _reload(self, by: str) -> SettingsTold:
        try:
            settings = read_to_serve(self._orders.settings_path, self._orders.overrides)
            configured = label_values(settings)
            self._guarding.change_receivers(settings.notify)
        except ChatelaineError as fault:
            self._tally.count(RELOAD_FAILURES)
            self._tally.count(RELOADS, "refused")
            log.error("the settings are kept as they were", extra={"fault": str(fault)})  # noqa: TRY400 - told, not traced
            self._note("reload", by, "refused", fault.reason)
            raise
        changed, at_restart = split_by_restart(changes(self._settings, settings))
        less = weakened(self._settings, settings)
        self._settings, self._configured = settings, configured
        self._clerk = Clerk(self._keeper, settings, self)
        self._tally.count(RELOADS, "ok")
        self._note("reload", by, "done", ", ".join((*changed, *at_restart)))
        if less:
            self._note("settings.weakened", by, "done", ", ".join(less))
        log.info("the settings were read again", extra={"changed": changed, "at_restart": at_restart})
        # Told to every worker even where no setting differs: a certificate or a price may have changed.
        self._reloads += 1
        self._switchboard.publish_settings(f"{digest(settings)} {self._reloads}")
        return SettingsTold(changed, at_restart)

    def _note(self, action: str, by: str, outcome: str, detail: str) -> None:
        try:
            self._journal.append(AdminActed(CLOCK.now(), action, by, outcome, detail))
        except JournalError as fault:
            log.error("an event cannot be recorded", extra={"action": action, "fault": str(fault)})  # noqa: TRY400 - told, not traced

    # Looking after.

    async def _sweep(self) -> None:
        """End keys whose time is over, and note jumps of the clock."""
        offset = CLOCK.now() - CLOCK.elapsed()
        while True:
            await asyncio.sleep(_SWEEP)
            self._journal.tell(self._tally)
            before, offset = offset, CLOCK.now() - CLOCK.elapsed()
            if abs(offset - before) > _JUMP:
                detail = f"{(offset - before) / SECOND:+.1f} s"
                log.warning("the clock jumped", extra={"by": detail})
                self._note("clock_jumped", "hub", "noted", detail)
            try:
                await self._keeper.expire_due(CLOCK.now())
                await self._restraints.expire_due(CLOCK.now())
                await self._guarding.look_after()
                self._store_fault = ""
            except (StoreError, JournalError) as fault:
                self._store_fault = fault.message
                log.error("keys or restraints that are due cannot be ended", extra={"fault": str(fault)})  # noqa: TRY400 - told, not traced

    async def _mark_used(self) -> None:
        while True:
            await self._use_noted.wait()
            self._use_noted.clear()
            used, self._used = self._used, set()
            try:
                await self._keeper.mark_used(used)
            except (StoreError, JournalError) as fault:
                # The gate tells of the key again when its line is next made.
                log.error("first uses cannot be noted", extra={"fault": str(fault)})  # noqa: TRY400 - told, not traced

    async def _compress(self) -> None:
        while True:
            try:
                await asyncio.to_thread(compress_closed, self._places.journal)
            except OSError as fault:
                log.warning("closed segments cannot be compressed", extra={"fault": str(fault)})
            await asyncio.sleep(_COMPRESS)

    async def _delete_captures(self) -> None:
        """Delete captured content that is older than it may be, also while capture is off."""
        while True:
            directory, kept = self._places.captures(self._settings.capture), self._settings.capture.retention
            before = Instant(CLOCK.now() - kept // timedelta(microseconds=1) * 1000)
            try:
                removed = await asyncio.to_thread(sweep, directory, before)
            except OSError as fault:
                log.warning("captured content cannot be deleted", extra={"fault": str(fault)})
            else:
                if removed.segments:
                    detail = f"{removed.records} records in {removed.segments} segments were too old"
                    self._note("capture.expire", "hub", "done", detail)
            await asyncio.sleep(_EXPIRE)

    async def _serve_admin(self) -> None:
        vitals = Vitals(self._reasons, lambda: self._census.metrics(self._configured))
        config = uvicorn.Config(
            admin_application(vitals),
            log_config=None,
            access_log=False,
            log_level="warning",
            lifespan="off",
            loop="none",
        )
        listening = socket.socket(fileno=self._orders.admin_fd)
        await _AdminServer(config).serve(sockets=[listening])


class _AdminServer(uvicorn.Server):
    """The admin port's server; signals are the hub's own to hear."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals as they are."""
        yield


def main() -> None:
    """Run the hub on the orders that stand on its standard input."""
    set_up()
    try:
        asyncio.run(_run(take_orders(HubOrders)))
    except ChatelaineError as fault:
        log.critical("the hub cannot run", extra={"fault": str(fault)})
        raise SystemExit(3) from fault


async def _run(orders: HubOrders) -> None:
    await Hub(orders).run()


if __name__ == "__main__":
    main()
