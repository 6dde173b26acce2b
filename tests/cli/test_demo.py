"""The demo: a whole play that leaves nothing behind, and the page it is shown on."""

import io
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chatelaine.app.rehearsal import records
from chatelaine.app.work.demo import Demo, begin
from chatelaine.model.error import ChatelaineError, UsageError
from chatelaine.model.event import ExchangeEnded, ExchangeRefused, KeyChanged
from chatelaine.model.exchange import (
    Asked,
    Caller,
    Client,
    EndReason,
    Greeting,
    Network,
    RefusalReason,
    Served,
    Target,
    Usage,
    UsageSource,
)
from chatelaine.model.key import KeyState
from chatelaine.model.words import (
    ExchangeId,
    Instant,
    KeyId,
    NanoUsd,
    OwnerId,
    ProviderId,
    UpstreamName,
    WorkerNumber,
)
from chatelaine.surfaces.cli.demo import Page, run
from chatelaine.surfaces.cli.options import Chosen


@pytest.fixture
def folder() -> Iterator[Path]:
    """Yield an empty folder whose name leaves room for a socket's, which pytest's own may not."""
    with tempfile.TemporaryDirectory(prefix="play-") as name:
        yield Path(name)


COMMAND = (sys.executable, "-m", "chatelaine.app", "demo")


def around(folder: Path) -> dict[str, str]:
    """Return an environment that would lead an SDK astray, with a temporary folder of its own."""
    astray = {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1", "HTTPS_PROXY": "http://127.0.0.1:9"}
    return dict(os.environ) | astray | {"TMPDIR": str(folder)}


def left_behind(folder: Path) -> list[str]:
    """Return what is left in a folder, and the processes that know of it."""
    lines = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(each.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return [*map(str, folder.iterdir()), *(line for line in lines if str(folder) in line)]


@pytest.mark.wire
def test_a_key_is_stopped_while_an_answer_streams_and_nothing_is_left_behind(folder: Path) -> None:
    began = time.monotonic()
    done = subprocess.run(
        (*COMMAND, "--keys"), cwd=folder, env=around(folder), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert "\x1b" not in done.stdout
    said = " ".join(done.stdout.split())
    assert "knows which door each of them opens" in said
    assert "hangs a new key on the chain" not in said
    assert "401 invalid_api_key" in said
    assert re.search(r"asked (\d+) times before, during and after: \1 answers, 0 failures", said)
    assert "answered in full" in said
    assert "its key was suspended" in said
    assert "refused with 401: key suspended; nothing went upstream" in said
    assert "Records that hold a question, an answer or a key: 0." in said
    assert left_behind(folder) == []
    assert time.monotonic() - began < 40, "20 s on a machine that has nothing else to do"


@pytest.mark.wire
@pytest.mark.slow
def test_the_demo_tells_of_a_theft_without_a_terminal_and_leaves_nothing_behind(folder: Path) -> None:
    began = time.monotonic()
    done = subprocess.run(
        COMMAND, cwd=folder, env=around(folder), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    took = time.monotonic() - began
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    assert "\x1b" not in done.stdout
    said = " ".join(done.stdout.split())
    assert re.search(r"14 simulated days of both apps in the journal: \d{4,5} exchanges", said)
    assert re.search(r"watch \d{4,5} events read and 2 habits learnt", said)
    for tell in (opens_and_contains, spares_the_owner, explains_the_busy_day, tells_of_the_quiet_thief):
        tell(said)
    held = said.partition("What the journal holds")[2]
    contexts = re.findall(r"(127\.\S+) (\d+) requests.*?JA4 (\S+), headers (\w+)", held)
    own, near = ([one for one in contexts if one[0] == ip] for ip in ("127.0.0.1", "127.77.7.7"))
    assert len(own) == 2, "the past and the present of each app are one context"
    assert {one[2:] for one in near} == {own[1][2:]}, "who blends in shows the owner's program"
    foreign = {one[2] for one in contexts if one[0] == "127.66.6.6"}
    assert foreign
    assert foreign.isdisjoint({own[0][2]})
    assert "0 of them hold a question, an answer or a key" in said
    assert left_behind(folder) == []
    assert took < 90, "45 s on a machine that has nothing else to do"


def opens_and_contains(said: str) -> None:
    assert re.search(r"incident Key \S+ is being used by somebody else from 127\.66\.6\.0/24", said)
    assert "(key_foreign_client_sure)" in said
    assert "it would have stopped 0 of them" in said
    assert "done contain_client: lane refuse" in said
    found = re.search(r"contained (\d+) ms after the thief's first request; (\d+) of his requests", said)
    assert found
    assert int(found[2]) <= 9, "no more than the three of the probe, were it not for a slow machine"
    assert "burst 200 requests" in said
    assert re.search(r"burst [^:]*: 200 × 401", said)


def spares_the_owner(said: str) -> None:
    assert re.search(r"shop the app meanwhile: \d+ questions, 0 failures", said)
    assert re.search(r"press the app meanwhile: \d+ questions, 0 failures", said)
    assert re.search(r"owner 0 of \d+ requests failed", said)


def explains_the_busy_day(said: str) -> None:
    assert "incidents 0 new" in said
    assert re.search(r"clients 0 of these \d+ requests", said)
    assert "not flagged because" in said


def tells_of_the_quiet_thief(said: str) -> None:
    assert re.search(r"weighed [+-]\d\.\d\d after 1[ ,]", said)
    assert re.search(r"(not noticed no incident|noticed by the evidence after \d+ of his requests)", said)
    assert "10 more requests: 10 × 401" in said


@contextmanager
def started(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run the demo beside the test, and end it however the test ends."""
    with subprocess.Popen(
        (*COMMAND, *arguments), cwd=folder, env=around(folder),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as running:  # fmt: skip
        try:
            yield running
        finally:
            running.terminate()


@pytest.mark.wire
@pytest.mark.slow
def test_a_story_that_is_kept_runs_until_it_is_stopped(folder: Path) -> None:
    with started(folder, "--keep") as running:
        assert running.stdout is not None
        shown = next((line for line in running.stdout if "$ chatelaine incidents list" in line), "")
        config = shown.rpartition(" ")[2].strip()
        listed = subprocess.run(
            (*COMMAND[:-1], "incidents", "list", "--config", config),
            capture_output=True, text=True, check=False, timeout=30,
        )  # fmt: skip
        running.send_signal(signal.SIGINT)
        _, faults = running.communicate(timeout=30)
    assert "contained" in listed.stdout, listed.stderr
    assert (running.returncode, faults) == (130, "")
    assert left_behind(folder) == []


def test_keeping_belongs_to_the_story_of_a_theft() -> None:
    with pytest.raises(UsageError, match="--keys"):
        run(Namespace(keys=True, keep=True), Demo())


@pytest.mark.wire
def test_a_demo_that_is_ended_half_way_leaves_nothing_behind(folder: Path) -> None:
    with started(folder) as running:
        assert running.stdout is not None
        assert any("gate " in line for line in running.stdout), running.communicate()
        running.send_signal(signal.SIGTERM)
        _, faults = running.communicate(timeout=30)
    assert (running.returncode, faults) == (130, "")
    assert left_behind(folder) == []


def test_a_missing_sdk_is_named_with_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(ChatelaineError, match="openai") as refused:
        Demo().theft(Page(io.StringIO(), coloured=False), keep=False)
    assert "make demo" in refused.value.hint


def test_a_temporary_folder_too_deep_for_a_socket_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / ("deep" * 20)))
    with pytest.raises(ChatelaineError, match="too deep") as refused:
        Demo().theft(Page(io.StringIO(), coloured=False), keep=False)
    assert "TMPDIR" in refused.value.hint


def test_a_setting_that_the_demo_would_not_follow_is_refused() -> None:
    with pytest.raises(UsageError, match="settings of its own"):
        begin(Chosen("", (("gate.port", "9"),)))
    assert isinstance(begin(Chosen("any.yaml", ())), Demo)


def test_an_answer_is_folded_between_its_words() -> None:
    stream = io.StringIO()
    page = Page(stream, coloured=False)
    page.ask("shop", "How many words?")
    for number in range(40):
        page.piece(f" word{number}")
    page.cut()
    lines = stream.getvalue().splitlines()
    assert max(map(len, lines)) <= 98
    assert all(line.startswith(" " * 4) for line in lines)
    assert re.findall(r"word\d+", stream.getvalue()) == [f"word{number}" for number in range(40)]
    assert lines[-1].endswith("✂")


def test_what_a_server_says_moves_no_cursor() -> None:
    stream = io.StringIO()
    page = Page(stream, coloured=False)
    page.row("gate", "\x1b[2Jgone\x07")
    page.piece("\x1b[2J")
    page.note("\x1b[2J")
    assert "\x1b" not in stream.getvalue()
    assert "\x07" not in stream.getvalue()


def test_colours_are_shown_where_they_are_wanted() -> None:
    stream = io.StringIO()
    Page(stream, coloured=True).act("One")
    assert "\x1b[1m1  One\x1b[0m" in stream.getvalue()


KEY = KeyId("k1")
CALLER = Caller(KEY, OwnerId("castle"), "shop")
CLIENT = Client(Network("127.0.0.1"), Greeting("t13i1_a_b", "1.3"), "1.1", "Host,Accept", "ab")
ENDED = ExchangeEnded(
    at=Instant(2_500_000_000),
    exchange=ExchangeId("x"),
    worker=WorkerNumber(1),
    caller=CALLER,
    target=Target(UpstreamName("rehearsal"), ProviderId("openai")),
    reason=EndReason.KEY_CUT,
    status=200,
    served=Served(),
    usage=Usage(input_tokens=8, output_tokens=16, source=UsageSource.ESTIMATED),
    cost=NanoUsd(34_000),
    first_byte_us=900,
    duration_us=710_000,
    request_bytes=100,
    reply_bytes=900,
)
REFUSED = ExchangeRefused(
    at=Instant(3_000_000_000),
    exchange=ExchangeId("y"),
    worker=WorkerNumber(1),
    caller=Caller(KEY),
    client=CLIENT,
    asked=Asked(),
    status=401,
    reason=RefusalReason.KEY_SUSPENDED,
)
CHANGED = KeyChanged(
    at=Instant(2_400_000_000), key=KEY, owner=OwnerId("castle"), before=KeyState.ACTIVE,
    after=KeyState.SUSPENDED, by="demo", reason="seen",
)  # fmt: skip


def test_records_are_told_in_plain_words_and_in_order() -> None:
    assert list(records.course([CHANGED, ENDED, REFUSED])) == [
        ("00:00:02.400", "key active → suspended, by demo (seen)"),
        (
            "00:00:02.500",
            "cut off after 710 ms, its key was suspended: 8 tokens in, 16 out (an estimate), $0.000034",
        ),
        ("00:00:03.000", "refused with 401: key suspended; nothing went upstream"),
    ]


def test_a_refused_key_keeps_its_client_context() -> None:
    told = dict(records.origin([CHANGED, ENDED, REFUSED]))
    assert told["TLS"] == "JA4 t13i1_a_b, HTTP 1.1"
    assert told["from"].startswith("127.0.0.1 ")


def test_an_exchange_that_was_cut_is_not_counted_as_answered() -> None:
    assert records.tally([ENDED, REFUSED]).startswith("1 exchanges, 0 answered in full: 8 tokens in, 16 out")


def test_records_are_found_by_their_key_and_by_what_must_not_stand_in_them() -> None:
    assert records.of_key([CHANGED, ENDED, REFUSED], KeyId("k2")) == []
    assert records.of_key([CHANGED, ENDED, REFUSED], KEY) == [CHANGED, ENDED, REFUSED]
    assert records.places_of([CHANGED, ENDED], ["castle"]) == 2
    assert records.places_of([CHANGED, ENDED], ["no such text"]) == 0
