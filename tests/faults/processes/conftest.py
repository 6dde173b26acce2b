"""A running service for tests: the real supervisor and hub, with quiet workers."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
PATIENCE = 20.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(true: Callable[[], object], what: str, *, within: float = PATIENCE) -> float:
    """Wait for something and return how long it took."""
    started = time.monotonic()
    while not true():
        if time.monotonic() - started > within:
            pytest.fail(f"not within {within:g} s: {what}")
        time.sleep(0.01)
    return time.monotonic() - started


@dataclass
class Service:
    """One `up` and what a test does to it."""

    folder: Path
    workers: int = 2
    gate: int = field(default_factory=free_port)
    admin: int = field(default_factory=free_port)
    drain: str = "5s"
    program: tuple[str, ...] = (str(HERE / "supervise.py"),)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def settings(self) -> Path:
        return self.folder / "chatelaine.yaml"

    @property
    def storage(self) -> Path:
        return self.folder / "data"

    def write_settings(self, extra: str = "") -> None:
        self.settings.write_text(
            f"gate:\n  port: {self.gate}\n  workers: {self.workers}\n  tls: {{enabled: false}}\n"
            f"  timeouts: {{drain: {self.drain}}}\n"
            f"admin: {{port: {self.admin}}}\nstorage: {{directory: {self.storage}}}\n{extra}",
            encoding="utf-8",
        )

    def start(self, *, ready: bool = True) -> None:
        if not self.settings.exists():
            self.write_settings()
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *self.program, str(self.settings)],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
            )
        if ready:
            wait_until(self.ready, f"ready\n{self.log()}")

    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def ready(self) -> bool:
        if self.process is not None and self.process.poll() is not None:
            pytest.fail(f"up ended with {self.process.returncode}:\n{self.log()}")
        return self.get("/readyz")[0] == 200

    def get(self, path: str, *, port: int = 0) -> tuple[int, str]:
        """Ask the admin port, or another; status 0 where nobody answers."""
        url = f"http://127.0.0.1:{port or self.admin}{path}"
        try:
            with urllib.request.urlopen(url, timeout=5) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def ask_gate(self, path: str = "/") -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.get(path, port=self.gate)[1])
        return found

    def every_worker(self) -> dict[int, dict[str, Any]]:
        """Return what each worker tells of itself; the kernel chooses which one answers."""
        told: dict[int, dict[str, Any]] = {}

        def all_told() -> bool:
            with suppress(ValueError):
                one = self.ask_gate()
                told[one["worker"]] = one
            return len(told) == self.workers

        wait_until(all_told, f"an answer of every worker\n{self.log()}")
        return told

    def children(self) -> dict[str, int]:
        """Return the process ids of hub and workers by module and orders."""
        assert self.process is not None
        found = {}
        for pid in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split():
            with suppress(OSError):
                line = Path(f"/proc/{pid}/cmdline").read_bytes()
                found["hub" if b"chatelaine.app.hub" in line else f"worker {pid}"] = int(pid)
        return found

    def run(self, *arguments: str, given: bytes | None = None) -> "subprocess.CompletedProcess[str]":
        """Run a command of ours on this service's settings."""
        return subprocess.run(
            [sys.executable, "-m", "chatelaine.app", *arguments, "--config", str(self.settings)],
            input=None if given is None else given.decode(),
            stdin=subprocess.DEVNULL if given is None else None,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "NO_COLOR": "1"},
        )

    def read(self, *arguments: str, given: bytes | None = None) -> Any:
        done = self.run(*arguments, "--json", given=given)
        assert done.returncode == 0, done.stderr + self.log()
        return json.loads(done.stdout)

    def issue(self) -> str:
        told = self.read("keys", "issue", "--owner", "acme", "--app", "bot", "--contact", "a@example.com")
        return str(told["id"])

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A service that is not started yet; killed at the end, however the test went."""
    made = Service(tmp_path)
    yield made
    if made.process is not None and made.process.poll() is None:
        children = made.children()
        made.process.kill()
        made.process.wait()
        wait_until(lambda: not any(map(alive, children.values())), "the end of all children")


def alive(pid: int) -> bool:
    """Tell whether a process lives; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return False
