"""The command that plays: what it writes, what it refuses, and that it never looks beyond this machine."""

import io
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatelaine.app.main import COMMANDS
from chatelaine.app.rehearsal.traffic import is_loopback, read_goal
from chatelaine.model.error import ChatelaineError, UsageError
from chatelaine.surfaces.cli.main import run

SMALL = ("--days", "1", "--keys", "2", "--scenario", "probe_only", "--start", "2026-11-02T00:00Z")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("CHATELAINE"):
            monkeypatch.delenv(name)
    return tmp_path


class Shell:
    """Runs the command in this process and reads what it prints."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def play(self, *arguments: str, command: str = "simulate") -> tuple[int, str, str]:
        try:
            status = run(COMMANDS, [command, *arguments], version="0")
        except SystemExit as end:
            status = int(end.code or 0)
        printed = self._capsys.readouterr()
        return status, printed.out, printed.err

    def lines(self, *arguments: str, command: str = "simulate") -> list[Any]:
        status, out, _ = self.play(*arguments, command=command)
        assert status == 0
        return [json.loads(line) for line in out.splitlines()]


@pytest.fixture
def shell(here: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    assert here.is_dir()
    return Shell(capsys)


def test_the_scenarios_are_listed_with_a_sentence_each(shell: Shell) -> None:
    [told] = shell.lines("--list", "--json")
    assert {one["part"] for one in told} == {"benign", "theft"}
    assert all(one["what"].endswith(".") for one in told)
    _, out, _ = shell.play("--list")
    assert all(one["scenario"] in out for one in told)


def test_events_are_written_one_a_line_and_the_summary_beside_them(shell: Shell) -> None:
    status, out, err = shell.play(*SMALL, "--json")
    events = [json.loads(line) for line in out.splitlines()]
    assert status == 0
    kinds = Counter(event["kind"] for event in events)
    assert kinds["exchange.opened"] == kinds["exchange.ended"] > 20
    assert events[0]["at"] == "2026-11-02T00:00:00.000Z"
    assert "probe_only  theft" in err


def test_the_same_seed_writes_the_same_and_another_seed_another(shell: Shell) -> None:
    one, again, other = (shell.play(*SMALL, "--json", "--seed", seed)[1] for seed in ("5", "5", "6"))
    assert one == again
    assert one != other


def test_a_journal_is_read_by_the_commands_that_read_journals(shell: Shell, here: Path) -> None:
    status, out, _ = shell.play(*SMALL, "--journal", "house/journal")
    assert status == 0
    assert "events of" in out
    read = shell.lines("show", "--json", "--set", f"storage.directory={here}/house", command="events")
    assert read == sorted(shell.lines(*SMALL, "--json"), key=lambda event: str(event["at"]))
    assert {event["kind"].split(".")[0] for event in read} == {"key", "exchange"}


def test_a_folder_that_holds_anything_is_left_as_it_is(shell: Shell, here: Path) -> None:
    (here / "full").mkdir()
    (here / "full" / "notes").write_text("mine")
    status, _, err = shell.play(*SMALL, "--journal", "full")
    assert status == 2
    assert "not empty" in err
    assert [each.name for each in (here / "full").iterdir()] == ["notes"]


def test_a_file_in_the_place_of_a_folder_is_told(shell: Shell, here: Path) -> None:
    (here / "file").write_text("mine")
    status, _, err = shell.play(*SMALL, "--journal", "file")
    assert status == 2
    assert "--journal file: Not a directory" in err
    assert (here / "file").read_text() == "mine"


def test_the_truth_names_every_exchange_of_a_scenario(shell: Shell, here: Path) -> None:
    assert shell.play(*SMALL, "--truth", "truth.jsonl", "--journal", "j")[0] == 0
    told = [json.loads(line) for line in (here / "truth.jsonl").read_text().splitlines()]
    assert [one["record"] for one in told] == ["outline", "exchange", "exchange", "exchange"]
    assert {one["scenario"] for one in told} == {"probe_only"}
    assert {one["part"] for one in told} == {"theft"}
    assert {one["key"] for one in told[1:]} == set(told[0]["keys"])


def test_a_truth_is_never_written_over_another_file(shell: Shell, here: Path) -> None:
    (here / "truth").write_text("mine")
    status, _, err = shell.play(*SMALL, "--truth", "truth", "--journal", "j")
    assert status == 2
    assert "exists already" in err
    assert (here / "truth").read_text() == "mine"
    assert not (here / "j").exists(), "nothing is written where something cannot be"
    status, _, err = shell.play(*SMALL, "--truth", "no/such/folder/truth")
    assert status == 3
    assert "No such file" in err


def test_everyday_life_alone_has_no_scenario(shell: Shell) -> None:
    status, out, _ = shell.play("--days", "1", "--keys", "1", "--scenario", "everyday")
    assert status == 0
    assert len(out.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("--days", "0"),
        ("--days", "401"),
        ("--days", "-1"),
        ("--days", "1e3"),
        ("--days", "٣"),
        ("--days", ""),
        ("--days", "9" * 5000),
        ("--keys", "100001"),
        ("--seed", str(2**64)),
        ("--rate", "0"),
        ("--rate", "201"),
        ("--seconds", "601"),
        ("--start", "soon"),
        ("--nothing",),
    ],
    ids=lambda arguments: " ".join(arguments)[:24],
)
def test_a_number_out_of_bounds_is_refused_at_once(shell: Shell, arguments: tuple[str, ...]) -> None:
    status, out, err = shell.play(*arguments)
    assert (status, out) == (2, "")
    assert "--help shows what there is" in err
    assert len(err) < 400


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--scenario", "heist"), "'heist' is not a scenario"),
        (("--start", "7d"), "begins at an instant"),
        (("--http", "http://127.0.0.1:1"), "needs tokens"),
        (("--tokens", "t"), "--tokens is for a running gate"),
        (("--ca", "c"), "--ca is for a running gate"),
        (("--http", "http://127.0.0.1:1", "--tokens", "t", "--journal", "j"), "--journal and --http"),
        (("--http", "http://127.0.0.1:1", "--tokens", "t", "--truth", "j"), "--truth and --http"),
        (("--http", "https://127.0.0.1:1", "--tokens", "t"), "certificate to trust"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_makes_no_sense_is_told_with_what_does(
    shell: Shell, arguments: tuple[str, ...], said: str
) -> None:
    status, _, err = shell.play(*arguments)
    assert status == 2
    assert said in err
    assert len(err.splitlines()) == 2


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org:80",
        "http://192.0.2.1:80",
        "http://10.0.0.1:80",
        "http://0.0.0.0:80",
        "http://127.0.0.1.example.org:80",
        "http://127.0.0.1@192.0.2.1:80",
        "http://192.0.2.1#@127.0.0.1:80",
        "http://localhost.example.org:80",
        "http://2130706433:80",
        "http://0x7f.0.0.1:80",
        "http://127.1:80",
        "http://0177.0.0.1:80",
        "http://[::1]:80",
        "http://[::ffff:127.0.0.1]:80",
        "http://128.0.0.1:80",
        "http://127.0.0.1:80/v1",
        "http://127.0.0.1:80?to=192.0.2.1",
        "http://user:word@127.0.0.1:80",
        "http://127.0.0.1",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:port",
        "http://[::1:80",
        "ftp://127.0.0.1:21",
        "127.0.0.1:80",
        "//127.0.0.1:80",
        "",
        "http://",
        "http://\u0661\u0662\u0667.0.0.1:80",
    ],
)
def test_whatever_is_not_this_machine_is_refused(url: str) -> None:
    with pytest.raises(UsageError) as refused:
        read_goal(url, None)
    assert "127.0.0.1:PORT" in refused.value.hint


@given(st.ip_addresses())
def test_an_address_is_this_machine_only_in_its_loopback_block(address: object) -> None:
    assert is_loopback(str(address)) is str(address).startswith("127.")


@pytest.mark.parametrize("url", ["http://127.0.0.1:8", "http://127.9.8.7:8/", "http://localhost:8"])
def test_this_machine_is_found_by_its_loopback_names(url: str) -> None:
    goal = read_goal(url, None)
    assert is_loopback(goal.host)
    assert goal.port == 8


def test_a_certificate_that_cannot_be_read_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    for name, text in (("none", None), ("broken", "no certificate")):
        path = tmp_path / name
        if text is not None:
            path.write_text(text)
        with pytest.raises(ChatelaineError, match="--ca"):
            read_goal("https://127.0.0.1:8", path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no token"),
        ("\n \n", "holds no token"),
        ("good\nnot good\n", "line 2 is no token"),
        ("good\nb\u00e4d\n", "line 2 is no token"),
        ("a\x00b", "line 1 is no token"),
        ("a\x1bb", "line 1 is no token"),
    ],
)
def test_tokens_that_could_not_be_sent_are_refused(shell: Shell, here: Path, text: str, said: str) -> None:
    (here / "tokens").write_text(text)
    status, _, err = shell.play("--http", "http://127.0.0.1:9", "--tokens", "tokens")
    assert status == 3
    assert said in err
    assert "not good" not in err
    assert "b\u00e4d" not in err


def test_tokens_that_are_no_text_or_not_there_are_told(shell: Shell, here: Path) -> None:
    (here / "tokens").write_bytes(b"\xff\xfe")
    for name in ("tokens", "nowhere"):
        status, _, err = shell.play("--http", "http://127.0.0.1:9", "--tokens", name)
        assert status == 3
        assert f"--tokens {name}" in err


@pytest.mark.wire
def test_a_gate_that_is_not_there_is_told_by_broken_connections(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("token\n"))
    status, out, _ = shell.play(
        *SMALL, "--http", "http://127.0.0.1:1", "--tokens", "-", "--rate", "50", "--seconds", "1", "--json"
    )
    told = json.loads(out)
    assert status == 0
    assert told["statuses"] == {"0": told["requests"]}
    assert told["stacks"] == 0
