"""The listening sockets: bound by the supervisor, inherited by the processes that serve them.

A socket outlives the worker that serves it, so connections that queue while a worker restarts are
kept for its successor.
"""

import errno
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from chatelaine.model.error import ProcessFailed

BACKLOG = 4096
PATIENCE = 2.0
"""Seconds to wait for a port that an earlier start of ours may just be leaving."""


class PortRefused(ProcessFailed):
    """A port cannot be listened on; ``setting`` names it."""

    reason: ClassVar[str] = "port_refused"

    def __init__(self, message: str, *, hint: str, setting: str) -> None:
        super().__init__(message, hint=hint)
        self.setting = setting


def bind_gate(host: str, port: int, workers: int, *, patience: float = PATIENCE) -> list[socket.socket]:
    """Return one socket a worker on one port; the kernel shares connections out among them.

    Raises:
        PortRefused: the port is in use or may not be bound.
    """
    with _claimed(host, port, "gate", patience) as probe:
        taken = probe.getsockname()[1]
    return [_bound(host, taken, "gate", shared=True) for _ in range(workers)]


def bind_admin(host: str, port: int, *, patience: float = PATIENCE) -> socket.socket:
    """Return the admin port's socket.

    Raises:
        PortRefused: the port is in use or may not be bound.
    """
    return _claimed(host, port, "admin", patience)


def _claimed(host: str, port: int, section: str, patience: float) -> socket.socket:
    """Bind without sharing: only so is a port that somebody else listens on found out."""
    deadline = time.monotonic() + patience
    while True:
        try:
            return _bound(host, port, section, shared=False)
        except PortRefused as fault:
            in_use = isinstance(fault.__cause__, OSError) and fault.__cause__.errno == errno.EADDRINUSE
            if not in_use or time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _bound(host: str, port: int, section: str, *, shared: bool) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise PortRefused(
            f"{section}.host {host!r} is no address of this machine: {error.strerror}",
            hint=f"set {section}.host to an address such as 127.0.0.1",
            setting=f"{section}.host",
        ) from error
    made = socket.socket(family, kind, protocol)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        made.bind(address)
        if shared or section == "admin":
            made.listen(BACKLOG)
    except OSError as error:
        made.close()
        raise _refused(host, port, section, error) from error
    return made


def _refused(host: str, port: int, section: str, error: OSError) -> PortRefused:
    setting = f"{section}.port"
    change = f"set {section}.port to another port (--set {section}.port=…)"
    if error.errno == errno.EADDRINUSE:
        owner = " and ".join(sorted(set(_listeners(port)))) or "another process"
        return PortRefused(
            f"port {port} on {host} is in use by {owner}",
            hint=f"stop that process, or {change}",
            setting=setting,
        )
    if error.errno == errno.EACCES:
        return PortRefused(
            f"port {port} on {host} may not be bound by this user",
            hint=f"{change}; ports below 1024 need CAP_NET_BIND_SERVICE",
            setting=setting,
        )
    if error.errno == errno.EADDRNOTAVAIL:
        setting = f"{section}.host"
        change = f"set {section}.host to an address of this machine, such as 127.0.0.1"
    return PortRefused(
        f"port {port} on {host} cannot be bound: {error.strerror}", hint=change, setting=setting
    )


def _listeners(port: int) -> Iterator[str]:
    """Yield who listens on a port, as far as this user may see (proc(5), ``/proc/net/tcp``)."""
    inodes = set(_listening_inodes(port))
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            for file in (process / "fd").iterdir():
                if str(file.readlink()) in inodes:
                    name = (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
                    yield f"{name} (pid {process.name})"


def _listening_inodes(port: int) -> Iterator[str]:
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(OSError):
            for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                if int(fields[1].rpartition(":")[2], 16) == port and fields[3] == _LISTEN:
                    yield f"socket:[{fields[9]}]"


_LISTEN = "0A"
"""``TCP_LISTEN`` in those tables."""
