"""Child processes that are kept alive: started again when they die, given up when they cannot live.

Every child has a pipe from here as its standard input: one line of orders, then nothing until it
ends, which tells the child that its parent has gone, however it went. What a child writes to its
standard error goes on to ours, and its last lines are kept for the message when it is given up.
"""

import asyncio
import json
import logging
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from chatelaine.model.error import ProcessFailed

PATIENCE_AT_START = 5
"""Failures in a minute after which a child that never stood is given up."""
PATIENCE_LATER = 30
"""The same for one that has stood: the others go on meanwhile."""

_WINDOW = 60.0
_STOOD = 5.0
"""Seconds of life after which a death is no failure to start."""
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0
_LINES = 20
_LINE_BYTES = 64 * 1024

_log = logging.getLogger("chatelaine.up")


@dataclass(frozen=True, slots=True)
class Plan:
    """How one child is started."""

    name: str
    command: tuple[str, ...]
    orders: bytes
    files: tuple[int, ...]
    """File descriptors the child inherits, under the same numbers."""


@dataclass(slots=True, eq=False)
class Child:
    """One child and its history."""

    plan: Plan
    process: asyncio.subprocess.Process | None = None
    _failures: deque[float] = field(default_factory=lambda: deque(maxlen=PATIENCE_LATER))
    _last_lines: deque[str] = field(default_factory=lambda: deque(maxlen=_LINES))
    _stood: bool = False
    _pause: float = 0.0

    async def keep(self, stopping: asyncio.Event) -> None:
        """Start the child again and again until ``stopping`` is set.

        Raises:
            ProcessFailed: it failed too often within a minute.
        """
        while not stopping.is_set():
            started = time.monotonic()
            code = await self._live_once()
            if stopping.is_set():
                return
            self._judge(code, lived=time.monotonic() - started)
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), self._pause)

    def tell(self, number: signal.Signals) -> None:
        """Send the child a signal, where it lives."""
        if self.process is not None and self.process.returncode is None:
            with suppress(ProcessLookupError):
                self.process.send_signal(number)

    async def _live_once(self) -> int:
        """Start the child and return how it ended."""
        self._last_lines.clear()
        self.process = process = await asyncio.create_subprocess_exec(
            *self.plan.command,
            stdin=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            pass_fds=self.plan.files,
            # A terminal's ^C is the supervisor's to hear, who lets its children drain.
            start_new_session=True,
            limit=_LINE_BYTES,
        )
        if process.stdin is not None:
            process.stdin.write(self.plan.orders)
        echo = asyncio.create_task(_echo(process.stderr, self._last_lines))
        code = await process.wait()
        await echo
        return code

    def _judge(self, code: int, *, lived: float) -> None:
        """Set the pause before the next start, or give the child up."""
        _log.warning("a process died", extra={"child": self.plan.name, "status": code})
        self._stood = self._stood or lived > _STOOD
        if lived > _STOOD or code == -signal.SIGKILL:
            # It had stood, or was killed from outside: it comes back at once.
            self._pause = 0.0
            return
        now = time.monotonic()
        self._failures.append(now)
        recent = sum(1 for at in self._failures if now - at < _WINDOW)
        if recent >= (PATIENCE_LATER if self._stood else PATIENCE_AT_START):
            said = "\n  ".join(_in_words(self._last_lines)) or "it said nothing"
            raise ProcessFailed(
                f"the {self.plan.name} would not stay up: it failed {recent} times within a minute, "
                f"at last with status {code}:\n  {said}",
                hint="chatelaine doctor looks for the cause",
            )
        self._pause = min(max(self._pause * 2, _FIRST_PAUSE), _LONGEST_PAUSE)


def _in_words(lines: Iterable[str]) -> Iterator[str]:
    """Yield the faults that a child's last lines tell of; lines that are no log records as they are."""
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:
            yield line
        else:
            told = record.get("fault", record.get("event", line)) if isinstance(record, dict) else line
            yield from str(told).splitlines()


async def end(children: list[Child], *, within: float, hurried: asyncio.Event) -> None:
    """Ask children to end, wait, and kill those that do not, or all once ``hurried`` is set."""
    for child in children:
        child.tell(signal.SIGTERM)
    living = [child.process for child in children if child.process is not None]
    pending = {asyncio.create_task(process.wait()) for process in living}
    hurry = asyncio.create_task(hurried.wait())
    loop = asyncio.get_running_loop()
    until = loop.time() + within
    while pending and not hurry.done() and loop.time() < until:
        await asyncio.wait(
            {*pending, hurry}, timeout=until - loop.time(), return_when=asyncio.FIRST_COMPLETED
        )
        pending = {ending for ending in pending if not ending.done()}
    hurry.cancel()
    for child in children:
        child.tell(signal.SIGKILL)
    if pending:
        await asyncio.wait(pending)


async def _echo(stream: asyncio.StreamReader | None, kept: deque[str]) -> None:
    """Copy a child's standard error to ours, keeping its last lines; what is too long is left out."""
    while stream is not None:
        try:
            line = await stream.readline()
        except ValueError:
            # Longer than the limit: the reader has dropped it and goes on behind it.
            continue
        if not line:
            return
        kept.append(line.decode("utf-8", errors="replace").rstrip())
        with suppress(OSError):
            os.write(sys.stderr.fileno(), line)
