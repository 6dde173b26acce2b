"""make bench NAME=stream: CPU of a streamed event, beside nginx: 64 streams, 50 events 5 ms apart."""

from rig import Ask, Load, Report, Rig, rig, say
from rivals import Running, chatelaine, envoy, envoy_binary, missing, nginx

EVENTS = 51
"""50 events and the closing one."""
GAP_US = 5000


def streams(tools: Rig, server: Running) -> Load:
    """Return the middle of three runs of 64 streams."""
    return tools.middle(
        3,
        lambda: tools.load(
            server.port,
            pid=server.pid,
            ask=Ask(64, server.headers, seconds=5, body="body_stream.json"),
        ),
    )


def main() -> None:
    """Measure and print."""
    report = Report("stream")
    costs: dict[str, float] = {}
    with rig() as tools, tools.upstream(gap_us=GAP_US) as upstream:
        with nginx(tools, upstream) as server:
            costs["nginx"] = streams(tools, server).cpu_us / EVENTS
        if envoy_binary():
            with envoy(tools, upstream) as server:
                costs["envoy"] = streams(tools, server).cpu_us / EVENTS
        else:
            missing("Envoy", "make bench installs it")
        with chatelaine(tools, upstream, durability="flush") as server:
            costs["chatelaine"] = streams(tools, server).cpu_us / EVENTS
        with nginx(tools, upstream) as server:
            costs["nginx again"] = streams(tools, server).cpu_us / EVENTS
    for name, cost in costs.items():
        say(f"  {name:12s} {cost:6.2f} CPU µs/event")
    ratio = costs["chatelaine"] / ((costs["nginx"] + costs["nginx again"]) / 2)
    report.add("CPU per streamed event, against nginx", "≤ 1.5 × nginx", ratio, met=ratio <= 1.5)
    report.show()


if __name__ == "__main__":
    main()
