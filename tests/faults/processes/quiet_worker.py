"""A gate worker for tests: tables from the hub, then an answer with its number and the keys it holds."""

import asyncio
import json
import os
import signal
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from chatelaine.adapters.hub_link import HubLink, Reception
from chatelaine.adapters.log import set_up
from chatelaine.adapters.telemetry import Tally
from chatelaine.app.orders import take_orders, watch_supervisor
from chatelaine.app.wire import Places
from chatelaine.core.metric import REQUESTS
from chatelaine.model.key import VirtualKey
from chatelaine.model.link import WorkerOrders, WorkerStanding
from chatelaine.model.words import KeyId, ProviderKeyName


class QuietWorker:
    """Tells over HTTP what it holds; ``/use/KID`` reports a first use, ``/slow`` and ``/hang`` take long."""

    def __init__(self, orders: WorkerOrders) -> None:
        self.orders = orders
        self.tally = Tally({"provider": frozenset({"openai"}), "route": frozenset({"/v1/models"})})
        self.keys: dict[KeyId, VirtualKey] = {}
        self.secrets: dict[ProviderKeyName, bytes] = {}
        self.reloads = 0
        self.busy = 0
        self.stop = asyncio.Event()
        reception = Reception(
            self.on_keys, self.on_changes, self.on_secrets, self.on_settings,
            self.on_table, self.on_table_changes, self.on_table, self.on_table_changes,
        )  # fmt: skip
        path = Places(Path(orders.storage)).socket
        self.link = HubLink(path, orders.worker, reception, snapshot=self.tally.snapshot)

    def on_keys(self, keys: Sequence[VirtualKey]) -> None:
        self.keys = {key.id: key for key in keys}

    def on_changes(self, keys: Sequence[VirtualKey]) -> None:
        self.keys.update((key.id, key) for key in keys)

    def on_secrets(self, secrets: Mapping[ProviderKeyName, bytes]) -> None:
        self.secrets = dict(secrets)

    def on_table(self, rows: Sequence[object]) -> None:
        """Take restraints or habits, which it does not tell of."""

    def on_table_changes(self, rows: Sequence[object], gone: Sequence[object]) -> None:
        """Take their changes."""

    def on_settings(self) -> None:
        self.reloads += 1

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.stop.set)
        watch_supervisor(lambda: os._exit(0))
        linking = asyncio.create_task(self.link.run())
        await self.link.complete.wait()
        server = await asyncio.start_server(self.answer, sock=socket.socket(fileno=self.orders.listening_fd))
        self.link.report_standing(WorkerStanding(ready=True))
        await self.stop.wait()
        server.close()
        self.link.report_standing(WorkerStanding(ready=False, draining=True))
        while self.busy:
            await asyncio.sleep(0.01)
        linking.cancel()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.busy += 1
        self.tally.count(REQUESTS, "openai", "/v1/models", "completed")
        path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
        if path.startswith("/use/"):
            self.link.report_used(KeyId(path.removeprefix("/use/")))
        if path == "/slow":
            await asyncio.sleep(1)
        if path == "/hang":
            await asyncio.sleep(3600)
        body = json.dumps(
            {
                "worker": self.orders.worker,
                "pid": os.getpid(),
                "keys": {kid: key.state for kid, key in self.keys.items()},
                "secrets": {name: value.decode() for name, value in self.secrets.items()},
                "reloads": self.reloads,
            }
        ).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()
        self.busy -= 1


async def main() -> None:
    await QuietWorker(take_orders(WorkerOrders)).run()


if __name__ == "__main__":
    set_up()
    asyncio.run(main())
