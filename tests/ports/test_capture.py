"""One suite for content capture, in memory and on disk: whose content is kept, how much, and never more."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chatelaine.adapters.capture import CaptureReader, MemoryCapture, SegmentCapture, SegmentWriter
from chatelaine.adapters.clock import SystemClock
from chatelaine.adapters.entropy import SystemEntropy
from chatelaine.adapters.sealer import AesGcmSealer
from chatelaine.model.capture import CapturedPart, Part
from chatelaine.model.error import CaptureUnknown
from chatelaine.model.exchange import Caller
from chatelaine.model.settings import CaptureSettings
from chatelaine.model.words import ExchangeId, KeyId, OwnerId, WorkerNumber

CLOCK = SystemClock()
ALL = CaptureSettings(enabled=True, everyone=True)
BOT = Caller(KeyId("abcdefghi"), OwnerId("acme"), "bot")
WEB = Caller(KeyId("zzzzzzzzz"), OwnerId("acme"), "web")
OTHER = Caller(KeyId("yyyyyyyyy"), OwnerId("other"), "bot")
A, B, C = (ExchangeId(letter * 24) for letter in "abc")

Content = dict[tuple[ExchangeId, Part], CapturedPart]


class Kept:
    """A capture, and what was kept once it is over."""

    def __init__(self, capture: MemoryCapture | SegmentCapture, content: Callable[[], Content]) -> None:
        self.capture = capture
        self.content = content

    def exchange(self, exchange: ExchangeId, caller: Caller, *, request: bytes, reply: bytes = b"") -> bool:
        """Record one exchange, and tell whether it was to be captured."""
        recording = self.capture.begin(exchange, caller)
        if recording is None:
            return False
        recording.add(Part.REQUEST, request)
        if reply:
            recording.add(Part.REPLY, reply)
        recording.end()
        return True


def in_memory(_: Path, chosen: CaptureSettings) -> Kept:
    capture = MemoryCapture(chosen, CLOCK)

    def content() -> Content:
        found: Content = {}
        for piece in capture.pieces:
            held = capture.content(piece.exchange, piece.part)
            whole = piece.last and len(held) == piece.seen
            found[piece.exchange, piece.part] = CapturedPart(piece.part, held, piece.seen, whole)
        return found

    return Kept(capture, content)


def on_disk(directory: Path, chosen: CaptureSettings) -> Kept:
    sealer, entropy = AesGcmSealer({"kek": b"k" * 32}, SystemEntropy()), SystemEntropy()
    writer = SegmentWriter(directory, WorkerNumber(1), sealer=sealer, entropy=entropy, clock=CLOCK)
    capture = SegmentCapture(writer, chosen, CLOCK)
    reader = CaptureReader(directory, pytest.fail)

    def content() -> Content:
        capture.close()
        return {
            (one.exchange, part.part): part
            for one in reader.exchanges()
            for part in reader.open(reader.find(one.exchange), sealer)
        }

    return Kept(capture, content)


Keeper = Callable[[Path, CaptureSettings], Kept]
KEEPERS: dict[str, Keeper] = {"memory": in_memory, "disk": on_disk}
every_capture = pytest.mark.parametrize("keep", KEEPERS.values(), ids=KEEPERS)


@every_capture
def test_nothing_is_kept_unless_it_is_switched_on(keep: Keeper, tmp_path: Path) -> None:
    kept = keep(tmp_path / "capture", replace(ALL, enabled=False))
    assert not kept.exchange(A, BOT, request=b"hello")
    assert kept.content() == {}
    assert not (tmp_path / "capture").exists()


@every_capture
@pytest.mark.parametrize(
    ("chosen", "wanted"),
    [
        (CaptureSettings(enabled=True), []),
        (CaptureSettings(enabled=True, owners=("acme",)), [BOT, WEB]),
        (CaptureSettings(enabled=True, apps=("acme/web", "acme")), [WEB]),
        (CaptureSettings(enabled=True, keys=(KeyId("yyyyyyyyy"),)), [OTHER]),
        (CaptureSettings(enabled=True, keys=(KeyId("yyyyyyyyy"),), apps=("acme/bot",)), [BOT, OTHER]),
        (ALL, [BOT, WEB, OTHER]),
    ],
)
def test_only_those_who_are_named_are_captured(
    keep: Keeper, tmp_path: Path, chosen: CaptureSettings, wanted: list[Caller]
) -> None:
    kept = keep(tmp_path, chosen)
    callers = {A: BOT, B: WEB, C: OTHER}
    taken = [caller for exchange, caller in callers.items() if kept.exchange(exchange, caller, request=b"x")]
    assert taken == wanted
    assert {exchange for exchange, _ in kept.content()} == {
        one for one, caller in callers.items() if caller in wanted
    }


@every_capture
def test_a_caller_without_a_key_is_not_captured(keep: Keeper, tmp_path: Path) -> None:
    assert not keep(tmp_path, ALL).exchange(A, Caller(), request=b"hello")


@every_capture
def test_both_parts_are_kept_apart_and_whole(keep: Keeper, tmp_path: Path) -> None:
    kept = keep(tmp_path, ALL)
    kept.exchange(A, BOT, request=b'{"prompt": "one"}', reply=b"\x00\xff" * 500)
    kept.exchange(B, WEB, request=b"")
    assert kept.content() == {
        (A, Part.REQUEST): CapturedPart(Part.REQUEST, b'{"prompt": "one"}', 17, whole=True),
        (A, Part.REPLY): CapturedPart(Part.REPLY, b"\x00\xff" * 500, 1000, whole=True),
        (B, Part.REQUEST): CapturedPart(Part.REQUEST, b"", 0, whole=True),
    }


@every_capture
@given(
    given_pieces=st.lists(st.tuples(st.sampled_from(Part), st.binary(max_size=90_000)), max_size=12),
    limit=st.sampled_from([1, 1000, 100_000, 1_000_000]),
)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_content_comes_back_as_it_passed_up_to_the_limit(
    keep: Keeper,
    tmp_path_factory: pytest.TempPathFactory,
    given_pieces: list[tuple[Part, bytes]],
    limit: int,
) -> None:
    kept = keep(tmp_path_factory.mktemp("capture"), replace(ALL, record_bytes=limit))
    recording = kept.capture.begin(A, BOT)
    assert recording is not None
    for part, data in given_pieces:
        recording.add(part, data)
    recording.end()
    found = kept.content()
    for part in {part for part, _ in given_pieces}:
        passed = b"".join(data for one, data in given_pieces if one is part)
        assert found[A, part] == CapturedPart(part, passed[:limit], len(passed), whole=len(passed) <= limit)
    assert kept.capture.lost == 0


@every_capture
def test_what_comes_after_the_end_is_not_taken(keep: Keeper, tmp_path: Path) -> None:
    kept = keep(tmp_path, ALL)
    recording = kept.capture.begin(A, BOT)
    assert recording is not None
    recording.add(Part.REQUEST, b"before")
    recording.end()
    recording.add(Part.REQUEST, b"after")
    recording.end()
    assert kept.content()[A, Part.REQUEST].content == b"before"


@every_capture
def test_what_does_not_fit_into_memory_is_lost_and_counted_once(keep: Keeper, tmp_path: Path) -> None:
    kept = keep(tmp_path, replace(ALL, memory_bytes=1000, record_bytes=1000))
    first, second = kept.capture.begin(A, BOT), kept.capture.begin(B, BOT)
    assert first is not None
    assert second is not None
    first.add(Part.REQUEST, b"a" * 400)
    second.add(Part.REQUEST, b"b" * 400)
    second.add(Part.REPLY, b"b" * 700)
    second.add(Part.REPLY, b"b")
    second.end()
    first.end()
    assert kept.capture.lost == 1
    content = kept.content()
    assert content[A, Part.REQUEST] == CapturedPart(Part.REQUEST, b"a" * 400, 400, whole=True)
    assert not any(content[one].whole for one in content if one[0] == B)


@every_capture
def test_a_caller_who_changes_the_bytes_afterwards_changes_nothing(keep: Keeper, tmp_path: Path) -> None:
    kept = keep(tmp_path, ALL)
    recording = kept.capture.begin(A, BOT)
    assert recording is not None
    buffer = bytearray(b"before")
    recording.add(Part.REQUEST, buffer)
    buffer[:] = b"after!"
    recording.end()
    assert kept.content()[A, Part.REQUEST].content == b"before"


@every_capture
def test_other_settings_hold_from_the_next_exchange_on(keep: Keeper, tmp_path: Path) -> None:
    kept = keep(tmp_path, CaptureSettings(enabled=True, owners=("acme",)))
    assert kept.exchange(A, BOT, request=b"one")
    kept.capture.change(CaptureSettings(enabled=True, owners=("other",)))
    assert not kept.exchange(B, BOT, request=b"two")
    assert kept.exchange(C, OTHER, request=b"three")
    assert {exchange for exchange, _ in kept.content()} == {A, C}


def test_an_exchange_of_which_nothing_is_kept_is_told_as_unknown(tmp_path: Path) -> None:
    with pytest.raises(CaptureUnknown, match="capture list"):
        CaptureReader(tmp_path / "nowhere", pytest.fail).find(A)
