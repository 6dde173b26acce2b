"""Stores of the watch that are damaged: told with file and mend; the gate goes on."""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from caller import processes
from house import CHATELAINE, House, house
from theft import HOME, usual, visit

pytestmark = pytest.mark.slow
STORES = ("incidents.db", "notices.db")


@pytest.fixture
def gate(tmp_path: Path, model_port: int) -> Iterator[House]:
    with house(tmp_path, model=model_port, workers=1) as running:
        yield running


def spoil(path: Path) -> None:
    """Write over what is in a file, and over what waits beside it."""
    for beside in path.parent.glob(f"{path.name}-*"):
        beside.unlink()
    path.write_bytes(b"\xff" * 8192)


@pytest.mark.parametrize("name", STORES)
def test_a_damaged_store_is_told_at_the_start_with_file_and_mend(
    tmp_path: Path, model_port: int, name: str
) -> None:
    with house(tmp_path, model=model_port) as ran:
        ran.issue()
    spoil(tmp_path / "data" / name)
    done = subprocess.run(
        [*CHATELAINE, "up", "--config", str(tmp_path / "chatelaine.yaml")],
        capture_output=True, text=True, check=False, timeout=120, env=os.environ | ran.environment,
    )  # fmt: skip
    assert done.returncode == 3
    assert f"{tmp_path / 'data' / name} is damaged" in done.stderr
    assert "restore the last copy" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_damaged_state_of_the_watch_is_moved_aside_and_the_gate_goes_on(gate: House) -> None:
    token = gate.issue()
    path = gate.folder / "data" / "watch.db"
    hub = processes(gate)[0]
    os.kill(hub, signal.SIGSTOP)
    spoil(path)
    os.kill(hub, signal.SIGKILL)
    aside, until = path.with_name("watch.db.damaged"), time.monotonic() + 40
    while not aside.exists():
        assert asyncio.run(visit(gate, HOME, token, usual())) == 200
        assert time.monotonic() < until, "the hub does not come back"
        time.sleep(0.2)
    while gate.run("keys", "list", check=False).returncode != 0:
        assert time.monotonic() < until, "the hub does not come back"
        time.sleep(0.2)
    assert asyncio.run(visit(gate, HOME, token, usual())) == 200
    assert processes(gate)[0] != hub
    said = (gate.folder / "house.log").read_text(errors="replace")
    assert f"{path} is damaged" in said
    assert "read from their start" in said
