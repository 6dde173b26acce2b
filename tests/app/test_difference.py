"""What differs between two settings: a reload that records or holds back less is told as such."""

from dataclasses import replace
from datetime import timedelta

import pytest

from chatelaine.app.difference import changes, weakened
from chatelaine.model.settings import (
    CaptureSettings,
    Durability,
    GateSettings,
    JournalSettings,
    KeySettings,
    Settings,
    SizeLimits,
    TlsSettings,
    UnknownRoute,
)

STRONG = Settings(capture=CaptureSettings(enabled=True, everyone=True, owners=("acme", "zeta")))
GATE = GateSettings()
WEAKER = {
    "journal.durability": replace(STRONG, journal=JournalSettings(durability=Durability.FLUSH)),
    "capture.enabled": replace(STRONG, capture=replace(STRONG.capture, enabled=False)),
    "capture.everyone": replace(STRONG, capture=replace(STRONG.capture, everyone=False)),
    "capture.owners": replace(STRONG, capture=replace(STRONG.capture, owners=("acme",))),
    "capture.retention": replace(STRONG, capture=replace(STRONG.capture, retention=timedelta(days=1))),
    "gate.unknown_routes": replace(STRONG, gate=replace(GATE, unknown_routes=UnknownRoute.ALLOW)),
    "gate.tls.enabled": replace(STRONG, gate=replace(GATE, tls=TlsSettings(enabled=False))),
    "gate.plain_anywhere": replace(STRONG, gate=replace(GATE, plain_anywhere=True)),
    "gate.trusted_proxies": replace(STRONG, gate=replace(GATE, trusted_proxies=("192.0.2.0/24",))),
    "gate.sizes.json_body": replace(STRONG, gate=replace(GATE, sizes=SizeLimits(json_body=1 << 30))),
    "keys.lifetime": replace(STRONG, keys=KeySettings(lifetime=timedelta(days=900))),
    "keys.overlap": replace(STRONG, keys=KeySettings(overlap=timedelta(days=90))),
}


@pytest.mark.parametrize("name", WEAKER)
def test_a_setting_that_holds_back_less_is_told_by_its_name(name: str) -> None:
    assert weakened(STRONG, WEAKER[name]) == (name,)
    assert changes(STRONG, WEAKER[name]) == (name,)


@pytest.mark.parametrize("name", WEAKER)
def test_the_way_back_weakens_nothing(name: str) -> None:
    assert weakened(WEAKER[name], STRONG) == ()


def test_a_change_that_is_neither_stronger_nor_weaker_is_not_told() -> None:
    later = replace(STRONG, gate=replace(GATE, connections=7))
    assert changes(STRONG, later)
    assert weakened(STRONG, later) == ()
