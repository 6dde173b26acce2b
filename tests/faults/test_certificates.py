"""A certificate nears its end, is replaced, is broken: the gate warns, takes over, or keeps what it shows."""

import signal
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from house import CHATELAINE, free_port, process

from chatelaine.adapters.tls import renew_certificate

LIFE = timedelta(days=397)


class Gate:
    """A gate that shows a certificate of the operator's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.settings = folder / "chatelaine.yaml"
        self.settings.write_text(
            f"gate:\n  port: {self.port}\n  workers: 1\n"
            f"  tls: {{certificate: {folder / 'gate.crt'}, key: {folder / 'gate.key'}}}\n"
            f"admin: {{port: {free_port()}}}\nstorage: {{directory: {folder / 'data'}}}\n",
            encoding="utf-8",
        )

    def put(self, name: str, *, days_left: float) -> str:
        """Put a certificate and its key in place and return the certificate."""
        made_at = datetime.now(UTC) - LIFE + timedelta(days=days_left)
        certificate, key = renew_certificate(self.folder / name, ("localhost",), now=made_at)
        shown = certificate.read_text(encoding="ascii")
        key.rename(self.folder / "gate.key")
        certificate.rename(self.folder / "gate.crt")
        return shown

    def shown(self) -> str:
        return ssl.get_server_certificate(("127.0.0.1", self.port), timeout=10)

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8")

    def until(self, true: Callable[[], object]) -> None:
        deadline = time.monotonic() + 20
        while not true():
            assert time.monotonic() < deadline, self.log
            time.sleep(0.05)


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path)


def test_a_certificate_is_warned_of_replaced_and_kept_while_its_successor_is_broken(gate: Gate) -> None:
    first = gate.put("first", days_left=5)
    command = [*CHATELAINE, "up", "--config", str(gate.settings)]
    with process(command, port=gate.port, log=gate.folder / "log") as running:
        gate.until(lambda: "chatelaine is ready" in gate.log)
        assert gate.log.count("the certificate expires at") == 1
        assert "put a new one in its place and reload" in gate.log
        assert gate.shown() == first
        second = gate.put("second", days_left=200)
        running.send_signal(signal.SIGHUP)
        gate.until(lambda: gate.shown() == second)
        assert gate.log.count("the certificate expires at") == 1
        (gate.folder / "gate.crt").write_bytes(b"")
        running.send_signal(signal.SIGHUP)
        gate.until(lambda: "there is no PEM certificate in it" in gate.log)
        assert f"{gate.settings}:4:22: gate.tls.certificate" in gate.log
        assert gate.shown() == second


def test_a_certificate_of_our_own_is_renewed_before_its_end(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    text = gate.settings.read_text(encoding="utf-8")
    gate.settings.write_text(text.replace("  tls:", "  # tls:"), encoding="utf-8")
    gate.folder = tmp_path / "data"
    gate.folder.mkdir(mode=0o700)
    old = gate.put("old", days_left=5)
    gate.folder = tmp_path
    command = [*CHATELAINE, "up", "--config", str(gate.settings)]
    with process(command, port=gate.port, log=gate.folder / "log"):
        gate.until(lambda: "chatelaine is ready" in gate.log)
        assert gate.shown() not in {old, ""}
        assert "expires" not in gate.log
