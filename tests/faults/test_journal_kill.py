"""A writer of the journal is killed, again and again, at any moment."""

import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from chatelaine.adapters.journal import read_segments, recover
from chatelaine.model.event import ExchangeEnded, ExchangeInterrupted, ExchangeOpened
from chatelaine.model.words import NEVER, WorkerNumber
from chatelaine.services.event import interrupt

ONE = WorkerNumber(1)
GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "events"

WRITER = """
import asyncio, os, sys
from pathlib import Path
import msgspec
from chatelaine.adapters.clock import SystemClock
from chatelaine.adapters.journal import SegmentJournal
from chatelaine.core.codec import decode
from chatelaine.model.settings import Durability, JournalSettings
from chatelaine.model.words import WorkerNumber

directory, golden, durability, run = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4]
opened = decode((golden / "exchange.opened.v1.json").read_bytes())
ended = decode((golden / "exchange.ended.v1.json").read_bytes())

async def exchange(journal, name):
    loop = asyncio.get_running_loop()
    told = loop.create_future()
    journal.append(msgspec.structs.replace(opened, exchange=name))
    journal.when_durable(told.set_result)
    assert await told
    os.write(1, (name + "\\n").encode())
    await asyncio.sleep(0)
    journal.append(msgspec.structs.replace(ended, exchange=name))

async def main():
    settings = JournalSettings(durability=Durability(durability), segment_bytes=50_000)
    journal = SegmentJournal(directory, WorkerNumber(1), settings, SystemClock())
    number = 0
    while True:
        names = [f"{run}.{number + step}" for step in range(7)]
        number += 7
        await asyncio.gather(*(exchange(journal, name) for name in names))

asyncio.run(main())
"""


def kill_one_writer(directory: Path, durability: str, run: int) -> set[str]:
    """Let a writer run for a moment and kill it; return what it was told is durable."""
    command = [sys.executable, "-c", WRITER, str(directory), str(GOLDEN), durability, str(run)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        told = [writer.stdout.readline() for _ in range(1 + run * 13 % 97)]
        writer.kill()
        told += writer.stdout.read().split(b"\n")
    return {line.decode().strip() for line in told if line.strip()}


@pytest.mark.slow
@pytest.mark.parametrize("durability", ["flush", "fsync"])
def test_of_fifty_killed_writers_nothing_that_was_told_durable_is_lost_and_all_ends_once(
    tmp_path: Path, durability: str
) -> None:
    told: set[str] = set()
    charged: list[ExchangeInterrupted] = []
    for run in range(50):
        told |= kill_one_writer(tmp_path, durability, run)
        recover(tmp_path, ONE, NEVER, partial(interrupt, now=NEVER), charged.append)
    events = [event for _, event in read_segments(tmp_path, ONE)]
    opened = [event.exchange for event in events if isinstance(event, ExchangeOpened)]
    ends = [event.exchange for event in events if isinstance(event, ExchangeEnded | ExchangeInterrupted)]
    assert told <= set(opened)
    assert len(opened) == len(set(opened))
    assert sorted(ends) == sorted(opened)
    assert len(charged) == sum(isinstance(event, ExchangeInterrupted) for event in events)
