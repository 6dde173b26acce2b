"""Behind ``chatelaine simulate``: a play, its journal and its truth; or a running gate driven by it."""

import asyncio
import gc
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import TextIO

import msgspec

from chatelaine.adapters.journal import PastWriter
from chatelaine.app.rehearsal.traffic import drive, read_goal
from chatelaine.app.wire import CLOCK
from chatelaine.app.work.events import as_json
from chatelaine.core.play.benign import BENIGN
from chatelaine.core.play.stage import SCENARIOS, Hour, Play, play
from chatelaine.model.error import ChatelaineError, UsageError
from chatelaine.model.event import Event, ExchangeOpened, ExchangeRefused
from chatelaine.model.play import Call, Label, Outline, Part
from chatelaine.model.words import SECOND, Instant, WorkerNumber
from chatelaine.surfaces.cli.key_views import Json
from chatelaine.surfaces.cli.options import Chosen
from chatelaine.surfaces.cli.simulate import Asked, Driven, Driving, Played, Row

_HUB, _GATE = WorkerNumber(0), WorkerNumber(1)
_HOUR = 3600 * SECOND
_DAY = 24 * _HOUR
_MOST_TOKENS = 1 << 20
"""Bytes of a file of tokens."""


class Simulate:
    """Plays, and writes down what was asked for."""

    def scenarios(self) -> Sequence[tuple[str, str, str]]:
        """Return name, part and sentence of every scenario."""
        return [
            (name, (Part.BENIGN if name in BENIGN else Part.THEFT).value, (make.__doc__ or "").strip())
            for name, make in SCENARIOS.items()
        ]

    def play(self, asked: Asked, tell: Callable[[dict[str, Json]], None] | None) -> Played:
        """Play, and write down what was asked for.

        Raises:
            ChatelaineError: a file cannot be written, or holds something already.
        """
        began = time.perf_counter()
        staged = play(_call(asked))
        outlines = staged.outlines()
        exchanges: Counter[str] = Counter()
        events = total = 0
        with ExitStack() as stack:
            sinks = list(_sinks(asked, outlines, stack))
            stack.enter_context(_uncollected())
            for hour in staged.hours():
                for sink in sinks:
                    sink(hour)
                if tell is not None:
                    for event in hour.events:
                        tell(as_json(event))
                events += len(hour.events)
                total += sum(isinstance(event, ExchangeOpened | ExchangeRefused) for event in hour.events)
                exchanges.update(label.scenario for label in hour.labels)
        return Played(events, total, time.perf_counter() - began, _rows(outlines, exchanges))

    def drive(self, asked: Asked, driving: Driving) -> Driven:
        """Play against a running gate, from when the first scenario begins.

        Raises:
            ChatelaineError: the address is not on this machine, or tokens cannot be read.
        """
        goal = read_goal(driving.url, driving.ca)
        tokens = _tokens(driving.tokens)
        staged = play(_call(asked))
        begins_at = min((outline.begins_at for outline in staged.outlines()), default=Instant(0))
        # What lies before the first request is played before the clock runs.
        requests = _requests(staged, begins_at)
        wanted = chain(list(islice(requests, 1)), requests)
        began = time.perf_counter()
        seen = asyncio.run(drive(goal, wanted, tokens, rate=driving.rate, seconds=driving.seconds))
        took = time.perf_counter() - began
        return Driven(seen.requests, took, len(seen.addresses), len(seen.stacks), seen.statuses)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Look for no cycles meanwhile: nothing of a play refers to itself, and looking took two fifths of it."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _call(asked: Asked) -> Call:
    # A play ends an hour ago at the latest, so that no end of an exchange lies ahead of the clock.
    latest = CLOCK.now() // _HOUR * _HOUR - _HOUR - asked.days * _DAY
    starts_at = asked.starts_at if asked.starts_at is not None else Instant(latest)
    return Call(asked.seed, starts_at, asked.days, asked.keys, asked.scenarios)


def _requests(staged: Play, begins_at: Instant) -> Iterator[ExchangeOpened | ExchangeRefused]:
    for hour in staged.hours():
        for event in hour.events:
            if isinstance(event, ExchangeOpened | ExchangeRefused) and event.at >= begins_at:
                yield event


def _rows(outlines: Sequence[Outline], exchanges: Counter[str]) -> Sequence[Row]:
    return [
        Row(one.scenario, one.part.value, one.begins_at, len(one.keys), exchanges[one.scenario])
        for one in outlines
    ]


def _sinks(asked: Asked, outlines: Sequence[Outline], stack: ExitStack) -> Iterator[Callable[[Hour], None]]:
    # What may not be written is told before anything is.
    if asked.journal is not None:
        _require_empty(asked.journal)
    if asked.truth is not None:
        yield _truth_sink(stack.enter_context(_new_file(asked.truth)), outlines)
    if asked.journal is not None:
        hub, gate = (stack.enter_context(_journal(asked.journal, worker)) for worker in (_HUB, _GATE))
        yield lambda hour: _write_past(hour.events, hub, gate)


def _write_past(events: Sequence[Event], hub: PastWriter, gate: PastWriter) -> None:
    """Write what a hub would have recorded into its journal, and the rest into the gate's."""
    of_keys = [event for event in events if event.kind.startswith("key.")]
    if of_keys:
        hub.add(of_keys)
    gate.add(event for event in events if not event.kind.startswith("key."))


@contextmanager
def _journal(directory: Path, worker: WorkerNumber) -> Iterator[PastWriter]:
    writer = PastWriter(directory, worker)
    try:
        yield writer
    finally:
        writer.close()


def _require_empty(directory: Path) -> None:
    try:
        if next(directory.iterdir(), None) is None:
            return
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(
            f"--journal {directory}: {error.strerror}", hint="name a folder that is empty or does not exist"
        ) from error
    raise UsageError(
        f"--journal {directory} is not empty: what is made up is not mixed with what happened",
        hint="name a folder that is empty or does not exist",
    )


@contextmanager
def _new_file(path: Path) -> Iterator[TextIO]:
    try:
        file = path.open("x", encoding="utf-8")
    except FileExistsError as error:
        raise UsageError(f"--truth {path} exists already", hint="name a new file") from error
    except OSError as error:
        raise ChatelaineError(
            f"--truth {path}: {error.strerror}", hint="name a file you may write"
        ) from error
    with file:
        yield file


def _truth_sink(file: TextIO, outlines: Sequence[Outline]) -> Callable[[Hour], None]:
    file.writelines(_line("outline", outline) for outline in outlines)

    def write(hour: Hour) -> None:
        file.writelines(_line("exchange", label) for label in hour.labels)

    return write


def _line(record: str, told: Outline | Label) -> str:
    return msgspec.json.encode({"record": record, **msgspec.to_builtins(told)}).decode() + "\n"


def _tokens(name: str) -> Sequence[str]:
    try:
        text = sys.stdin.read(_MOST_TOKENS) if name == "-" else _read(Path(name))
    except (OSError, UnicodeError) as error:
        raise ChatelaineError(
            f"--tokens {name}: {error}", hint="name a file with one token a line"
        ) from error
    tokens = [line.strip() for line in text.splitlines() if line.strip()]
    for number, token in enumerate(tokens, 1):
        if not token.isascii() or not token.isprintable() or " " in token:
            raise ChatelaineError(
                f"--tokens {name}: line {number} is no token", hint="one token a line, nothing else"
            )
    if not tokens:
        raise ChatelaineError(f"--tokens {name} holds no token", hint="chatelaine keys issue prints one")
    return tokens


def _read(path: Path) -> str:
    with path.open(encoding="utf-8") as file:
        return file.read(_MOST_TOKENS)


def begin(chosen: Chosen) -> Simulate:
    """Return what the command works with."""
    del chosen
    return Simulate()
