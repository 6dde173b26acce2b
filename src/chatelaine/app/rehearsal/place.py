"""What the demo starts: the gate as anybody would start it, and apps beside it."""

import asyncio
import os
import signal
import socket
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from chatelaine.app.errand import CommandRefused, ask, run_errand
from chatelaine.app.rehearsal.talk import SAYINGS, Answered, Failed, Piece, Question, Ready, Said, line
from chatelaine.app.wire import Places, read_settings
from chatelaine.model.error import ChatelaineError
from chatelaine.model.key import Grant, KeyInput, KeyRequest
from chatelaine.model.link import ChangeKey, Command, IssueKey, KeyIssuedTold, Refused, Reply, Restrain
from chatelaine.model.playbook import Lane, Restraint
from chatelaine.model.words import SECOND, ActionId, AppName, Instant, KeyId, NanoUsd, OwnerId

OWNER: Final = OwnerId("castle")
_BY: Final = "demo"
_PATIENCE: Final = 30.0
_GRACE: Final = 8.0
_DOLLAR: Final = 1_000_000_000
_DAY: Final = 86_400 * SECOND
_SETTINGS: Final = """\
gate:
  host: 127.0.0.1
  port: {gate}
  workers: 1
  timeouts: {{drain: 1s}}
admin: {{port: {admin}}}
storage: {{directory: {data}}}
upstreams:
  - name: rehearsal
    provider: openai
    url: http://127.0.0.1:{model}
    credential: file:{credential}
    allow_addresses: [127.0.0.0/8]
"""


class Gate:
    """A running Chatelaine in a folder of its own."""

    def __init__(self, folder: Path, port: int) -> None:
        self.places = Places(folder / "data")
        self.url = f"https://127.0.0.1:{port}"

    @property
    def certificate(self) -> Path:
        """The certificate the gate signed itself."""
        return self.places.root / "gate.crt"

    def environment(self, token: str) -> dict[str, str]:
        """Return all that an app has to be told."""
        return {
            "OPENAI_BASE_URL": f"{self.url}/v1",
            "OPENAI_API_KEY": token,
            "SSL_CERT_FILE": str(self.certificate),
        }

    async def issue(self, app: str) -> KeyIssuedTold:
        """Issue a key that may spend a dollar a day."""
        told = await self._carry_out(IssueKey(_wanted(app, dollars=1), _BY))
        if not isinstance(told, KeyIssuedTold):
            raise ChatelaineError("the hub did not tell the key it issued")
        return told

    async def suspend(self, key: KeyId, reason: str) -> None:
        """Suspend a key."""
        await self._carry_out(ChangeKey(key=key, change=KeyInput.SUSPEND, by=_BY, reason=reason))

    async def shut_out(self, key: KeyId, reason: str) -> None:
        """Refuse for a day whoever a key's habit does not know."""
        until = Instant(time.time_ns() + _DAY)
        restraint = Restraint(id=ActionId(""), key=key, lane=Lane.REFUSE, until=until, foreign=True)
        await self._carry_out(Restrain(restraint=restraint, by=_BY, reason=reason))

    async def _carry_out(self, command: Command) -> Reply:
        told = await ask(self.places.socket, command)
        if isinstance(told, Refused):
            raise CommandRefused(told.message, hint=told.hint)
        return told


class App:
    """An app with the OpenAI SDK, in a process of its own."""

    def __init__(self, running: Process) -> None:
        self._running = running

    async def ready(self) -> str:
        """Wait until its SDK is loaded and return the SDK's name and version."""
        said = await self._hear()
        return said.sdk if isinstance(said, Ready) else ""

    async def stream(self, question: str) -> AsyncIterator[Piece | Answered | Failed]:
        """Ask, and yield what arrives, last the whole answer or what went wrong."""
        await self._tell(Question(question, stream=True))
        while isinstance(said := await self._hear(), Piece):
            yield said
        if not isinstance(said, Ready):
            yield said

    async def ask(self, question: str) -> Said:
        """Ask, and return the answer or what went wrong."""
        await self._tell(Question(question, stream=False))
        return await self._hear()

    async def _tell(self, question: Question) -> None:
        if self._running.stdin is not None:
            self._running.stdin.write(line(question))
            await self._running.stdin.drain()

    async def _hear(self) -> Said:
        async with asyncio.timeout(_PATIENCE):
            heard = await _line_of(self._running)
        if not heard:
            raise ChatelaineError("the demo's app stopped", hint="does `python -c 'import openai'` work?")
        return SAYINGS.decode(heard)


@dataclass(frozen=True, slots=True)
class House:
    """A Chatelaine that is set up and does not run yet."""

    folder: Path
    port: int
    settings: Path

    @property
    def journal(self) -> Path:
        """Where its journal will lie."""
        return Places(self.folder / "data").journal

    def issue(self, app: str, *, dollars: int) -> KeyIssuedTold:
        """Issue a key before the gate runs; it may spend so much a day."""
        told = run_errand(read_settings(str(self.settings)), IssueKey(_wanted(app, dollars=dollars), _BY))
        if not isinstance(told, KeyIssuedTold):
            raise ChatelaineError("the store did not tell the key it issued")
        return told


@asynccontextmanager
async def gate_before(model: int, folder: Path) -> AsyncIterator[Gate]:
    """Run a Chatelaine before a model server's port, and stop it."""
    async with gate_of(set_up(model, folder)) as gate:
        yield gate


def set_up(model: int, folder: Path) -> House:
    """Write the settings of a Chatelaine before a model server's port."""
    port, admin = _free_ports()
    credential = folder / "provider.key"
    credential.write_text("sk-the-providers-own-key-stays-with-the-gate\n", encoding="utf-8")
    credential.chmod(0o600)
    settings = folder / "chatelaine.yaml"
    filled = _SETTINGS.format(
        gate=port, admin=admin, data=folder / "data", model=model, credential=credential
    )
    settings.write_text(filled, encoding="utf-8")
    return House(folder, port, settings)


@asynccontextmanager
async def gate_of(house: House) -> AsyncIterator[Gate]:
    """Run a Chatelaine that is set up, and stop it."""
    log = house.folder / "gate.log"
    async with _process(("chatelaine.app", "up", "--config", str(house.settings)), {}, log) as running:
        await _until_ready(running, log)
        yield Gate(house.folder, house.port)


def _wanted(app: str, *, dollars: int) -> KeyRequest:
    return KeyRequest(
        owner=OWNER,
        app=AppName(app),
        contact="keys@castle.example",
        grant=Grant(spend_per_day=NanoUsd(dollars * _DOLLAR)),
        lifetime=timedelta(days=1),
    )


@asynccontextmanager
async def app_with(environment: Mapping[str, str], folder: Path) -> AsyncIterator[App]:
    """Run an app with these variables, and stop it."""
    async with _process(
        ("chatelaine.app.rehearsal.application",), environment, folder / "app.log"
    ) as running:
        yield App(running)


async def _until_ready(running: Process, log: Path) -> None:
    try:
        async with asyncio.timeout(_PATIENCE):
            while heard := await _line_of(running):
                if b"is ready" in heard:
                    return
    except TimeoutError:
        pass
    raise ChatelaineError(
        f"the gate did not start:\n{_end_of(log)}", hint="chatelaine doctor looks for the cause"
    )


def _end_of(log: Path) -> str:
    """Return a program's last words: what it says as a command where it did, else the end of its log."""
    said = log.read_text(encoding="utf-8", errors="replace")
    return said.rpartition("chatelaine: ")[2][-2000:]


async def _line_of(running: Process) -> bytes:
    return await running.stdout.readline() if running.stdout is not None else b""


@asynccontextmanager
async def _process(
    module: tuple[str, ...], environment: Mapping[str, str], log: Path
) -> AsyncIterator[Process]:
    """Run a module of ours until the block ends; it gets no terminal, so that ^C reaches the demo alone."""
    with log.open("ab") as sink:
        running = await asyncio.create_subprocess_exec(
            sys.executable, "-m", *module,
            stdin=PIPE, stdout=PIPE, stderr=sink, cwd=log.parent,
            env=_clean() | dict(environment), start_new_session=True,
        )  # fmt: skip
    try:
        yield running
    finally:
        await _stop(running)


async def _stop(running: Process) -> None:
    with suppress(ProcessLookupError):
        running.terminate()
    try:
        async with asyncio.timeout(_GRACE):
            await running.communicate()
    except TimeoutError:
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        await running.wait()


def _clean() -> dict[str, str]:
    """Return our environment without what would lead Chatelaine or an SDK elsewhere."""
    elsewhere = ("CHATELAINE_", "OPENAI_", "SSL_CERT_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(elsewhere)}
    return {name: value for name, value in kept.items() if not name.lower().endswith("_proxy")}


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1]), int(other.getsockname()[1])
