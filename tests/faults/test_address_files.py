"""Files of networks change under a running gate: it takes them over, or keeps what it has and says so."""

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from caller import once, request
from house import House, free_port, house

LOOK = "50ms"
HOSTING, VPN = 1, 2


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    classes(folder).write_text("127.0.0.0/8 vpn\n", encoding="utf-8")
    extra = f"addresses: {{classes: {classes(folder)}, look_every: {LOOK}}}"
    with house(folder, model=free_port(), tls=False, extra=extra) as running:
        yield running


def classes(folder: Path) -> Path:
    return folder / "classes.txt"


def put(gate: House, text: str) -> None:
    """Replace the file in one step, as whoever fetches lists should."""
    fresh = classes(gate.folder).with_suffix(".new")
    fresh.write_text(text, encoding="utf-8")
    fresh.rename(classes(gate.folder))


def kind_of_us(gate: House) -> int:
    """Return what class of network the next recorded exchange has."""
    asyncio.run(once(gate.port, request("no-key", b"{}")))
    return int(gate.events()[-1]["client"]["network"]["kind"])


def log(gate: House) -> str:
    return (gate.folder / "house.log").read_text(encoding="utf-8")


def until(true: Callable[[], object], gate: House) -> None:
    deadline = time.monotonic() + 15
    while not true():
        assert time.monotonic() < deadline, log(gate)
        time.sleep(0.05)


def test_a_changed_file_is_taken_over_and_a_broken_one_is_not(gate: House) -> None:
    assert kind_of_us(gate) == VPN
    put(gate, "127.0.0.0/8 hosting\n")
    until(lambda: "address files were read again" in log(gate), gate)
    assert kind_of_us(gate) == HOSTING
    put(gate, "127.0.0.0/8 vpn\nnot-a-network vpn\n")
    until(lambda: "address files are kept as they were" in log(gate), gate)
    assert "classes.txt: line 2" in log(gate)
    assert kind_of_us(gate) == HOSTING
    put(gate, "127.0.0.0/8 vpn\n")
    until(lambda: log(gate).count("address files were read again") == 2, gate)
    assert kind_of_us(gate) == VPN
