"""make bench NAME=tls: the load of gate over TLS 1.3, and full handshakes a second, beside nginx.

Same certificate (P-256), cipher suite, upstream and cores for both; ``tls_load.c`` makes the load. A
client pays more for a handshake than a server does, and upstream and load share a core, so nginx may
wait for them. What a core can do is therefore worked out from the CPU time of one, for both alike.
"""

from dataclasses import dataclass
from pathlib import Path

from chatelaine.adapters.tls import own_certificate
from rig import HERE, LOAD_CORE, TOOLS, Load, Report, Rig, compiled, measured, rig, say
from rivals import Running, chatelaine, nginx

CONNECTIONS, RUNS, SECONDS = 64, 3, 3


@dataclass
class Measured:
    """What one server did over TLS."""

    requests: Load
    handshakes: Load


def measure(tools: Rig, generator: Path, server: Running) -> Measured:
    """Return the middle run of requests and of handshakes."""
    command = ["taskset", "-c", LOAD_CORE, str(generator), "-p", str(server.port)]
    command += ["-c", str(CONNECTIONS), "-d", str(SECONDS)]
    asking = [*command, "-b", str(TOOLS / "body.json")]
    for header in server.headers:
        asking += ["-H", header]
    return Measured(
        tools.middle(RUNS, lambda: measured(asking, pid=server.pid)),
        tools.middle(RUNS, lambda: measured([*command, "-k"], pid=server.pid)),
    )


def servers(tools: Rig, generator: Path) -> dict[str, Measured]:
    """Measure each server in turn, nginx first and last."""
    pair = own_certificate(tools.folder / "certificate", ("localhost",))
    found: dict[str, Measured] = {}
    with tools.upstream() as upstream:
        with nginx(tools, upstream, tls=pair) as server:
            found["nginx"] = measure(tools, generator, server)
        with chatelaine(tools, upstream, durability="flush", tls=pair) as server:
            found["chatelaine"] = measure(tools, generator, server)
        with nginx(tools, upstream, tls=pair) as server:
            found["nginx again"] = measure(tools, generator, server)
    return found


def tell(name: str, what: str, load: Load) -> None:
    """Show what was measured, and how busy both ends were."""
    server = load.rps * load.cpu_us / 1e6
    say(
        f"  {name:12s} {load.rps:8.0f} {what:12s} {load.cpu_us:7.1f} CPU µs each  p99 {load.p99:7.0f} µs  "
        f"of its core: server {server:.0%}, load {load.busy:.0%}  {load.tls}"
    )


def main() -> None:
    """Measure and print."""
    report = Report("tls")
    with rig() as tools:
        found = servers(tools, compiled(HERE / "tls_load.c", tools.folder, "ssl", "crypto"))
    for name, one in found.items():
        tell(name, "requests/s", one.requests)
        tell(name, "handshakes/s", one.handshakes)
    suites = {load.tls for one in found.values() for load in (one.requests, one.handshakes)}
    errors = sum(one.requests.errors + one.handshakes.errors for one in found.values())
    if len(suites) > 1 or errors:
        raise SystemExit(f"bench: not comparable: {errors} failed, settled on {sorted(suites)}")
    for what, costs in (
        ("requests", [one.requests.cpu_us for one in found.values()]),
        ("full handshakes", [one.handshakes.cpu_us for one in found.values()]),
    ):
        first, own, last = costs
        report.orient(f"{what}/s of a core over TLS, flush", 1e6 / own)
        report.orient(f"{what}/s of a core over TLS, flush, against nginx", (first + last) / 2 / own)
        report.orient(f"CPU of {what} over TLS, flush (µs each)", own)
    report.show()


if __name__ == "__main__":
    main()
