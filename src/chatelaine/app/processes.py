"""The supervisor: binds the sockets, keeps hub and gate workers alive, and lets them drain at the end."""

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import UTC, datetime

from chatelaine.adapters.tls import certificate_warnings, own_certificate
from chatelaine.app.children import Child, Plan, end
from chatelaine.app.difference import changes, split_by_restart
from chatelaine.app.errand import ask
from chatelaine.app.listening import PortRefused, bind_admin, bind_gate
from chatelaine.app.locks import supervisor_lock
from chatelaine.app.settings_files import read_to_serve, setting_place
from chatelaine.app.wire import Places, hash_key, peppers, sealer, tls_names
from chatelaine.core.link import orders_line
from chatelaine.model.error import ChatelaineError, ProcessFailed
from chatelaine.model.link import (
    HubOrders,
    ListProviderKeys,
    ProviderKeysTold,
    ReadStatus,
    StatusTold,
    WorkerOrders,
)
from chatelaine.model.settings import Settings
from chatelaine.model.words import WorkerNumber

HUB = (sys.executable, "-m", "chatelaine.app.hub")
WORKER = (sys.executable, "-m", "chatelaine.app.worker")

_GRACE = 1.0
"""Seconds after the drain before a worker is killed."""
_HUB_GRACE = 5.0
"""Seconds the hub has to close its files."""
_LOOK = 0.05

log = logging.getLogger("chatelaine.up")

Announce = Callable[[Settings, Places, frozenset[str]], None]
"""Told the settings, the places, and the names of the provider keys that the vault holds."""


class Supervisor:
    """Keeps one hub and its workers until it is told to stop."""

    def __init__(
        self,
        settings_path: str,
        overrides: tuple[tuple[str, str], ...],
        *,
        hub: tuple[str, ...] = HUB,
        worker: tuple[str, ...] = WORKER,
    ) -> None:
        """Read the settings; ``hub`` and ``worker`` are the programs that are started.

        Raises:
            SettingsError: with every fault.
        """
        self._path = settings_path
        self._overrides = overrides
        self._settings = read_to_serve(settings_path, overrides)
        self._places = Places(self._settings.storage.directory.resolve())
        self._programs = (hub, worker)
        self._sockets: list[socket.socket] = []
        self._children: list[Child] = []

    def run(self, announce: Announce) -> int:
        """Start everything and keep it running until SIGTERM or SIGINT; return the exit status.

        ``announce`` is called once every worker takes traffic.

        Raises:
            ProcessFailed: a port is taken, the directory is in use, or a child will not stay up.
            SecretUnreadable: a secret cannot be read or made.
        """
        self._places.prepare()
        with supervisor_lock(self._places.lock), ExitStack() as open_sockets:
            self._make_secrets()
            self._warn_of_certificate()
            self._bind()
            for each in self._sockets:
                open_sockets.callback(each.close)
            asyncio.run(self._keep(announce))
        return 0

    def _make_secrets(self) -> None:
        """Make what is made on the first start, before there is anybody to race."""
        peppers(self._settings, self._places)
        sealer(self._settings, self._places)
        hash_key(self._places)
        tls = self._settings.gate.tls
        if tls.enabled and tls.certificate is None:
            own_certificate(self._places.root, tls_names(self._settings))

    def _warn_of_certificate(self) -> None:
        tls = self._settings.gate.tls
        if tls.enabled:
            shown = tls.certificate or self._places.certificate
            for fault in certificate_warnings(shown, now=datetime.now(UTC)):
                log.warning(fault.message, extra={"file": fault.where, "fix": fault.hint})

    def _bind(self) -> None:
        gate, admin = self._settings.gate, self._settings.admin
        workers = gate.workers or os.cpu_count() or 1
        try:
            admin_socket = bind_admin(admin.host, admin.port)
            gate_sockets = bind_gate(gate.host, gate.port, workers)
        except PortRefused as refused:
            where = setting_place(refused.setting, self._path, self._overrides)
            raise ProcessFailed(f"{where}: {refused.message}", hint=refused.hint) from refused
        self._sockets = [admin_socket, *gate_sockets]
        hub, worker = self._programs
        orders = HubOrders(
            workers=workers,
            admin_fd=admin_socket.fileno(),
            settings_path=self._path,
            storage=str(self._places.root),
            overrides=self._overrides,
        )
        self._children = [Child(Plan("hub", hub, orders_line(orders), (admin_socket.fileno(),)))]
        for number, listening in enumerate(gate_sockets, 1):
            line = orders_line(self._worker_orders(number, workers, listening))
            self._children.append(Child(Plan(f"worker {number}", worker, line, (listening.fileno(),))))

    def _worker_orders(self, number: int, workers: int, listening: socket.socket) -> WorkerOrders:
        return WorkerOrders(
            worker=WorkerNumber(number),
            workers=workers,
            listening_fd=listening.fileno(),
            settings_path=self._path,
            storage=str(self._places.root),
            overrides=self._overrides,
        )

    async def _keep(self, announce: Announce) -> None:
        self._stopping, self._hurried = asyncio.Event(), asyncio.Event()
        self._watch()
        keeping = [asyncio.create_task(child.keep(self._stopping)) for child in self._children]
        others = [
            asyncio.create_task(self._stopping.wait()),
            asyncio.create_task(self._announce_when_ready(announce)),
        ]
        try:
            await asyncio.wait([*keeping, others[0]], return_when=asyncio.FIRST_COMPLETED)
        finally:
            failed = [task for task in keeping if task.done()]
            self._stopping.set()
            for task in others:
                task.cancel()
            await self._end(hurry=bool(failed))
            await asyncio.gather(*keeping, *others, return_exceptions=True)
        for task in failed:
            task.result()

    def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        loop.add_signal_handler(signal.SIGHUP, self._reload)

    def _stop(self) -> None:
        """Begin the drain; asked again, do not wait for its end."""
        if self._stopping.is_set():
            self._hurried.set()
        self._stopping.set()

    def _reload(self) -> None:
        """Read the settings again; only where they are valid, the hub is told, and it tells the workers."""
        try:
            settings = read_to_serve(self._path, self._overrides)
        except ChatelaineError as fault:
            log.error("the settings are kept as they were:\n%s", fault)  # noqa: TRY400 - told, not traced
        else:
            at_once, at_restart = split_by_restart(changes(self._settings, settings))
            log.info(
                "the settings were read again",
                extra={"changed": ", ".join(at_once), "at_restart": ", ".join(at_restart)},
            )
            self._settings = settings
            self._warn_of_certificate()
        # The hub refuses what is invalid by itself, and counts and records that it did.
        self._children[0].tell(signal.SIGHUP)

    async def _announce_when_ready(self, announce: Announce) -> None:
        while True:
            with suppress(ChatelaineError):
                told = await ask(self._places.socket, ReadStatus())
                if isinstance(told, StatusTold) and not told.reasons:
                    held = await ask(self._places.socket, ListProviderKeys())
                    names = held.provider_keys if isinstance(held, ProviderKeysTold) else ()
                    announce(self._settings, self._places, frozenset(str(key.name) for key in names))
                    return
            await asyncio.sleep(_LOOK)

    async def _end(self, *, hurry: bool) -> None:
        """Let workers drain first, then the hub, which must hear their last words."""
        for each in self._sockets:
            # A worker's own copy goes on listening until the worker closes it.
            each.close()
        drain = _GRACE if hurry else self._settings.gate.timeouts.drain.total_seconds() + _GRACE
        await end(self._children[1:], within=drain, hurried=self._hurried)
        await end(self._children[:1], within=_HUB_GRACE, hurried=self._hurried)
