"""A child's side of the supervisor's pipe: one line of orders, and its end when the supervisor goes."""

import asyncio
import os
import sys
from collections.abc import Callable
from typing import TypeVar

from chatelaine.core.link import read_orders
from chatelaine.model.error import UsageError
from chatelaine.model.link import HubOrders, WorkerOrders

_Orders = TypeVar("_Orders", WorkerOrders, HubOrders)
_LONGEST = 64 * 1024


def take_orders(kind: type[_Orders]) -> _Orders:
    """Return the orders on the standard input.

    Raises:
        UsageError: nobody wrote any.
        WireError: they are not what the supervisor writes.
    """
    line = b""
    # Not a byte more than the line: what follows on the pipe is only its end.
    while not line.endswith(b"\n"):
        byte = os.read(sys.stdin.fileno(), 1)
        if not byte or len(line) > _LONGEST:
            raise UsageError("there are no orders", hint="this program is started by `chatelaine up`")
        line += byte
    return read_orders(line, kind)


def watch_supervisor(gone: Callable[[], None]) -> None:
    """Call back once the supervisor has gone, however it went."""
    loop, pipe = asyncio.get_running_loop(), sys.stdin.fileno()

    def look() -> None:
        if not os.read(pipe, 4096):
            loop.remove_reader(pipe)
            gone()

    loop.add_reader(pipe, look)
