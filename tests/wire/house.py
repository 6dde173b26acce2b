"""A whole Chatelaine on the loopback interface, for tests that talk to it as a stranger would."""

import base64
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
CHATELAINE = (sys.executable, "-m", "chatelaine.app")
OWNER = ("--owner", "acme", "--app", "shop", "--contact", "keys@acme.example")
PROVIDERS = ("openai", "azure", "anthropic", "gemini", "bedrock")
PROVIDER_KEY = "sk-provider-key-that-no-caller-may-ever-see"


def free_port() -> int:
    """Return a port of the loopback interface that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int, *, seconds: float = 40.0) -> None:
    """Wait until a port answers."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise TimeoutError(f"nothing answers on port {port}")


@contextlib.contextmanager
def process(
    command: Sequence[str], *, port: int, log: Path, env: Mapping[str, str] | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a program until the block ends; it must answer on a port."""
    with log.open("ab") as sink:
        started = subprocess.Popen(
            command, stdout=sink, stderr=sink, env=dict(os.environ) | dict(env or {}), start_new_session=True
        )
    try:
        wait_for(port)
        yield started
    except TimeoutError as fault:
        raise AssertionError(log.read_text(errors="replace")[-4000:]) from fault
    finally:
        started.send_signal(signal.SIGTERM)
        try:
            started.wait(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(started.pid, signal.SIGKILL)
            started.wait()


@contextlib.contextmanager
def model_server(folder: Path) -> Iterator[int]:
    """Run the model server; yields its port."""
    port = free_port()
    command = [sys.executable, str(HERE / "model_server.py"), "--port", str(port)]
    with process(command, port=port, log=folder / "model.log"):
        yield port


@dataclass
class House:
    """A running Chatelaine."""

    folder: Path
    port: int
    admin: int
    model: int
    tls: bool
    process: "subprocess.Popen[bytes]"
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The base URL callers are given."""
        return f"{'https' if self.tls else 'http'}://localhost:{self.port}"

    @property
    def certificate(self) -> Path:
        """The certificate to trust."""
        return next((self.folder / "data").rglob("*.crt"))

    def run(
        self, *arguments: str, check: bool = True, text: str | None = None, seconds: float = 60
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command of the command line against this house."""
        done = subprocess.run(
            [*CHATELAINE, arguments[0], "--config", str(self.folder / "chatelaine.yaml"), *arguments[1:]],
            capture_output=True,
            text=True,
            input=text,
            check=False,
            timeout=seconds,
            env=dict(os.environ) | self.environment,
        )
        assert not check or done.returncode == 0, done.stderr + done.stdout
        return done

    def told(self, *arguments: str) -> Any:
        """Run a reading command and return its JSON."""
        return json.loads(self.run(*arguments, "--json").stdout)

    def issue(self, *arguments: str) -> str:
        """Issue a key and return its token."""
        return str(self.told("keys", "issue", *OWNER, *arguments)["token"])

    def events(self) -> list[dict[str, Any]]:
        """Return every event recorded so far, oldest first."""
        # Minutes of load leave a million events, of which 20,000 are read in a second.
        shown = self.run("events", "show", "--json", seconds=600).stdout
        return [json.loads(line) for line in shown.splitlines() if line.strip()]

    def asked(self) -> list[dict[str, Any]]:
        """Return what the model server was asked, newest last."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.model}/asked", timeout=10) as reply:
            return list(json.load(reply))


def body_of(asked: Mapping[str, Any]) -> bytes:
    """Return the body the model server got."""
    return base64.b64decode(asked["body"])


CONFIG = """
gate:
  host: 127.0.0.1
  port: {port}
  workers: {workers}
  tls: {{enabled: {tls}}}
{gate}
admin: {{port: {admin}}}
journal: {{durability: {durability}}}
storage: {{directory: {folder}/data}}
{extra}
upstreams:
{upstreams}
"""
UPSTREAM = """
  - name: {provider}
    provider: {provider}
    url: http://127.0.0.1:{model}
    credential: env:MODEL_KEY
    allow_addresses: [127.0.0.0/8]
"""


@contextlib.contextmanager
def house(  # noqa: PLR0913 - a house has many knobs
    folder: Path,
    *,
    model: int,
    tls: bool = True,
    workers: int = 1,
    durability: str = "flush",
    gate: str = "",
    extra: str = "",
    before: Callable[[Path], None] | None = None,
) -> Iterator[House]:
    """Run a whole Chatelaine in front of the model server; ``before`` gets its folder before it starts."""
    port, admin = free_port(), free_port()
    upstreams = "".join(UPSTREAM.format(provider=name, model=model) for name in PROVIDERS)
    (folder / "chatelaine.yaml").write_text(
        CONFIG.format(
            port=port, admin=admin, workers=workers, tls=str(tls).lower(), gate=gate, durability=durability,
            folder=folder, extra=extra, upstreams=upstreams,
        )
    )  # fmt: skip
    if before is not None:
        before(folder)
    environment = {"MODEL_KEY": PROVIDER_KEY}
    command = [*CHATELAINE, "up", "--config", str(folder / "chatelaine.yaml")]
    with process(command, port=port, log=folder / "house.log", env=environment) as started:
        yield House(folder, port, admin, model, tls, started, environment)
