"""Clients of many kinds over loopback: each with an address, a TLS stack and a header order of its own.

Nothing leaves this machine: a goal is a literal loopback address, connections are made from loopback
addresses, and the peer of each is looked at again once it stands. Texts are fixed and harmless.
"""

import asyncio
import json
import re
import ssl
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv4Network
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from zlib import crc32

from chatelaine.core.context import prefix_of
from chatelaine.model.error import ChatelaineError, UsageError
from chatelaine.model.event import ExchangeOpened, ExchangeRefused
from chatelaine.model.exchange import Asked, Client, Operation
from chatelaine.model.words import KeyId

LOOPBACK: Final = IPv4Network("127.0.0.0/8")
_HINT: Final = "name this machine alone: http://127.0.0.1:PORT or https://127.0.0.1:PORT"
_PATIENCE: Final = 20.0
_AT_ONCE: Final = 32
"""Requests that are under way at the same time."""
_MOST_HEAD: Final = 65_536
_TEXT: Final = "Please name a colour."
_ANSWER: Final = "Blue."
_MOST_MESSAGES: Final = 9
_STATUS: Final = re.compile(rb"HTTP/1\.[01] (\d{3})")
_NOT_FOR_GET: Final = frozenset({"content-length", "content-type"})


@dataclass(frozen=True, slots=True)
class Goal:
    """A gate on this machine."""

    host: str
    port: int
    ca: Path | None
    """The certificate to trust; None over plain HTTP."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """A client as a gate will see it."""

    address: str
    stack: int
    """Which TLS stack it shows; see ``tls_stack``."""
    client: Client


@dataclass(slots=True)
class Seen:
    """What was sent and what came back."""

    requests: int = 0
    addresses: set[str] = field(default_factory=set)
    stacks: set[int] = field(default_factory=set)
    statuses: Counter[int] = field(default_factory=Counter)

    def sent(self, who: Visitor, *, over_tls: bool) -> None:
        """Take note of a request that is about to be sent."""
        self.requests += 1
        self.addresses.add(who.address)
        if over_tls:
            self.stacks.add(who.stack)


def read_goal(url: str, ca: Path | None) -> Goal:
    """Return the gate that an address names.

    Raises:
        UsageError: it is not a port of this machine, or its certificate is not named.
        ChatelaineError: the certificate cannot be read.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UsageError(f"--http {url!r}: {error}", hint=_HINT) from error
    host = "127.0.0.1" if parts.hostname == "localhost" else parts.hostname or ""
    plain = parts.path in {"", "/"} and not (
        parts.query or parts.fragment or parts.username or parts.password
    )
    if parts.scheme not in {"http", "https"} or port is None or not plain:
        raise UsageError(f"--http {url!r} is not http(s)://HOST:PORT", hint=_HINT)
    if not is_loopback(host):
        raise UsageError(f"--http {url!r}: {host or 'no host'} is not an address of this machine", hint=_HINT)
    if parts.scheme == "https" and ca is None:
        raise UsageError(
            "--http over TLS needs the certificate to trust", hint="add --ca, such as data/gate.crt"
        )
    goal = Goal(host, port, ca if parts.scheme == "https" else None)
    if goal.ca is not None:
        tls_stack(0, goal.ca)
    return goal


def is_loopback(host: str) -> bool:
    """Tell whether a text is an IPv4 loopback address in its one plain spelling."""
    try:
        return IPv4Address(host) in LOOPBACK
    except AddressValueError:
        return False


def visitor(client: Client) -> Visitor:
    """Return a client moved to loopback: another prefix stays another prefix, another JA4 another stack."""
    ip = client.network.ip
    block, host = crc32(prefix_of(ip).encode()), crc32(ip.encode())
    address = f"127.{1 + block % 254}.{block // 254 % 256}.{1 + host % 254}"
    return Visitor(address, crc32(client.greeting.ja4.encode()) % STACKS, client)


_CIPHERS: Final = (
    "DEFAULT",
    "ECDHE+AESGCM",
    "ECDHE+CHACHA20:ECDHE+AESGCM",
    "ECDHE+AES:!CBC",
    "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM",
)
_PROTOCOLS: Final = (("http/1.1",), ("h2", "http/1.1"), ())
STACKS: Final = len(_CIPHERS) * len(_PROTOCOLS) * 2
"""How many TLS stacks can be shown: lists of ciphers × protocols offered × with and without TLS 1.3."""


@lru_cache(maxsize=256)
def tls_stack(number: int, ca: Path) -> ssl.SSLContext:
    """Return one of the stacks, trusting one certificate.

    Raises:
        ChatelaineError: the certificate cannot be read.
    """
    number, ciphers = divmod(number, len(_CIPHERS))
    older, protocols = divmod(number, len(_PROTOCOLS))
    try:
        context = ssl.create_default_context(cafile=str(ca))
    except OSError as error:
        raise ChatelaineError(
            f"--ca {ca}: {error.strerror or error}", hint="name the gate's certificate"
        ) from error
    context.set_ciphers(_CIPHERS[ciphers])
    if _PROTOCOLS[protocols]:
        context.set_alpn_protocols(list(_PROTOCOLS[protocols]))
    if older:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


async def drive(
    goal: Goal,
    wanted: Iterator[ExchangeOpened | ExchangeRefused],
    tokens: Sequence[str],
    *,
    rate: int,
    seconds: float,
) -> Seen:
    """Ask for what events tell of, so often a second and for so long; keys are given tokens in turn."""
    seen, owned, running = Seen(), dict[KeyId | None, str](), asyncio.Semaphore(_AT_ONCE)
    until, due = time.monotonic() + seconds, time.monotonic()

    async def ask(event: ExchangeOpened | ExchangeRefused, token: str) -> None:
        who = visitor(event.client)
        data = request(event.client, event.asked, goal, token)
        seen.sent(who, over_tls=goal.ca is not None)
        try:
            seen.statuses[await send(goal, who, data)] += 1
        finally:
            running.release()

    async with asyncio.TaskGroup() as tasks:
        for event in wanted:
            due = max(due + 1 / rate, time.monotonic())
            if due >= until:
                break
            await asyncio.sleep(due - time.monotonic())
            await running.acquire()
            token = owned.setdefault(event.caller.key, tokens[len(owned) % len(tokens)])
            tasks.create_task(ask(event, token))
    return seen


async def send(goal: Goal, who: Visitor, data: bytes) -> int:
    """Send one request on a connection of its own, read its reply and return its status; 0: it broke off."""
    context = tls_stack(who.stack, goal.ca) if goal.ca is not None else None
    try:
        async with asyncio.timeout(_PATIENCE):
            reader, writer = await asyncio.open_connection(
                goal.host, goal.port, ssl=context, local_addr=(who.address, 0), limit=_MOST_HEAD
            )
            try:
                return await _exchange(reader, writer, data)
            finally:
                writer.close()
    except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return 0


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes) -> int:
    peer = str(writer.get_extra_info("peername")[0])
    if not is_loopback(peer):
        raise ConnectionRefusedError(f"{peer} is not on this machine: nothing was sent")
    writer.write(data)
    await writer.drain()
    head = await reader.readuntil(b"\r\n\r\n")
    while await reader.read(_MOST_HEAD):
        pass
    found = _STATUS.match(head)
    return int(found[1]) if found else 0


def request(client: Client, asked: Asked, goal: Goal, token: str, text: str = "") -> bytes:
    """Return a request with the client's headers in the client's order and case; it asks ``text``, if any."""
    listing = asked.operation is Operation.LIST
    body = b"" if listing else _body(asked, text or _TEXT)
    values = _values(client, goal, token, len(body))
    names = [name for name in client.header_names.split(",") if name]
    shown = {name.lower() for name in names}
    names += [name for name in ("Host", "Authorization", "Connection") if name.lower() not in shown]
    if listing:
        names = [name for name in names if name.lower() not in _NOT_FOR_GET]
    lines = "".join(f"{name}: {values.get(name.lower(), '1')}\r\n" for name in names)
    return f"{'GET' if listing else 'POST'} {asked.route} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + body


def _values(client: Client, goal: Goal, token: str, length: int) -> Mapping[str, str]:
    return {
        "accept": "*/*",
        "accept-encoding": "identity",
        "content-type": "application/json",
        **dict(client.sdk),
        "host": f"{goal.host}:{goal.port}",
        "authorization": f"Bearer {token}",
        "connection": "close",
        "content-length": str(length),
        "user-agent": client.user_agent,
    }


def _body(asked: Asked, question: str) -> bytes:
    told: dict[str, object] = {"model": asked.model or "none"}
    if asked.operation is Operation.EMBEDDING:
        told["input"] = question
    elif asked.operation is Operation.IMAGE:
        told["prompt"] = question
    else:
        text = "" if asked.empty else question
        turns = [
            {"role": "assistant" if turn % 2 else "user", "content": _ANSWER if turn % 2 else text}
            for turn in range(max(min(asked.messages, _MOST_MESSAGES), 1) | 1)
        ]
        told["messages"] = turns
        told |= {name: int(value) for name, value in asked.numbers if name == "max_tokens"}
        if asked.stream:
            told["stream"] = True
    return json.dumps(told).encode()
