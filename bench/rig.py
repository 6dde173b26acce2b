"""The bench's rig: servers started and stopped, load made, CPU counted; all on the loopback interface.

Figures are ratios within one run on one machine: machines differ, and this one may be shared.
"""

import contextlib
import importlib.util
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOOLS = HERE.parent.parent / "shared" / "tools" / "load"
TICKS = os.sysconf("SC_CLK_TCK")
GATE_CORE, LOAD_CORE = "0", "1"
NO_BAR = "-"


@dataclass
class Row:
    """One line of a benchmark: what was measured against which bar."""

    what: str
    bar: str
    measured: float
    met: bool


def measured_tree() -> str:
    """Return which tree is measured: ``compiled`` (native code) or ``sources``."""
    hot = importlib.util.find_spec("chatelaine.services.exchange.driver")
    if hot is None or hot.origin is None:
        raise SystemExit("bench: chatelaine is not installed; run make bench")
    return "sources" if hot.origin.endswith(".py") else "compiled"


@dataclass
class Report:
    """What a benchmark prints: a table for people and one JSON line for programs."""

    bench: str
    rows: list[Row] = field(default_factory=list)

    def add(self, what: str, bar: str, measured: float, *, met: bool) -> None:
        """Add a row."""
        self.rows.append(Row(what, bar, round(measured, 4), met))

    def orient(self, what: str, measured: float) -> None:
        """Add a row that has no bar."""
        self.add(what, NO_BAR, measured, met=True)

    def show(self) -> None:
        """Print the rows, and as the last line the JSON object."""
        tree = measured_tree()
        print(f"\ntree: {tree}")
        for row in self.rows:
            verdict = "" if row.bar == NO_BAR else "met" if row.met else "NOT MET"
            print(f"{verdict:7s}  {row.what:58s} {row.bar:22s} {row.measured:g}")
        print(json.dumps({"bench": self.bench, "tree": tree, "rows": [asdict(row) for row in self.rows]}))


def say(text: str) -> None:
    """Tell whoever waits what is going on."""
    print(text, file=sys.stderr, flush=True)


def free_port() -> int:
    """Return a port of the loopback interface that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int, *, seconds: float = 60.0) -> None:
    """Wait until a port answers.

    Raises:
        TimeoutError: it does not.
    """
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise TimeoutError(f"nothing answers on port {port} after {seconds:g} s")


def compiled(source: Path, folder: Path, *libraries: str) -> Path:
    """Compile one of the load tools."""
    if not source.exists():
        raise SystemExit(f"bench: {source} is missing; the load tools are not part of a user's clone")
    out = folder / source.stem
    linked = [f"-l{library}" for library in libraries]
    subprocess.run(["cc", "-O2", "-w", "-o", str(out), str(source), *linked], check=True)
    return out


@contextlib.contextmanager
def running(
    command: Sequence[str], *, core: str, port: int, log: Path, env: Mapping[str, str] | None = None
) -> Iterator[int]:
    """Run a server pinned to a core until the block ends; yields its process id."""
    with log.open("ab") as sink:
        process = subprocess.Popen(
            ["taskset", "-c", core, *command],
            stdout=sink,
            stderr=sink,
            env=dict(os.environ) | dict(env or {}),
            start_new_session=True,
        )
    try:
        wait_for(port)
        yield process.pid
    except TimeoutError:
        say(log.read_text(errors="replace")[-3000:])
        raise
    finally:
        _stop(process)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=15)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def family(pid: int) -> list[int]:
    """Return a process and all that descend from it."""
    found, todo = [], [pid]
    while todo:
        one = todo.pop()
        found.append(one)
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{one}/task").iterdir():
                todo += [int(child) for child in (task / "children").read_text().split()]
    return found


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process and its descendants so far."""
    total = 0
    for one in family(pid):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
    return total / TICKS


def resident_mb(pid: int) -> float:
    """Return the resident memory of one process in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1000
    return 0.0


@dataclass
class Load:
    """One run of the load generator, and what it cost the server."""

    rps: float
    p50: float
    p99: float
    cpu_us: float
    """CPU microseconds a request, of the server's whole process family."""
    errors: int
    busy: float = 0.0
    """The share of a core that the load generator used, where it tells: near 1, it was the limit."""
    tls: str = ""
    """Version and cipher suite, where there is TLS."""


@dataclass(frozen=True)
class Ask:
    """What the load generator sends: how many connections, for how long, from which core."""

    connections: int
    headers: Sequence[str] = ()
    seconds: float = 3
    body: str = "body.json"
    core: str = LOAD_CORE


def measured(command: Sequence[str], *, pid: int) -> Load:
    """Run a load generator to its end, counting the CPU time of the server it loads."""
    before = cpu_seconds(pid)
    started = time.monotonic()
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    spent, took = cpu_seconds(pid) - before, time.monotonic() - started
    told = json.loads(out.splitlines()[-1])
    if told["bad_status"]:
        say(f"  {told['bad_status']} answers were not 200: {told['bad'][:200]}")
    if not told["n"]:
        raise SystemExit(f"bench: no request was answered with 200: {told}")
    requests = told["rps"] * took
    errors = told["bad_status"] + told["bad_conn"]
    return Load(
        *(told["rps"], told["p50"], told["p99"], spent / requests * 1e6, errors),
        busy=told.get("busy", 0.0),
        tls=told.get("tls", ""),
    )


@dataclass
class Rig:
    """A folder with the compiled tools, and what all servers of a run are given."""

    folder: Path
    lg: Path
    fakeup: Path

    def load(self, port: int, *, pid: int, ask: Ask) -> Load:
        """Run the closed-loop load generator for so many seconds after one second of warming up."""
        command = ["taskset", "-c", ask.core, str(self.lg), "-p", str(port), "-c", str(ask.connections)]
        command += ["-d", str(ask.seconds), "-w", "1", "-b", str(TOOLS / ask.body)]
        for header in ask.headers:
            command += ["-H", header]
        return measured(command, pid=pid)

    def middle(self, runs: int, once: Callable[[], Load]) -> Load:
        """Return the run of several whose rate is the median."""
        loads = sorted((once() for _ in range(runs)), key=lambda load: load.rps)
        return loads[len(loads) // 2]

    @contextlib.contextmanager
    def upstream(self, *, core: str = LOAD_CORE, events: int = 50, gap_us: int = 0) -> Iterator[int]:
        """Run the fake upstream; yields its port."""
        port = free_port()
        command = [str(self.fakeup), str(port), str(events), str(gap_us)]
        with running(command, core=core, port=port, log=self.folder / "fakeup.log"):
            yield port


@contextlib.contextmanager
def rig() -> Iterator[Rig]:
    """Set up a rig in a folder of its own, removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="chatelaine-bench-"))
    try:
        yield Rig(folder, compiled(TOOLS / "lg.c", folder), compiled(TOOLS / "fakeup.c", folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def median(values: Sequence[float]) -> float:
    """Return the median."""
    return statistics.median(values)
