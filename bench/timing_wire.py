"""Timing over a socket: does a refusal's round trip tell an unknown kid from a wrong secret?

One keep-alive connection, both classes interleaved in random order; Welch's t as in ``timing.py``.
Run: ``python bench/timing_wire.py [samples]``.
"""

import asyncio
import gc
import random
import socket
import sys
import time
from pathlib import Path

from chatelaine.app.errand import ask
from chatelaine.core.key.token import mint, new_kid
from chatelaine.model.key import Grant, KeyRequest
from chatelaine.model.link import IssueKey, KeyIssuedTold
from chatelaine.model.words import AppName, KeyId, OwnerId
from rig import Report, rig
from rivals import chatelaine
from timing import BAR, compare, interleave

KEYS = 500
REQUEST = b"GET /v1/models HTTP/1.1\r\nhost: gate\r\nauthorization: Bearer %b\r\ncontent-length: 0\r\n\r\n"


async def issued(hub: Path) -> list[KeyId]:
    """Issue keys and return their ids."""
    wanted = KeyRequest(
        owner=OwnerId("bench"),
        app=AppName("bench"),
        contact="bench",
        env="live",
        lifetime=None,
        grant=Grant(),
    )
    told = [await ask(hub, IssueKey(wanted, "bench")) for _ in range(KEYS)]
    return [one.key.id for one in told if isinstance(one, KeyIssuedTold)]


def round_trip(connection: socket.socket, token: bytes) -> int:
    """Present a token and return how many nanoseconds its refusal took."""
    data = REQUEST % token
    begun = time.perf_counter_ns()
    connection.sendall(data)
    reply = connection.recv(4096)
    took = time.perf_counter_ns() - begun
    if not reply.startswith(b"HTTP/1.1 401") or not reply.endswith(b"}"):
        raise SystemExit(f"bench: not the refusal that was expected: {reply[:200]!r}")
    return took


def main() -> None:
    """Measure, beside a control of two sets of unknown kids."""
    samples = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    report, chance = Report("timing-wire"), random.Random(1)
    with rig() as at, at.upstream() as upstream, chatelaine(at, upstream, durability="flush") as gate:
        known = asyncio.run(issued(at.folder / f"data-{gate.port}" / "hub.sock"))
        unknown = [[new_kid(chance.randbytes(16)) for _ in known] for _ in range(2)]
        for what, named in (
            ("two sets of unknown kids", unknown),
            ("unknown kid, wrong secret", [unknown[0], known]),
        ):
            classes = [
                [
                    mint("live", kids[turn % KEYS], chance.randbytes(32)).encode()
                    for turn in range(samples // 2)
                ]
                for kids in named
            ]
            with socket.create_connection(("127.0.0.1", gate.port)) as connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                gc.disable()
                found = compare(
                    *interleave(lambda token, to=connection: round_trip(to, token), *classes, seed=1)
                )
                gc.enable()
            t = abs(found.t)
            report.add(f"{what}: |t| over a socket", f"|t| < {BAR}", t, met=t < BAR)
    report.show()


if __name__ == "__main__":
    main()
