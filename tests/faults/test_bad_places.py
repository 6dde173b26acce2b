"""Bad settings, ports, certificates, segments, stores, clocks: the message names file, line and fix."""

import asyncio
import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import takewhile
from pathlib import Path
from tempfile import gettempdir

import pytest
from caller import chat, once, request
from house import CHATELAINE, CONFIG, OWNER, UPSTREAM, House, free_port, process
from plain_upstream import plain_upstream

from chatelaine.adapters.tls import renew_certificate

pytestmark = pytest.mark.slow
HERE = Path(__file__).resolve().parent
NOBODY = 65_534
UNSHARED = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text(encoding="ascii"))


class Folder:
    """A folder with a settings file, and a shell in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.settings = path / "chatelaine.yaml"
        self.gate, self.admin = free_port(), free_port()

    def write(self, gate: str = "", more: str = "") -> None:
        """Write settings: ports and places are in lines 1 to 4, the gate's other lines begin at 5."""
        self.settings.write_text(
            f"admin: {{port: {self.admin}}}\nstorage: {{directory: {self.path / 'data'}}}\n"
            f"gate:\n  port: {self.gate}\n{gate}{more}",
            encoding="utf-8",
        )

    def run(self, *words: str, status: int, user: int | None = None) -> str:
        """Run a command and return what it wrote."""
        done = subprocess.run(
            [*CHATELAINE, *words],
            cwd=self.path, capture_output=True, text=True, check=False, timeout=60, user=user,
        )  # fmt: skip
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    def fails_everywhere(self, *told: str) -> None:
        """Check that `config check`, `up` and `doctor` refuse the settings with the same words."""
        for words, status in ((("config", "check"), 3), (("up",), 3), (("doctor",), 1)):
            said = self.run(*words, status=status)
            for expected in told:
                assert expected in said, said

    def issue(self, count: int) -> None:
        for _ in range(count):
            self.run("keys", "issue", *OWNER, status=0)

    @property
    def data(self) -> Path:
        return self.path / "data"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    for name in list(os.environ):
        if name.startswith("CHATELAINE"):
            monkeypatch.delenv(name)
    return Folder(tmp_path)


# Settings


@pytest.mark.parametrize(
    ("gate", "line", "fix"),
    [
        ("  tls: {enabled: true\n", "6:1: expected ',' or '}'", "close what opens in line 5"),
        ("\ttls: {enabled: true}\n", "5:1: found character", "YAML sets in with spaces"),
        ("  tsl: {enabled: true}\n", "5:3: gate.tsl is not a setting", "did you mean tls?"),
        ("  workers: many\n", "5:12: gate.workers: 'many' is not", ""),
        ("  connections: [1]\n", "5:16: gate.connections: one value belongs here", ""),
        ("  timeouts: {drain: 5}\n", "5:21: gate.timeouts.drain", "5s"),
    ],
)
def test_a_fault_of_the_settings_is_told_with_its_line_and_its_fix(
    folder: Folder, gate: str, line: str, fix: str
) -> None:
    folder.write(gate)
    folder.fails_everywhere(f"{folder.settings}:{line}", fix)
    assert not folder.data.exists(), "nothing is begun on settings that are wrong"


def test_a_settings_file_that_is_not_there_is_named(folder: Folder) -> None:
    assert f"{folder.settings}: No such file" in folder.run("up", "--config", "chatelaine.yaml", status=3)


# Ports


@pytest.mark.parametrize(("section", "line"), [("gate", "4:9"), ("admin", "1:15")])
def test_a_port_in_use_is_told_with_its_line_and_who_uses_it(folder: Folder, section: str, line: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        setattr(folder, section, taken.getsockname()[1])
        folder.write()
        said = folder.run("up", status=3)
        assert f"{folder.settings}:{line}: port {taken.getsockname()[1]} on 127.0.0.1 is in use by" in said
        assert f"(pid {os.getpid()})" in said
        assert f"set {section}.port to another port" in said
        assert "is in use by" in folder.run("doctor", status=1)


@pytest.mark.parametrize("port", ["0", "65536", "-1", "https"])
def test_a_port_that_is_none_is_told_with_its_line(folder: Folder, port: str) -> None:
    folder.settings.write_text(f"gate:\n  port: {port}\n", encoding="utf-8")
    folder.fails_everywhere(f"{folder.settings}:2:9: gate.port: '{port}' is not a port", "1 to 65535")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user who may not bind the port")
@pytest.mark.skipif(UNSHARED <= 443, reason="this machine lets everybody bind low ports")
def test_a_port_for_root_alone_is_told_with_its_line_and_what_would_allow_it(folder: Folder) -> None:
    folder.gate = 443
    folder.write()
    for path in (folder.path, folder.settings):
        os.chown(path, NOBODY, NOBODY)
    for parent in takewhile(lambda parent: parent != Path(gettempdir()), folder.path.parents):
        parent.chmod(0o755)
    said = folder.run("up", status=3, user=NOBODY)
    assert f"{folder.settings}:4:9: port 443 on 127.0.0.1 may not be bound by this user" in said
    assert "CAP_NET_BIND_SERVICE" in said


def test_a_host_of_another_machine_is_told_with_its_line(folder: Folder) -> None:
    folder.write("  host: 192.0.2.1\n")
    said = folder.run("up", status=3)
    assert f"{folder.settings}:5:9: port {folder.gate} on 192.0.2.1 cannot be bound" in said
    assert "set gate.host to" in said


# Certificates and other files


def pair(folder: Folder, name: str, *, now: datetime | None = None) -> tuple[Path, Path]:
    place = folder.path / name
    return renew_certificate(place, ("localhost",), now=now or datetime.now(UTC))


def tls(certificate: Path, key: Path) -> str:
    return f"  tls:\n    certificate: {certificate}\n    key: {key}\n"


def test_a_missing_certificate_is_told_with_its_line(folder: Folder) -> None:
    _, key = pair(folder, "one")
    missing = folder.path / "gone.pem"
    folder.write(tls(missing, key))
    folder.fails_everywhere(
        f"{folder.settings}:6:18: gate.tls.certificate: {missing}: No such file", "check gate.tls.certificate"
    )


def test_a_key_of_another_certificate_is_told_with_its_line(folder: Folder) -> None:
    (certificate, _), (_, key) = pair(folder, "one"), pair(folder, "two")
    folder.write(tls(certificate, key))
    told = f"{folder.settings}:7:10: gate.tls.key: {key}: the key does not belong to {certificate}"
    folder.fails_everywhere(told, "check gate.tls.certificate and gate.tls.key")


def test_a_certificate_that_is_none_is_told_with_its_line(folder: Folder) -> None:
    _, key = pair(folder, "one")
    certificate = folder.path / "empty.pem"
    certificate.write_bytes(b"")
    folder.write(tls(certificate, key))
    folder.fails_everywhere(f"{folder.settings}:6:18: gate.tls.certificate: {certificate}: there is no PEM")


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("addresses:\n  asn: gone.mmdb\n", "6:8: addresses.asn: gone.mmdb: No such file"),
        ("prices:\n  file: gone.toml\n", "6:9: prices.file: "),
        (
            "upstreams:\n  - {name: a, provider: openai, url: 'https://a.example', ca_file: gone.pem}\n",
            "6:68: upstreams[0].ca_file: gone.pem: No such file",
        ),
    ],
)
def test_a_missing_file_that_settings_name_is_told_with_its_line(
    folder: Folder, more: str, told: str
) -> None:
    folder.write(more=more)
    folder.fails_everywhere(f"{folder.settings}:{told}")


def test_a_secret_that_is_not_there_is_told_with_its_line_when_it_is_needed(folder: Folder) -> None:
    upstream = "{name: a, provider: openai, url: 'https://a.example', credential: env:NOT_SET}"
    folder.write(more=f"upstreams:\n  - {upstream}\n")
    assert "the settings are fine" in folder.run("config", "check", status=0)
    said = folder.run("up", status=3)
    assert f"{folder.settings}:6:71: upstreams[0].credential: the environment variable NOT_SET" in said
    assert "export NOT_SET" in said
    folder.issue(1)


# What was stored


def damage(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0xFF
    path.write_bytes(data)


def test_up_goes_on_beside_a_damaged_segment(folder: Folder) -> None:
    folder.write("  workers: 1\n")
    folder.issue(2)
    damage(min((folder.data / "journal").glob("*.seg")), -40)
    command = [*CHATELAINE, "up", "--config", str(folder.settings)]
    with process(command, port=folder.gate, log=folder.path / "log"):
        folder.issue(1)
    assert folder.run("keys", "list", status=0).count("issued") == 3
    assert folder.run("events", "show", status=0).count("key.issued") == 2


def test_a_damaged_segment_is_named_and_every_good_record_is_read(folder: Folder) -> None:
    folder.write()
    folder.issue(3)
    segments = sorted((folder.data / "journal").glob("*.seg"))
    damage(segments[1], -40)
    shown = folder.run("events", "show", status=0)
    assert shown.count("key.issued") == 2
    assert f"{segments[1]}: damaged at byte" in shown
    fix = f"chatelaine doctor --mend-journal {segments[1]}"
    assert fix in shown
    assert fix in folder.run("doctor", status=1)
    folder.run(*fix.split()[1:], status=0)
    assert folder.run("events", "show", status=0).count("\n") == 2
    assert list((folder.data / "journal").glob("*.damaged-1")), "the damaged file is kept"


@pytest.mark.parametrize("how", ["rubbish", "page"])
def test_a_damaged_store_is_named_and_left_as_it_is(folder: Folder, how: str) -> None:
    folder.write()
    folder.issue(2)
    store = folder.data / "keys.sqlite"
    with closing(sqlite3.connect(store)) as opened:
        opened.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = bytearray(store.read_bytes())
    data[:] = b"rubbish!" * (len(data) // 8) if how == "rubbish" else data[:100] + b"\xff" * (len(data) - 100)
    store.write_bytes(data)
    for words, status in ((("keys", "list"), 3), (("doctor",), 1)):
        said = folder.run(*words, status=status)
        assert str(store) in said
        assert "restore" in said
    assert store.read_bytes() == data, "nothing was written over it"
    assert folder.run("events", "show", status=0).count("key.issued") == 2


def test_up_gives_up_on_a_damaged_store_in_words_for_people(folder: Folder) -> None:
    folder.write()
    folder.issue(1)
    store = folder.data / "keys.sqlite"
    store.write_bytes(b"rubbish!" * 1000)
    last = folder.run("up", status=3).rpartition("would not stay up")[2]
    assert f"the store of keys {store} is damaged" in last
    assert "restore the last copy" in last
    assert "{" not in last, "no log records in a message for people"
    assert store.read_bytes() == b"rubbish!" * 1000, "nothing was written over it"


# Clocks


def test_files_from_the_future_are_named(folder: Folder) -> None:
    folder.write()
    folder.issue(1)
    ahead = time.time() + 7200
    os.utime(folder.data / "keys.sqlite", (ahead, ahead))
    said = folder.run("doctor", status=1)
    assert f"{folder.data / 'keys.sqlite'} was written 7" in said
    assert "set it by NTP" in said


@pytest.fixture
def on_shifted_clock(tmp_path: Path) -> Iterator[House]:
    """A service whose wall clock is off by the seconds in the file ``shift``."""
    port, admin = free_port(), free_port()
    set_clock(tmp_path, timedelta(0))
    with plain_upstream() as model:
        upstreams = UPSTREAM.format(provider="openai", model=model.port)
        text = CONFIG.format(
            port=port, admin=admin, workers=1, tls="false", gate="", durability="flush",
            folder=tmp_path, extra="", upstreams=upstreams,
        )  # fmt: skip
        (tmp_path / "chatelaine.yaml").write_text(text, encoding="utf-8")
        command = [sys.executable, str(HERE / "shifted_clock.py"), "up", str(tmp_path / "chatelaine.yaml")]
        around = {"MODEL_KEY": "sk-1", "CLOCK_SHIFT_FILE": str(tmp_path / "shift")}
        with process(command, port=port, log=tmp_path / "house.log", env=around) as started:
            yield House(tmp_path, port, admin, model.port, False, started, around)


def set_clock(folder: Path, off_by: timedelta) -> None:
    fresh = folder / "shift.new"
    fresh.write_text(str(int(off_by.total_seconds())), encoding="ascii")
    fresh.rename(folder / "shift")


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_clock_that_is_set_back_gives_no_budget_back_and_stands_in_the_events(
    on_shifted_clock: House,
) -> None:
    gate = on_shifted_clock
    token = gate.issue("--spend-per-day", "0.0001")

    def ask() -> int:
        return asyncio.run(once(gate.port, request(token, chat()))).status

    def jumps() -> list[str]:
        return [event["detail"] for event in gate.events() if event.get("action") == "clock_jumped"]

    def jumped(by: str) -> bool:
        return by in jumps()

    until(lambda: ask() == 429)
    for off_by, told in ((timedelta(hours=-26), "-93600.0 s"), (timedelta(0), "+93600.0 s")):
        set_clock(gate.folder, off_by)
        until(partial(jumped, told))
        assert ask() == 429
    set_clock(gate.folder, timedelta(hours=26))
    until(lambda: ask() == 200)
