"""Commands on a storage directory where nothing runs: each does its work, and says what is wrong."""

import io
import json
import os
import socket
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from chatelaine.app.main import COMMANDS
from chatelaine.app.wire import Places
from chatelaine.app.work.looks_outside import look_at_upstreams
from chatelaine.model.settings import Secret, Settings, UpstreamSettings
from chatelaine.model.words import ProviderId, UpstreamName
from chatelaine.surfaces.cli.doctor import Level
from chatelaine.surfaces.cli.main import run


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("CHATELAINE"):
            monkeypatch.delenv(name)
    return tmp_path


class Shell:
    """Runs commands in this process and reads what they print."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def do(self, *arguments: str, status: int = 0) -> str:
        self._capsys.readouterr()
        found = run(COMMANDS, arguments, version="0")
        printed = self._capsys.readouterr()
        assert found == status, printed.err
        return printed.err if status >= 2 else printed.out

    def read(self, *arguments: str, status: int = 0) -> Any:
        return json.loads(self.do(*arguments, "--json", status=status))

    def issue(self, *arguments: str) -> Any:
        return self.read("keys", "issue", "--owner", "acme", "--app", "bot", "--contact", "c", *arguments)


@pytest.fixture
def shell(here: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    del here
    return Shell(capsys)


def test_a_key_lives_its_life_without_a_hub(shell: Shell) -> None:
    kid = shell.issue("--spend-per-day", "2.50", "--model", "m*", "--hours", "mon-fri 08:00-18:00")["id"]
    told = shell.read("keys", "show", kid)["keys"][0]
    assert told["state"] == "issued"
    assert told["grant"]["spend_per_day_usd"] == 2.5
    assert told["grant"]["hours"] == ["mon,tue,wed,thu,fri 08:00-18:00"]
    for verb, state in (("suspend", "suspended"), ("resume", "active"), ("revoke", "revoked")):
        assert shell.read("keys", verb, kid, "--reason", "why")["keys"][0]["state"] == state
    said = shell.do("keys", "resume", kid, status=3)
    assert "final" in said
    kinds = [json.loads(line)["kind"] for line in shell.do("events", "show", "--json").splitlines()]
    assert kinds == ["key.issued", "key.changed", "key.changed", "key.changed"]


def test_rotation_issues_a_successor_that_shares_the_limits(shell: Shell) -> None:
    first = shell.issue("--requests-per-minute", "5")
    second = shell.read("keys", "rotate", first["id"], "--overlap", "1h")
    assert second["token"] != first["token"]
    assert second["grant"] == first["grant"]
    old = shell.read("keys", "show", first["id"])["keys"][0]
    assert (old["state"], old["successor"]) == ("rotated", second["id"])
    assert old["retires_at"] > old["changed_at"]


def test_a_token_is_shown_once_and_stands_in_no_file(shell: Shell, here: Path) -> None:
    said = shell.do("keys", "issue", "--owner", "a", "--app", "b", "--contact", "c")
    token = next(line for line in said.splitlines() if "OPENAI_API_KEY" in line).partition("=")[2]
    assert said.count(token) == 1
    secret = token.split("_")[3].encode()
    files = [path for path in here.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if secret in path.read_bytes()]
    assert token not in shell.do("keys", "list") + shell.do("events", "show", "--json")


def test_what_is_shown_of_keys_never_has_a_digest(shell: Shell) -> None:
    shell.issue()
    assert set(shell.read("keys", "list")["keys"][0]) == {
        "id", "env", "owner", "app", "contact", "state", "issued_at", "expires_at", "retires_at",
        "changed_at", "reason", "successor", "pepper", "canary", "unknown_client", "grant",
    }  # fmt: skip


def test_names_that_would_steer_a_terminal_are_shown_harmless(shell: Shell) -> None:
    shell.do("keys", "issue", "--owner", "\x1b[2Jacme", "--app", "b", "--contact", "c\nroot")
    shown = shell.do("keys", "list")
    assert "\x1b" not in shown
    assert "acme" in shown


def test_the_lifetime_comes_from_the_settings_or_from_the_option(shell: Shell) -> None:
    assert shell.issue("--lifetime", "none")["expires_at"] is None
    usual = shell.issue("--set", "keys.lifetime=1d")
    assert usual["expires_at"][:10] > usual["issued_at"][:10]


def test_a_provider_key_is_read_from_a_file_and_never_shown(shell: Shell, here: Path) -> None:
    (here / "value").write_text("  sk-planted-4711 \n", encoding="utf-8")
    stored = shell.read("keys", "provider", "put", "openai", "--file", "value")
    assert stored["provider_keys"][0]["version"] == 1
    assert (
        shell.read("keys", "provider", "put", "openai", "--file", "value")["provider_keys"][0]["version"] == 2
    )
    assert "planted" not in shell.do("keys", "provider", "list") + shell.do("events", "show")
    data = [path.read_bytes() for path in (here / "chatelaine-data").rglob("*") if path.is_file()]
    assert not [held for held in data if b"planted" in held]
    assert shell.read("keys", "provider", "remove", "openai")["provider_keys"] == []


@pytest.mark.parametrize("value", [b"", b"  \n", b"two\nlines", b"x" * 70_000])
def test_a_value_that_is_no_key_is_refused(value: bytes, shell: Shell, here: Path) -> None:
    (here / "value").write_bytes(value)
    assert "one line" in shell.do("keys", "provider", "put", "openai", "--file", "value", status=2)


def test_events_are_chosen_by_key_kind_time_and_number(shell: Shell) -> None:
    one, two = shell.issue()["id"], shell.issue()["id"]
    shell.do("keys", "suspend", two)
    assert one in shell.do("events", "show", "--key", one)
    assert two not in shell.do("events", "show", "--key", one)
    assert len(shell.do("events", "show", "--kind", "key.issued").splitlines()) == 2
    assert len(shell.do("events", "show", "--kind", "key", "--limit", "2").splitlines()) == 2
    assert shell.do("events", "show", "--since", "2100-01-01") == ""
    assert len(shell.do("events", "show", "--since", "1h").splitlines()) == 3


def test_settings_with_faults_are_told_all_at_once(shell: Shell, here: Path) -> None:
    (here / "chatelaine.yaml").write_text("gate:\n  port: no\n  prot: 1\n", encoding="utf-8")
    said = shell.do("config", "check", status=3)
    assert ":2:9" in said
    assert ":3:3" in said
    assert "did you mean port?" in said


def test_settings_in_force_are_shown_and_secrets_only_by_their_source(shell: Shell, here: Path) -> None:
    (here / "chatelaine.yaml").write_text(
        "keys: {kek: 'command:vault read --token s.canary kek'}\n"
        "upstreams: [{name: a, provider: openai, url: 'https://a.example', credential: 'env:A_KEY'}]\n",
        encoding="utf-8",
    )
    told = shell.read("config", "show")
    assert told["keys"]["kek"] == "command:vault …"
    assert told["upstreams"][0]["credential"] == "env:A_KEY"
    assert told["gate"]["timeouts"]["drain"] == "60s"
    assert "planted" not in shell.do("config", "show")


def test_the_schema_names_every_setting(shell: Shell) -> None:
    schema = json.loads(shell.do("config", "schema"))
    assert set(schema["properties"]) == set(Settings.__slots__)  # type: ignore[attr-defined] - slots of a dataclass
    upstream = schema["properties"]["upstreams"]["items"]
    assert {"name", "provider", "url"} == set(upstream["required"])
    assert upstream["additionalProperties"] is False


def test_the_first_settings_file_is_fine_and_never_written_over_another(shell: Shell, here: Path) -> None:
    shell.do("config", "init")
    shell.do("config", "check")
    before = (here / "chatelaine.yaml").read_text(encoding="utf-8")
    assert "exists already" in shell.do("config", "init", status=2)
    assert (here / "chatelaine.yaml").read_text(encoding="utf-8") == before
    assert shell.read("config", "show")["upstreams"][0]["credential"] == "env:OPENAI_API_KEY"


def checks(shell: Shell, *arguments: str, status: int = 0) -> dict[str, Any]:
    return {one["check"]: one for one in examine(shell, *arguments, status=status)}


def examine(shell: Shell, *arguments: str, status: int) -> list[dict[str, Any]]:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        gate, admin = one.getsockname()[1], two.getsockname()[1]
    ports = ("--set", f"gate.port={gate}", "--set", f"admin.port={admin}")
    found: list[dict[str, Any]] = shell.read("doctor", *ports, *arguments, status=status)["checks"]
    return found


@pytest.mark.wire
def test_the_doctor_finds_nothing_wrong_with_what_is_fine(shell: Shell) -> None:
    shell.issue()
    found = checks(shell)
    assert {name for name, one in found.items() if one["level"] != "ok"} == {"upstreams", "service"}


@pytest.mark.wire
def test_the_doctor_looks_where_nothing_is_yet(shell: Shell, here: Path) -> None:
    assert checks(shell)["storage"]["level"] == "warn"
    assert not (here / "chatelaine-data").exists(), "looking makes nothing"


@pytest.mark.wire
def test_the_doctor_names_the_fix_of_each_fault(shell: Shell, here: Path) -> None:
    shell.issue()
    storage = here / "chatelaine-data"
    storage.chmod(0o755)
    (storage / "pepper.secret").unlink()
    with closing(sqlite3.connect(storage / "keys.sqlite")) as store:
        store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    damaged = bytearray((storage / "keys.sqlite").read_bytes())
    damaged[100:3000] = b"\xff" * 2900
    (storage / "keys.sqlite").write_bytes(damaged)
    found = checks(shell, status=1)
    assert found["storage"]["fix"] == f"chmod 700 {storage}"
    assert "restore" in found["secrets"]["fix"]
    assert found["store"]["level"] == "fail"
    assert "keys.sqlite" in found["store"]["fix"]


@pytest.mark.wire
def test_the_doctor_mends_a_damaged_segment_and_keeps_the_rest(shell: Shell, here: Path) -> None:
    for _ in range(3):
        shell.issue()
    segment = next(
        path for path in sorted((here / "chatelaine-data" / "journal").iterdir()) if path.suffix == ".seg"
    )
    data = bytearray(segment.read_bytes())
    data[-40] ^= 0xFF
    segment.write_bytes(data)
    fault = checks(shell, status=1)["journal"]
    assert segment.name in fault["message"]
    assert "--mend-journal" in fault["fix"]
    assert checks(shell, "--mend-journal", str(segment))["journal"]["level"] == "ok"
    assert len(shell.do("events", "show").splitlines()) == 2


def test_the_doctor_says_where_an_upstream_may_not_be_reached_and_what_it_lacks(tmp_path: Path) -> None:
    upstream = UpstreamSettings(
        name=UpstreamName("a"),
        provider=ProviderId("openai"),
        url="https://localhost",
        credential=Secret("env:NOT_SET_HERE"),
    )
    first, second = look_at_upstreams(Settings(upstreams=(upstream,)), Places(tmp_path))
    assert (first.level, second.level) == (Level.FAIL, Level.FAIL)
    assert "allow_addresses" in first.fix
    assert "NOT_SET_HERE" in second.message


@pytest.mark.wire
def test_the_doctor_says_which_key_the_vault_lacks_and_leaves_the_store_alone(
    shell: Shell, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream = "[{name: a, provider: openai, url: 'https://localhost', credential: vault:b}]"
    places = Places(here / "chatelaine-data")
    told = f"upstreams: {upstream}\n".replace("}]", ", allow_addresses: [127.0.0.0/8, '::1/128']}]")
    (here / "chatelaine.yaml").write_text(told, encoding="utf-8")

    def lacking() -> list[str]:
        found = examine(shell, status=0)
        return [one["fix"] for one in found if one["check"] == "upstream a" and one["level"] == "warn"]

    assert lacking() == ["chatelaine keys provider put b"]
    assert not places.root.exists()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"sk-1\n")))
    shell.do("keys", "provider", "put", "b")
    before = places.store.stat().st_mtime_ns
    assert lacking() == []
    assert places.store.stat().st_mtime_ns == before


@pytest.mark.wire
def test_the_doctor_tells_faults_of_the_settings_and_stops_there(shell: Shell, here: Path) -> None:
    (here / "chatelaine.yaml").write_text("gate: {prot: 1}\n", encoding="utf-8")
    told = shell.read("doctor", status=1)["checks"]
    assert [one["check"] for one in told] == ["settings"]


def test_a_damaged_store_is_named_with_its_fix(shell: Shell, here: Path) -> None:
    shell.issue()
    (here / "chatelaine-data" / "keys.sqlite").write_bytes(b"rubbish" * 1000)
    said = shell.do("keys", "list", status=3)
    assert "keys.sqlite" in said


def test_storage_is_made_for_its_owner_alone(shell: Shell, here: Path) -> None:
    shell.issue()
    for path in [here / "chatelaine-data", *(here / "chatelaine-data").rglob("*")]:
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path
