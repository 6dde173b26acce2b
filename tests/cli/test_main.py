"""The command line's frame: help is fast, faults are told without tracebacks, statuses are kept."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from chatelaine.app.main import COMMANDS
from chatelaine.surfaces.cli.main import command_parser, load_surface, load_work
from chatelaine.surfaces.cli.reference import reference

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "cli.md"
HEAVY = (
    "uvloop",
    "cryptography",
    "starlette",
    "uvicorn",
    "msgspec",
    "yaml",
    "asyncio",
    "httptools",
    "sqlite3",
)


def run(*arguments: str, folder: Path, given: str = "") -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CHATELAINE")}
    return subprocess.run(
        [sys.executable, "-m", "chatelaine.app", *arguments],
        cwd=folder,
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**environment, "PYTHONPATH": str(ROOT / "src")},
    )


def test_help_names_every_command_and_is_fast(tmp_path: Path) -> None:
    best = 10.0
    for _ in range(5):
        started = time.monotonic()
        done = run("--help", folder=tmp_path)
        best = min(best, time.monotonic() - started)
        assert done.returncode == 0
    assert all(f"\n  {name} " in done.stdout for name in COMMANDS)
    assert best < 0.45, "the bar is 150 ms on a quiet machine; three times that on a busy one"


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys; sys.argv=['chatelaine', '--help']\n"
        "from chatelaine.app.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )
    assert done.stderr == "[]\n"


def test_every_command_has_a_surface_and_work_behind_it() -> None:
    for name, card in COMMANDS.items():
        surface = load_surface(card)
        assert command_parser(name, card, surface).prog == f"chatelaine {name}"
        if card.work:
            assert callable(load_work(card).begin)


def test_the_page_of_the_docs_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(COMMANDS), "run python tools/reference.py"


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ((), 2, ""),
        (("keyz",), 2, "did you mean keys?"),
        (("keys",), 2, "keys"),
        (("keys", "isue"), 2, "isue"),
        (("keys", "issue"), 2, "--owner"),
        (("keys", "show"), 2, "KEY"),
        (("keys", "list", "--jso"), 2, "--jso"),
        (("keys", "list", "--set", "gate.port"), 2, "NAME=VALUE"),
        (("keys", "list", "--config", "/nowhere.yaml"), 3, "/nowhere.yaml"),
        (("config", "check", "--set", "gate.prot=1"), 3, "gate.prot"),
        (("keys", "show", "nobodyhas"), 3, "chatelaine keys list"),
        (("keys", "issue", "--owner", "a", "--app", "b", "--contact", "c", "--network", "1.2.3"), 2, "1.2.3"),
        (("new", "detection", "../x"), 2, "not an id"),
        (("new", "nonsense", "x"), 2, "not a shelf"),
    ],
)
def test_faults_end_with_their_status_and_without_a_traceback(
    arguments: tuple[str, ...], status: int, said: str, tmp_path: Path
) -> None:
    done = run(*arguments, folder=tmp_path)
    assert done.returncode == status, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 4


def test_a_reader_that_leaves_early_is_no_fault(tmp_path: Path) -> None:
    line = f"{sys.executable} -m chatelaine.app config schema | head -n 1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "{\n", "")


def test_the_version_is_told_in_both_ways(tmp_path: Path) -> None:
    plain, told = run("--version", folder=tmp_path), run("version", "--json", folder=tmp_path)
    assert plain.stdout == f"chatelaine {json.loads(told.stdout)['chatelaine']}\n"
