"""Behind ``chatelaine demo``: the story of a theft, or a key that is stopped, on this machine alone."""

import asyncio
import os
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from chatelaine.app.rehearsal import records
from chatelaine.app.rehearsal.model_server import MODEL, ModelServer
from chatelaine.app.rehearsal.onlooker import Onlooker
from chatelaine.app.rehearsal.place import OWNER, App, Gate, app_with, gate_before
from chatelaine.app.rehearsal.story import tell
from chatelaine.app.rehearsal.talk import Answered, Failed, Piece
from chatelaine.model.error import ChatelaineError, UsageError
from chatelaine.model.event import Event
from chatelaine.model.link import KeyIssuedTold
from chatelaine.surfaces.cli.demo import Stage
from chatelaine.surfaces.cli.options import Chosen

_PACE = 0.045
_BEFORE_THE_CUT = 16
_LONGEST_FOLDER = 60
"""A Unix socket's path has 107 bytes; the rest is for names of ours."""
_REASON = "seen in a public repository"
_FIRST = "What is a chatelaine?"
_SECOND = "And when somebody steals a key?"
_THIRD = "Are you still there?"
_OTHER = "How many doors has the castle?"
_ANSWERS = {
    _FIRST: "The keeper of a castle's keys. She wears them on a chain at her belt, knows which door each "
    "of them opens, whom she lent it to, and when it came back.",
    _SECOND: "Then she does not lock up the castle. She looks at the hand that holds the key, and closes "
    "that one door before it, while everybody else goes on with their work. Then she writes down who came, "
    "from where, with what, and how far they got, and she hangs a new key on the chain.",
    _THIRD: "Yes.",
    _OTHER: "Forty-one, and a small one behind the kitchen.",
}


@dataclass
class _Scene:
    """Who is on the stage."""

    stage: Stage
    gate: Gate
    model: ModelServer
    shop: App
    payroll: App
    keys: dict[str, KeyIssuedTold]
    answered: int = 0
    failures: list[Failed] = field(default_factory=list)


class Demo:
    """Plays the demo."""

    def theft(self, stage: Stage, *, keep: bool) -> int:
        """Play the story of a theft and return the exit status; ``keep``: let it run until it is stopped.

        Raises:
            ChatelaineError: a part of it cannot be started, or did not do what it should.
        """
        return _put_on(stage, lambda folder: _tell(stage, folder, keep=keep))

    def keys(self, stage: Stage) -> int:
        """Show how a key is stopped while an answer streams, and return the exit status.

        Raises:
            ChatelaineError: a part of it cannot be started, or did not do what it should.
        """
        return _put_on(stage, lambda folder: _play(stage, folder))


def begin(chosen: Chosen) -> Demo:
    """Return what the command works with; a settings file that lies about is not read.

    Raises:
        UsageError: a setting is given, which the demo would not follow.
    """
    if chosen.overrides:
        raise UsageError("the demo brings settings of its own", hint="chatelaine up takes --set")
    return Demo()


def _put_on(stage: Stage, play: Callable[[Path], Coroutine[None, None, None]]) -> int:
    if find_spec("openai") is None:
        raise ChatelaineError(
            "the demo's app needs the package openai, which is not installed here",
            hint="make demo brings it; else: pip install openai",
        )
    if len(os.fsencode(tempfile.gettempdir())) > _LONGEST_FOLDER:
        raise ChatelaineError(
            f"the temporary folder {tempfile.gettempdir()} is too deep: a socket's path is short",
            hint="set TMPDIR to a shorter one",
        )
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="chatelaine-demo-") as name:
        _until_over(play(Path(name)))
    stage.end(f"All of it is stopped and its folder is gone, after {time.monotonic() - began:.1f} s.")
    return 0


def _until_over(play: Coroutine[None, None, None]) -> None:
    """Run the play; SIGTERM ends it as ^C does, with everything stopped and removed."""
    try:
        asyncio.run(play)
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


def _end_at_sigterm() -> None:
    loop, own = asyncio.get_running_loop(), asyncio.current_task()
    if own is not None:
        loop.add_signal_handler(signal.SIGTERM, own.cancel)


async def _tell(stage: Stage, folder: Path, *, keep: bool) -> None:
    _end_at_sigterm()
    await tell(stage, folder, Onlooker(), keep=keep)


async def _play(stage: Stage, folder: Path) -> None:
    _end_at_sigterm()
    async with _scene(stage, folder) as scene:
        async with _busy(scene):
            await _stream(scene)
            await _suspend(scene)
        _tell_of_the_other(scene)
    _tell_records(stage, Gate(folder, 0), scene.keys)


@asynccontextmanager
async def _scene(stage: Stage, folder: Path) -> AsyncIterator[_Scene]:
    stage.act("A model server, the gate before it, and two apps")
    async with AsyncExitStack() as stack:
        model = await stack.enter_async_context(ModelServer(_ANSWERS, pace=_PACE))
        gate = await stack.enter_async_context(gate_before(model.port, folder))
        stage.row("model", f"http://127.0.0.1:{model.port}, a stand-in: fixed words, in OpenAI's dialect")
        stage.row("gate", f"{gate.url}, with a certificate it has just signed itself")
        keys = {name: await gate.issue(name) for name in ("shop", "payroll")}
        shop, payroll = [
            await stack.enter_async_context(app_with(gate.environment(told.token), folder))
            for told in keys.values()
        ]
        sdk = (await shop.ready(), await payroll.ready())[0]
        for name, told in keys.items():
            stage.row(name, f"an app with {sdk} and the key {told.key.id}, good for $1 a day")
        stage.note("All that an app is told are three variables. Its code stays as it is:")
        token = f"{keys['shop'].token[:22]}…"
        for variable, value in (gate.environment(token) | {"SSL_CERT_FILE": "…/gate.crt"}).items():
            stage.code(f"{variable}={value}")
        yield _Scene(stage, gate, model, shop, payroll, keys)


@asynccontextmanager
async def _busy(scene: _Scene) -> AsyncIterator[None]:
    """Let the other app ask all the while, and once more at the end."""
    over = asyncio.Event()

    async def ask() -> None:
        last = False
        while not last:
            last = over.is_set()
            said = await scene.payroll.ask(_OTHER)
            if isinstance(said, Answered):
                scene.answered += 1
            elif isinstance(said, Failed):
                scene.failures.append(said)
            await asyncio.sleep(0.05)

    asking = asyncio.create_task(ask())
    try:
        yield
        over.set()
        await asking
    finally:
        asking.cancel()


async def _stream(scene: _Scene) -> None:
    stage = scene.stage
    stage.act("The shop asks, and the answer streams through the gate")
    stage.ask("shop", _FIRST)
    async for said in scene.shop.stream(_FIRST):
        if isinstance(said, Piece):
            stage.piece(said.text)
        elif isinstance(said, Failed):
            raise ChatelaineError(f"the shop was not answered: {said.status} {said.error}: {said.message}")


async def _suspend(scene: _Scene) -> None:
    stage, key = scene.stage, scene.keys["shop"].key.id
    stage.act("The shop's key turns up in public: it is suspended while an answer streams")
    stage.ask("shop", _SECOND)
    heard, pressed = 0, 0.0
    async for said in scene.shop.stream(_SECOND):
        if isinstance(said, Piece):
            stage.piece(said.text)
            heard += 1
            if heard == _BEFORE_THE_CUT:
                pressed = time.monotonic()
                await scene.gate.suspend(key, _REASON)
        elif isinstance(said, Answered):
            raise ChatelaineError("the stream of a suspended key was not cut")
        else:
            after = (time.monotonic() - pressed) * 1000
            stage.cut()
            stage.code(f'chatelaine keys suspend {key} --reason "{_REASON}"')
            total = len(_ANSWERS[_SECOND].split())
            stage.row("cut", f"{after:.0f} ms later, at word {heard} of {total}; the app got {said.error}")
    await _ask_again(scene)


async def _ask_again(scene: _Scene) -> None:
    scene.stage.ask("shop", _THIRD)
    said = await scene.shop.ask(_THIRD)
    if not isinstance(said, Failed) or said.status != 401:  # noqa: PLR2004 - HTTP's Unauthorized
        raise ChatelaineError("a suspended key was answered")
    scene.stage.row("gate", f"{said.status} {said.code}: the answer to any unknown key, with no word why")


def _tell_of_the_other(scene: _Scene) -> None:
    scene.stage.act("The other app has noticed nothing")
    if scene.failures:
        first = scene.failures[0]
        raise ChatelaineError(f"the other app failed: {first.status} {first.error}: {first.message}")
    asked = scene.answered
    scene.stage.row("payroll", f"asked {asked} times before, during and after: {asked} answers, 0 failures")


def _tell_records(stage: Stage, gate: Gate, keys: dict[str, KeyIssuedTold]) -> None:
    stage.act("What the journal holds: every exchange was on the disk before a byte went upstream")
    events = records.recorded(gate.places.journal)
    for (name, told), counted in zip(keys.items(), (False, True), strict=True):
        own = records.of_key(events, told.key.id)
        stage.note(f"{name}, key {told.key.id} of {OWNER}, model {MODEL}:")
        for label, words in (*records.origin(own), *_course(own, counted=counted)):
            stage.row(label, words)
    texts = [*_ANSWERS, *_ANSWERS.values(), *(told.token for told in keys.values())]
    found = records.places_of(events, texts)
    stage.note(f"{len(events)} records in all. Records that hold a question, an answer or a key: {found}.")


def _course(own: list[Event], *, counted: bool) -> Iterator[tuple[str, str]]:
    if counted:
        yield "in all", records.tally(own)
    else:
        yield from records.course(own)
