"""``chatelaine capture`` on a storage directory where nothing runs: who looks is recorded first."""

import base64
import json
import os
import stat
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from chatelaine.adapters.capture import SegmentCapture, SegmentWriter
from chatelaine.adapters.clock import SystemClock
from chatelaine.app.main import COMMANDS
from chatelaine.app.wire import ENTROPY, Places, sealer
from chatelaine.app.work.looks import look_at_captures
from chatelaine.model.capture import Part
from chatelaine.model.exchange import Caller
from chatelaine.model.settings import CaptureSettings, Secret, Settings
from chatelaine.model.words import ExchangeId, KeyId, OwnerId, WorkerNumber
from chatelaine.surfaces.cli.doctor import Level
from chatelaine.surfaces.cli.main import run

CLOCK = SystemClock()
A, B = "a" * 24, "b" * 24
ON = ("--set", "capture.enabled=true", "--set", "capture.everyone=true")
PROMPT = b'{"messages": [{"role": "user", "content": "caf\xc3\xa9\\u0007"}]}'


@dataclass
class Place:
    """A storage directory, and a shell in it."""

    root: Path
    capsys: pytest.CaptureFixture[str]

    def do(self, *arguments: str, status: int = 0) -> str:
        self.capsys.readouterr()
        found = run(COMMANDS, arguments, version="0")
        printed = self.capsys.readouterr()
        assert found == status, printed.err
        return printed.err if status >= 2 else printed.out

    def read(self, *arguments: str) -> Any:
        return json.loads(self.do(*arguments, "--json"))

    def acts(self) -> list[tuple[str, str, str]]:
        lines = map(json.loads, self.do("events", "show", "--json").splitlines())
        return [(one["action"], one["by"], one["outcome"]) for one in lines if one["kind"] == "admin.acted"]

    def segments(self) -> list[Path]:
        return sorted((self.root / "capture").glob("*.capture"))

    def keep(self, exchange: str, request: bytes, reply: bytes = b"", owner: str = "acme") -> None:
        places = Places(self.root)
        places.prepare()
        writer = SegmentWriter(
            self.root / "capture",
            WorkerNumber(1),
            sealer=sealer(Settings(), places),
            entropy=ENTROPY,
            clock=CLOCK,
        )
        capture = SegmentCapture(
            writer, CaptureSettings(enabled=True, everyone=True, record_bytes=5000), CLOCK
        )
        caller = Caller(KeyId("abcdefghi"), OwnerId(owner), "bot")
        recording = capture.begin(ExchangeId(exchange), caller)
        assert recording is not None
        recording.add(Part.REQUEST, request)
        if reply:
            recording.add(Part.REPLY, reply)
        recording.end()
        capture.close()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Place:
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("CHATELAINE"):
            monkeypatch.delenv(name)
    return Place(tmp_path / "chatelaine-data", capsys)


def test_content_is_shown_and_the_look_is_recorded_with_who_took_it(place: Place) -> None:
    place.keep(A, PROMPT, b"\xff\xfe reply")
    told = place.read("capture", "show", A, "--by", "ada")
    request, reply = told["parts"]
    assert (told["exchange"], told["owner"], told["app"], told["key"]) == (A, "acme", "bot", "abcdefghi")
    assert request == {
        "part": "request",
        "size": len(PROMPT),
        "whole": True,
        "encoding": "utf-8",
        "content": PROMPT.decode(),
    }
    assert (reply["encoding"], base64.b64decode(reply["content"])) == ("base64", b"\xff\xfe reply")
    assert place.acts() == [("capture.show", "ada", "begun")]
    assert A in place.do("events", "show", "--kind", "admin")


def test_content_comes_out_of_json_as_it_was_and_harmless_on_a_terminal(place: Place) -> None:
    odd = "zero\u200bwidth \x1b[2J \ue000".encode()
    place.keep(A, odd)
    assert place.read("capture", "show", A)["parts"][0]["content"].encode() == odd
    shown = place.do("capture", "show", A)
    assert "\x1b" not in shown
    assert "request: " in shown


def test_what_was_cut_is_shown_as_not_whole_also_within_a_character(place: Place) -> None:
    place.keep(A, "é".encode() * 4000 + b"x", b"x" + "é".encode() * 4000)
    request, reply = place.read("capture", "show", A)["parts"]
    assert (request["size"], request["whole"], request["encoding"]) == (8001, False, "utf-8")
    assert (reply["whole"], reply["content"]) == (False, "x" + "é" * 2499)
    assert "not whole: 5000 bytes were kept" in place.do("capture", "show", A)


def test_the_list_has_no_content_and_is_not_recorded(place: Place) -> None:
    place.keep(A, PROMPT)
    place.keep(B, PROMPT, owner="other")
    assert [one["exchange"] for one in place.read("capture", "list")["captures"]] == [A, B]
    assert [one["exchange"] for one in place.read("capture", "list", "--owner", "other")["captures"]] == [B]
    assert [one["exchange"] for one in place.read("capture", "list", "--limit", "1")["captures"]] == [B]
    assert place.read("capture", "list", "--since", "2100-01-01")["captures"] == []
    shown = place.do("capture", "list")
    assert "acme" in shown
    assert "caf" not in shown
    assert place.acts() == []


def test_the_list_opens_without_the_key_and_the_content_does_not(place: Place) -> None:
    place.keep(A, PROMPT)
    kek = place.root / "kek.secret"
    kek.rename(place.root / "away")
    assert A in place.do("capture", "list")
    said = place.do("capture", "show", A, status=3)
    assert "kek.secret" in said
    assert "keys.kek" in said
    assert not kek.exists(), "a key made now would open nothing"
    kek.write_bytes(b"k" * 32)
    kek.chmod(0o600)
    assert "is not configured" in place.do("capture", "show", A, status=3)
    assert "caf" not in place.do("capture", "show", A, status=3)


def test_where_the_look_cannot_be_recorded_nothing_is_shown(place: Place) -> None:
    place.keep(A, PROMPT)
    (place.root / "journal").rmdir()
    (place.root / "journal").write_bytes(b"a file where the directory should be")
    said = place.do("capture", "show", A, status=3)
    assert "caf" not in said
    assert "journal" in said
    assert "caf" not in place.capsys.readouterr().out


@pytest.mark.parametrize("verb", [("list",), ("show", A)])
def test_capture_that_is_off_and_has_kept_nothing_says_so(place: Place, verb: tuple[str, ...]) -> None:
    said = place.do("capture", *verb, status=3)
    assert "capture is off" in said
    assert "capture.enabled" in said
    assert not place.root.exists(), "looking makes nothing"


def test_capture_that_is_on_and_has_kept_nothing_yet_is_an_empty_list(place: Place) -> None:
    assert "nothing is kept" in place.do("capture", "list", *ON)
    assert "nothing is kept of exchange" in place.do("capture", "show", A, *ON, status=3)


@pytest.mark.parametrize("exchange", [B, "", "../../etc/passwd", "\x1b[2J"])
def test_an_exchange_of_which_nothing_is_kept_is_told_so_and_not_recorded(
    place: Place, exchange: str
) -> None:
    place.keep(A, PROMPT)
    assert "capture list" in place.do("capture", "show", exchange, status=3)
    assert place.acts() == []


def test_an_id_is_found_in_upper_letters_too(place: Place) -> None:
    place.keep(A, PROMPT)
    assert place.read("capture", "show", A.upper())["exchange"] == A


def test_a_damaged_file_is_named_and_the_rest_is_shown(place: Place) -> None:
    place.keep(A, PROMPT)
    place.keep(B, PROMPT)
    first, second = place.segments()
    data = bytearray(first.read_bytes())
    data[-3] ^= 1
    first.write_bytes(data)
    said = place.do("capture", "show", A, status=3)
    assert first.name in said
    assert "was changed" in said
    assert place.read("capture", "show", B)["exchange"] == B
    data = bytearray(second.read_bytes())
    data[data.index(b'"number"')] ^= 1
    second.write_bytes(data)
    assert second.name in place.do("capture", "list", status=3)
    assert second.name in place.do("capture", "show", B, status=3)


def test_a_directory_that_may_not_be_read_is_named(place: Place) -> None:
    place.keep(A, PROMPT)
    segment = place.segments()[0]
    segment.unlink()
    segment.mkdir()
    said = place.do("capture", "list", status=3)
    assert segment.name in said


PURGES: dict[str, tuple[tuple[str, ...], set[str]]] = {
    "age": (("--older-than", "0s"), set()),
    "young": (("--older-than", "1h"), {A, B}),
    "owner": (("--owner", "other"), {A}),
    "exchange": (("--exchange", A), {B}),
    "both": (("--owner", "other", "--older-than", "1h"), {A, B}),
}


@pytest.mark.parametrize(("given", "left"), PURGES.values(), ids=PURGES)
def test_content_is_deleted_by_age_owner_and_exchange_and_it_is_recorded(
    place: Place, given: tuple[str, ...], left: set[str]
) -> None:
    place.keep(A, PROMPT, b"reply")
    place.keep(B, PROMPT, owner="other")
    told = place.read("capture", "purge", *given, "--by", "ada")
    assert {one["exchange"] for one in place.read("capture", "list", *ON)["captures"]} == left
    assert told["records"] == 3 - (2 if A in left else 0) - (1 if B in left else 0)
    assert place.acts() == [("capture.purge", "ada", "begun"), ("capture.purge", "ada", "done")]


def test_a_purge_that_does_not_say_what_is_refused(place: Place) -> None:
    place.keep(A, PROMPT)
    assert "--older-than" in place.do("capture", "purge", status=2)
    assert len(place.segments()) == 1


def test_a_directory_of_its_own_is_read_where_the_settings_say(place: Place, tmp_path: Path) -> None:
    place.keep(A, PROMPT)
    (place.root / "capture").rename(tmp_path / "elsewhere")
    assert A in place.do("capture", "list", "--set", "capture.directory=elsewhere")


def test_what_is_kept_is_for_its_owner_alone(place: Place) -> None:
    place.keep(A, PROMPT)
    place.do("capture", "show", A)
    for path in [place.root, *place.root.rglob("*")]:
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path


def test_the_doctor_warns_of_a_key_beside_what_it_opens_and_of_open_directories(place: Place) -> None:
    place.keep(A, PROMPT)
    on = replace(Settings(), capture=CaptureSettings(enabled=True, everyone=True))
    outside = replace(on, keys=replace(on.keys, kek=Secret("env:KEK")))
    places = Places(place.root)
    told = {name: next(look_at_captures(given, places)) for name, given in {"in": on, "out": outside}.items()}
    assert (told["in"].level, told["out"].level) == (Level.WARN, Level.OK)
    assert "keys.kek" in told["in"].fix
    assert next(look_at_captures(Settings(), places)).level is Level.OK
    (place.root / "capture").chmod(0o750)
    fault = next(look_at_captures(outside, places))
    assert (fault.level, fault.fix) == (Level.FAIL, f"chmod 700 {place.root / 'capture'}")
