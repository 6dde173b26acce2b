"""What no type can say of the settings: ranges, and choices that contradict each other."""

from collections.abc import Callable, Iterator
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

from chatelaine.model.error import Fault
from chatelaine.model.settings import Settings, UpstreamSettings

Place = Callable[[str], str]
"""Gives where a dotted setting stands."""

_MOST_PORT = 65535


def check(settings: Settings, providers: frozenset[str], place: Place) -> list[Fault]:
    """Return every fault of settings that are well formed."""
    return [
        *_check_gate(settings, place),
        *_check_ranges(settings, place),
        *_check_networks("gate.trusted_proxies", settings.gate.trusted_proxies, place),
        *_check_upstreams(settings.upstreams, providers, place),
    ]


def _check_gate(settings: Settings, place: Place) -> Iterator[Fault]:
    gate = settings.gate
    if not gate.tls.enabled and not gate.plain_anywhere and not _loopback(gate.host):
        yield Fault(
            place("gate.host"),
            f"plain HTTP on {gate.host} would show every key to the network",
            "enable gate.tls, listen on 127.0.0.1, or set gate.plain_anywhere: true behind a TLS proxy",
        )
    if (gate.tls.certificate is None) != (gate.tls.key is None):
        yield Fault(
            place("gate.tls"), "a certificate needs its key, and a key its certificate", "set both or none"
        )
    if gate.proxy_protocol and not gate.trusted_proxies:
        yield Fault(
            place("gate.proxy_protocol"),
            "nobody may send a PROXY header",
            "name the proxies in gate.trusted_proxies",
        )


def _check_ranges(settings: Settings, place: Place) -> Iterator[Fault]:
    gate = settings.gate
    for name, port in (("gate.port", gate.port), ("admin.port", settings.admin.port)):
        if not 0 < port <= _MOST_PORT:
            yield Fault(place(name), f"{name}: {port} is no port", f"use 1 to {_MOST_PORT}")
    if gate.port == settings.admin.port and gate.host == settings.admin.host:
        yield Fault(place("admin.port"), "the gate and the admin port are the same", "give each its own")
    positive = {
        "gate.sizes.head": gate.sizes.head,
        "gate.sizes.json_body": gate.sizes.json_body,
        "gate.sizes.upload": gate.sizes.upload,
        "gate.connections": gate.connections,
        "journal.segment_bytes": settings.journal.segment_bytes,
        "journal.segment_age": settings.journal.segment_age.total_seconds(),
        "keys.lifetime": settings.keys.lifetime.total_seconds(),
    } | {
        f"gate.timeouts.{name}": getattr(gate.timeouts, name).total_seconds()
        for name in gate.timeouts.__slots__
    }
    for name, value in positive.items():
        if value <= 0:
            yield Fault(place(name), f"{name} must be more than nothing")
    if gate.workers < 0:
        yield Fault(place("gate.workers"), "gate.workers must be 0 (one a core) or more")


def _check_networks(name: str, blocks: tuple[str, ...], place: Place) -> Iterator[Fault]:
    for index, block in enumerate(blocks):
        try:
            ip_network(block, strict=False)
        except ValueError:
            yield Fault(place(f"{name}.{index}"), f"{block!r} is no network", "write it as 10.0.0.0/8")


def _check_upstreams(
    upstreams: tuple[UpstreamSettings, ...], providers: frozenset[str], place: Place
) -> Iterator[Fault]:
    seen: set[str] = set()
    for index, upstream in enumerate(upstreams):
        where = f"upstreams.{index}"
        if upstream.name in seen:
            yield Fault(place(f"{where}.name"), f"two upstreams are named {upstream.name}", "rename one")
        seen.add(upstream.name)
        if upstream.provider not in providers:
            known = ", ".join(sorted(providers))
            yield Fault(
                place(f"{where}.provider"), f"{upstream.provider!r} is no provider", f"one of: {known}"
            )
        if upstream.weight < 1 or upstream.connections < 1:
            yield Fault(place(where), "weight and connections must be 1 or more")
        yield from _check_networks(f"{where}.allow_addresses", upstream.allow_addresses, place)
        yield from _check_url(upstream, f"{where}.url", place)


def _check_url(upstream: UpstreamSettings, where: str, place: Place) -> Iterator[Fault]:
    try:
        parts = urlsplit(upstream.url)
        port = parts.port
    except ValueError as error:
        yield Fault(place(where), f"{upstream.name}: {error}", "write it as https://host[:port][/prefix]")
        return
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        yield Fault(place(where), f"{upstream.name}: not an http(s) address", "write https://host/prefix")
    elif parts.username or parts.password or parts.query or parts.fragment:
        yield Fault(
            place(where),
            f"{upstream.name}: an address has no user, query or fragment",
            "keys belong in credential",
        )
    elif parts.scheme == "http" and not upstream.allow_addresses:
        yield Fault(
            place(where),
            f"{upstream.name}: plain http would show the provider key to the network",
            "use https, or name the inner network in allow_addresses",
        )


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
