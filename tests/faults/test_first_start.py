"""The first `up` in an empty folder: a settings file, a certificate, and one thing left to do."""

import contextlib
import os
import re
import signal
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from caller import CHAT, chat
from house import CHATELAINE, OWNER, free_port
from plain_upstream import plain_upstream


class Newcomer:
    """Types commands into a shell in an empty folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.gate, self.admin = free_port(), free_port()
        kept = {name: value for name, value in os.environ.items() if "OPENAI" not in name}
        self.environment = kept | {
            "CHATELAINE__GATE__PORT": str(self.gate),
            "CHATELAINE__GATE__WORKERS": "1",
            "CHATELAINE__ADMIN__PORT": str(self.admin),
        }

    def types(self, *words: str, given: str | None = None) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*CHATELAINE, *words],
            cwd=self.folder, env=self.environment, input=given,
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip

    @contextlib.contextmanager
    def up(self, *words: str) -> Iterator[None]:
        """Run `chatelaine up` until it has said how it is reached, and stop it at the end."""
        with (self.folder / "said").open("wb") as said, (self.folder / "log").open("ab") as log:
            running = subprocess.Popen(
                [*CHATELAINE, "up", *words],
                cwd=self.folder,
                env=self.environment,
                stdout=said,
                stderr=log,
            )
        try:
            self.until(lambda: "export OPENAI_BASE_URL=" in self.said or running.poll() is not None)
            assert running.poll() is None, self.log
            yield
        finally:
            running.send_signal(signal.SIGTERM)
            running.wait(20)

    @property
    def said(self) -> str:
        return (self.folder / "said").read_text(encoding="utf-8")

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8")

    def until(self, true: Callable[[], object]) -> None:
        deadline = time.monotonic() + 30
        while not true():
            assert time.monotonic() < deadline, self.said + self.log
            time.sleep(0.05)


@pytest.fixture
def newcomer(tmp_path: Path) -> Newcomer:
    return Newcomer(tmp_path)


def test_up_in_an_empty_folder_writes_settings_and_waits_for_the_providers_key(newcomer: Newcomer) -> None:
    with newcomer.up():
        assert f"wrote {newcomer.folder / 'chatelaine.yaml'}" in newcomer.said
        assert "upstream openai waits for its key: chatelaine keys provider put openai" in newcomer.said
        token = re.findall("chln_\\S+", newcomer.types("keys", "issue", *OWNER).stdout)[0]
        assert ask(newcomer, token) == 404
    assert newcomer.types("config", "check").returncode == 0


def test_the_providers_key_that_comes_later_is_used_without_a_restart(newcomer: Newcomer) -> None:
    with plain_upstream() as model:
        newcomer.environment |= {
            "CHATELAINE__UPSTREAMS__0__URL": f"http://127.0.0.1:{model.port}",
            "CHATELAINE__UPSTREAMS__0__ALLOW_ADDRESSES": "127.0.0.0/8",
        }
        (newcomer.folder / "chatelaine.yaml").write_text(
            "upstreams: [{name: a, provider: openai, url: 'https://a.example', credential: vault:openai}]\n",
            encoding="utf-8",
        )
        with newcomer.up():
            token = re.findall("chln_\\S+", newcomer.types("keys", "issue", *OWNER).stdout)[0]
            assert ask(newcomer, token) == 404
            assert newcomer.types("keys", "provider", "put", "openai", given="sk-1\n").returncode == 0
            newcomer.until(lambda: ask(newcomer, token) == 200)
            with ThreadPoolExecutor(1) as beside:
                model.visits.clear()
                waiting = beside.submit(ask, newcomer, token, deed="hold")
                newcomer.until(lambda: model.visits)
                assert newcomer.types("keys", "provider", "remove", "openai").returncode == 0
                newcomer.until(lambda: ask(newcomer, token) == 404)
                model.go_on.set()
                assert waiting.result(10) == 200, "what was under way keeps the key it began with"
            assert newcomer.types("keys", "suspend", token.split("_")[2]).returncode == 0
            newcomer.until(lambda: ask(newcomer, token) == 401)


def ask(newcomer: Newcomer, token: str, *, deed: str = "whole") -> int:
    """Ask over TLS, trusting the gate's own certificate, and return the status."""
    context = ssl.create_default_context(cafile=str(newcomer.folder / "chatelaine-data" / "gate.crt"))
    asked = urllib.request.Request(
        f"https://localhost:{newcomer.gate}{CHAT}",
        chat(),
        {"authorization": f"Bearer {token}", "x-test-do": deed},
    )
    try:
        with urllib.request.urlopen(asked, timeout=10, context=context) as reply:  # noqa: S310 - our own gate
            return int(reply.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_a_key_in_the_environment_is_the_providers_unless_it_is_one_of_ours(newcomer: Newcomer) -> None:
    newcomer.environment["OPENAI_API_KEY"] = "sk-of-the-provider"
    with newcomer.up():
        assert "waits for its key" not in newcomer.said
    settings = newcomer.folder / "chatelaine.yaml"
    assert "credential: env:OPENAI_API_KEY" in settings.read_text(encoding="utf-8")
    settings.unlink()
    newcomer.environment["OPENAI_API_KEY"] = "chln_live_" + "a" * 60
    with newcomer.up():
        assert "credential: vault:openai" in settings.read_text(encoding="utf-8")


def test_up_writes_nothing_where_settings_say_where_requests_go(newcomer: Newcomer) -> None:
    newcomer.environment |= {
        "CHATELAINE__UPSTREAMS__0__NAME": "own",
        "CHATELAINE__UPSTREAMS__0__PROVIDER": "openai",
        "CHATELAINE__UPSTREAMS__0__URL": "https://models.example",
    }
    with newcomer.up():
        assert not (newcomer.folder / "chatelaine.yaml").exists()


def test_up_in_a_folder_that_cannot_be_written_says_so(newcomer: Newcomer) -> None:
    (newcomer.folder / "chatelaine.yaml").mkdir()
    done = newcomer.types("up")
    assert done.returncode == 2
    assert f"{newcomer.folder / 'chatelaine.yaml'} exists already" in done.stderr
