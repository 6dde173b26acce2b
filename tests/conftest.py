"""Rules for all tests: closed sockets, no child left behind, minutes for soak and fuzz."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# Two busy cores make a deadline measure the neighbours, not the code.
settings.register_profile("house", deadline=None)
settings.load_profile("house")

# A shell that runs the tests in its background has them ignore SIGINT, and so would what they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parent.parent
OPEN_FOLDERS = {"wire", "browser", "faults"}
OPEN_MARKS = ("wire", "soak", "fuzz")
KEPT_BY_PYTHON = (b"multiprocessing.resource_tracker", b"multiprocessing.forkserver")
_closed = False


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse internet sockets while a test runs that is not marked for them; Unix sockets are files."""
    if _closed and event in {"socket.connect", "socket.bind"} and isinstance(arguments[1], tuple):
        raise RuntimeError(
            f"{event} {arguments[1][:2]}: mark the test with @pytest.mark.wire, or pass a memory adapter"
        )


sys.addaudithook(_watch)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that soak and fuzz tests read."""
    parser.addoption("--minutes", type=float, default=None, help="how long soak and fuzz tests run")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Close internet sockets unless the test's folder or mark opens them."""
    global _closed  # noqa: PLW0603 - an audit hook cannot be taken off again, so a flag turns it
    folders = set(item.path.relative_to(ROOT).parts)
    _closed = not (folders & OPEN_FOLDERS or any(item.get_closest_marker(mark) for mark in OPEN_MARKS))


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown() -> None:
    """Open them for what is torn down after the test."""
    global _closed  # noqa: PLW0603 - as above
    _closed = False


@pytest.fixture(scope="session")
def minutes(request: pytest.FixtureRequest) -> float | None:
    """Return how long a soak or fuzz test is to run, or None for its own choice."""
    given = request.config.getoption("--minutes")
    return None if given is None else float(given)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of shared material beside the checkout; skip where there is none."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("no shared/ beside the checkout")
    return folder


@pytest.fixture(scope="session", autouse=True)
def _no_child_is_left_behind() -> Iterator[None]:
    """Fail where a test leaves a process running that it started."""
    before = _children()
    yield
    left = {pid: line for pid, line in _children().items() if pid not in before}
    assert not left, f"stop what a test starts; still running: {left}"


def _children() -> dict[int, str]:
    """Return the command lines of this process's living children, but for Python's own."""
    found = {}
    for task in Path("/proc/self/task").glob("*/children"):
        for pid in map(int, task.read_text().split()):
            try:
                line = Path(f"/proc/{pid}/cmdline").read_bytes()
            except OSError:
                continue
            if line and not any(kept in line for kept in KEPT_BY_PYTHON) and pid != os.getpid():
                found[pid] = line.replace(b"\0", b" ").decode(errors="replace").strip()
    return found
