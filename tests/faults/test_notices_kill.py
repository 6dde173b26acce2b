"""The hub is killed while it delivers notices: each arrives, repeats have the same id, none is lost."""

import base64
import collections
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from http_receiver import HttpReceiver, http_receiver, verify

KEY = b"k" * 32
CHILD = """
import asyncio, os, signal, sys
from pathlib import Path
from chatelaine.adapters.clock import SystemClock
from chatelaine.adapters.sqlite import open_outbox
from chatelaine.adapters.telemetry import Tally
from chatelaine.app.notices import subscriptions
from chatelaine.model.detection import Severity
from chatelaine.model.notice import Notice, NoticeKind, ReceiverKind
from chatelaine.model.settings import NotifySettings, Secret
from chatelaine.services.notice import Courier

url, folder, count, die_after = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
outbox = open_outbox(folder / "notices.db")
one = NotifySettings(name="it", kind=ReceiverKind.WEBHOOK, url=url, secret=Secret("env:HOOK"))
found = subscriptions((one,))
mark, marked = outbox.mark, 0

async def mark_or_die(before, after):
    global marked
    if marked == die_after:
        os.kill(os.getpid(), signal.SIGKILL)
    marked += 1
    await mark(before, after)

outbox.mark = mark_or_die
courier = Courier(
    outbox=outbox, clock=SystemClock(), telemetry=Tally({"sink": frozenset()}), subscriptions=lambda: found
)
told = [
    Notice(
        id=f"msg_{number:024d}", at=1, kind=NoticeKind.CONTAINED, severity=Severity.HIGH,
        title="t", summary="s",
    )
    for number in range(count)
]

async def work():
    await courier.tell(told)
    print("told", flush=True)
    while await outbox.next_at() is not None:
        await courier.deliver_due()

asyncio.run(work())
outbox.close()
print("done", flush=True)
"""


def start(server: HttpReceiver, folder: Path, *, count: int, die_after: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, server.url("/hook"), str(folder), str(count), str(die_after)],
        env={"HOOK": "whsec" + "_" + base64.b64encode(KEY).decode(), **_environment()},
        stdout=subprocess.PIPE,
        text=True,
    )


def _environment() -> dict[str, str]:
    return {"PYTHONPATH": ":".join(sys.path), "PATH": "/usr/bin:/bin"}


def test_what_was_sent_and_not_marked_is_sent_again_with_the_same_id(tmp_path: Path) -> None:
    with http_receiver() as server:
        for die_after in (0, 2, 99):
            with start(server, tmp_path, count=5, die_after=die_after) as child:
                said, _ = child.communicate(timeout=60)
            killed = die_after < 99
            assert child.returncode == (-signal.SIGKILL if killed else 0)
            assert said.split() == (["told"] if killed else ["told", "done"])
    wanted = [f"msg_{number:024d}" for number in range(5)]
    # The first was sent and not marked; so was the third, in the second run.
    assert server.ids == [wanted[0], *wanted[:3], *wanted[2:]]
    assert all(verify(one, KEY) for one in server.seen)
    bodies = collections.defaultdict(set)
    for one in server.seen:
        bodies[one.headers["webhook-id"]].add(one.body)
    assert all(len(found) == 1 for found in bodies.values())


@pytest.mark.parametrize("milliseconds", [20, 60, 120])
def test_after_kills_at_any_moment_none_is_lost(tmp_path: Path, milliseconds: int) -> None:
    count = 60
    with http_receiver() as server:
        for _ in range(3):
            with start(server, tmp_path, count=count, die_after=10**6) as child:
                assert child.stdout is not None
                assert child.stdout.readline() == "told\n"
                time.sleep(milliseconds / 1000)
                child.send_signal(signal.SIGKILL)
                child.wait()
        with start(server, tmp_path, count=count, die_after=10**6) as child:
            said, _ = child.communicate(timeout=60)
        assert said.split() == ["told", "done"]
    seen = collections.Counter(server.ids)
    assert set(seen) == {f"msg_{number:024d}" for number in range(count)}
    assert sum(seen.values()) <= count + 3
