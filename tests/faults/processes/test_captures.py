"""Captured content beside a running service: looks go through the hub, and what is too old is deleted."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from chatelaine.adapters.capture import SegmentCapture, SegmentWriter
from chatelaine.adapters.clock import ManualClock, SystemClock
from chatelaine.app.wire import ENTROPY, Places, sealer
from chatelaine.model.capture import Part
from chatelaine.model.exchange import Caller
from chatelaine.model.settings import CaptureSettings, Settings
from chatelaine.model.words import ExchangeId, KeyId, OwnerId, WorkerNumber

pytestmark = pytest.mark.wire


def keep(root: Path, exchange: str, *, age: timedelta) -> None:
    places, clock = Places(root), ManualClock(SystemClock().now())
    clock.advance(-age)
    places.prepare()
    writer = SegmentWriter(
        places.captures(CaptureSettings()),
        WorkerNumber(1),
        sealer=sealer(Settings(), places),
        entropy=ENTROPY,
        clock=clock,
    )
    capture = SegmentCapture(writer, CaptureSettings(enabled=True, everyone=True), clock)
    recording = capture.begin(ExchangeId(exchange), Caller(KeyId("abcdefghi"), OwnerId("acme"), "bot"))
    assert recording is not None
    recording.add(Part.REQUEST, b"hello")
    recording.end()
    capture.close()


def acts(service: Any) -> list[tuple[str, str, str]]:
    lines = service.run("events", "show", "--kind", "admin", "--json").stdout.splitlines()
    found = map(json.loads, lines)
    return [(one["action"], one["by"], one["outcome"]) for one in found]


def test_a_look_is_recorded_by_the_hub_and_old_content_is_gone_though_capture_is_off(service: Any) -> None:
    keep(service.storage, "a" * 24, age=timedelta(days=31))
    keep(service.storage, "b" * 24, age=timedelta(days=29))
    service.start()
    listed = service.read("capture", "list")["captures"]
    assert [one["exchange"] for one in listed] == ["b" * 24]
    shown = service.read("capture", "show", "b" * 24, "--by", "ada")
    assert shown["parts"][0]["content"] == "hello"
    assert service.read("capture", "purge", "--older-than", "7d", "--by", "ada")["records"] == 1
    assert acts(service) == [
        ("capture.expire", "hub", "done"),
        ("capture.show", "ada", "begun"),
        ("capture.purge", "ada", "begun"),
        ("capture.purge", "ada", "done"),
    ]
