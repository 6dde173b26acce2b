"""make bench NAME=gate: requests a second and added latency, beside nginx and Envoy.

With LITELLM=1 beside LiteLLM as well, which is then installed into build/litellm and stays there.

1 KB in, 1 KB out, keep-alive. The server has one core, load and upstream the other; for added
latency all three share one. Median of three runs; ratios within this run.
"""

from rig import GATE_CORE, Ask, Load, Report, Rig, rig, say
from rivals import Running, bare, chatelaine, envoy, envoy_binary, litellm, litellm_binary, missing, nginx


def throughput(tools: Rig, server: Running) -> Load:
    """Return the middle of three runs at 64 connections."""
    return tools.middle(3, lambda: tools.load(server.port, pid=server.pid, ask=Ask(64, server.headers)))


def latency(tools: Rig, port: int, pid: int, headers: tuple[str, ...]) -> Load:
    """Return the middle of five runs at one connection, everything on one core."""
    return tools.middle(
        5,
        lambda: tools.load(port, pid=pid, ask=Ask(1, headers, seconds=2, core=GATE_CORE)),
    )


def rates(tools: Rig) -> dict[str, Load]:
    """Measure every server in turn, nginx first and last."""
    loads: dict[str, Load] = {}
    with tools.upstream() as upstream:
        with nginx(tools, upstream) as server:
            loads["nginx"] = throughput(tools, server)
        for name, binary, rival, hint in (
            ("Envoy", envoy_binary(), envoy, "make bench installs it"),
            ("LiteLLM", litellm_binary(), litellm, "make bench NAME=gate LITELLM=1 installs it"),
        ):
            if binary:
                with rival(tools, upstream) as server:
                    loads[name] = throughput(tools, server)
            else:
                missing(name, hint)
        with bare(tools, upstream) as server:
            loads["bare"] = throughput(tools, server)
        for durability in ("flush", "fsync"):
            with chatelaine(tools, upstream, durability=durability) as server:
                loads[durability] = throughput(tools, server)
        with nginx(tools, upstream) as server:
            loads["nginx again"] = throughput(tools, server)
    return loads


def main() -> None:
    """Measure and print."""
    report = Report("gate")
    with rig() as tools:
        loads = rates(tools)
        for name, load in loads.items():
            say(
                f"  {name:12s} {load.rps:9.0f} rps  {load.cpu_us:6.1f} CPU µs/request  p99 {load.p99:7.0f} µs"
            )
        base = (loads["nginx"].rps + loads["nginx again"].rps) / 2
        flush, fsync = loads["flush"].rps / base, loads["fsync"].rps / base
        report.add("requests/s per core, flush, against nginx", "≥ 0.45 × nginx", flush, met=flush >= 0.45)
        if "Envoy" in loads:
            beside = loads["flush"].rps / loads["Envoy"].rps
            report.add(
                "requests/s per core, flush, against Envoy", "≥ 1.2 × Envoy", beside, met=beside >= 1.2
            )
        report.add("requests/s per core, fsync, against nginx", "≥ 0.35 × nginx", fsync, met=fsync >= 0.35)
        report.orient(
            "requests/s per core of a bare proxy of the same parts, against nginx", loads["bare"].rps / base
        )
        if "LiteLLM" in loads:
            beside = loads["flush"].rps / loads["LiteLLM"].rps
            report.orient("requests/s per core, flush, against LiteLLM", beside)
        _added(report, tools)
    report.show()


def _added(report: Report, tools: Rig) -> None:
    with (
        tools.upstream(core=GATE_CORE) as upstream,
        chatelaine(tools, upstream, durability="flush") as server,
    ):
        direct = latency(tools, upstream, server.pid, ())
        through = latency(tools, server.port, server.pid, server.headers)
    p50, p99 = through.p50 - direct.p50, through.p99 - direct.p99
    say(f"  direct  p50 {direct.p50:.1f} p99 {direct.p99:.1f} µs")
    say(f"  through p50 {through.p50:.1f} p99 {through.p99:.1f} µs")
    report.add("added p50 over direct, c = 1, one core, flush (µs)", "≤ 45 µs", p50, met=p50 <= 45)
    report.add("added p99 over direct, c = 1, one core, flush (µs)", "≤ 250 µs", p99, met=p99 <= 250)


if __name__ == "__main__":
    main()
