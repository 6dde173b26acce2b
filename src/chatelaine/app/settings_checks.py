"""What no type can say of the settings: choices that contradict each other."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

from chatelaine.model.settings import CaptureSettings, ContainmentSettings, Settings, UpstreamSettings

Told = tuple[str, str, str]
"""The dotted name of a setting, what is wrong with it, and what mends it."""

_LARGEST_RECORD = 1024**3
_LONGEST_DELAY = timedelta(seconds=60)
_LOCALHOST = ("127.0.0.1", "::1")


def check(settings: Settings, providers: frozenset[str]) -> Iterator[Told]:
    """Yield every contradiction of settings that are well formed each by itself."""
    yield from _check_gate(settings)
    yield from _check_ports(settings)
    yield from _check_twice("upstreams", "name", [upstream.name for upstream in settings.upstreams])
    yield from _check_twice("keys.peppers", "id", [pepper.id for pepper in settings.keys.peppers])
    yield from _check_capture(settings.capture)
    yield from _check_containment(settings.containment)
    for place, upstream in enumerate(settings.upstreams):
        yield from _check_upstream(f"upstreams.{place}", upstream, providers)


def _check_gate(settings: Settings) -> Iterator[Told]:
    gate = settings.gate
    if not gate.tls.enabled and not gate.plain_anywhere and not _is_loopback(gate.host):
        yield (
            "gate.host",
            f"plain HTTP on {gate.host} shows every key to the network",
            "enable gate.tls, listen on 127.0.0.1, or set gate.plain_anywhere: true behind a TLS proxy",
        )
    for missing, given in (("key", gate.tls.certificate), ("certificate", gate.tls.key)):
        if given is not None and getattr(gate.tls, missing) is None:
            yield (
                "gate.tls",
                f"the {missing} is missing",
                "a certificate and its key go together; without both, the gate signs its own",
            )
    if gate.proxy_protocol and not gate.trusted_proxies:
        yield (
            "gate.proxy_protocol",
            "no proxy is trusted, so nobody may send a PROXY header",
            "name the proxies in gate.trusted_proxies",
        )


def _check_ports(settings: Settings) -> Iterator[Told]:
    gate, admin = settings.gate, settings.admin
    if gate.port == admin.port and (gate.host == admin.host or _is_any(gate.host) or _is_any(admin.host)):
        yield "admin.port", f"the gate listens on {gate.port} already", "give the admin port another number"


def _check_twice(section: str, field: str, names: Sequence[str]) -> Iterator[Told]:
    first: dict[str, int] = {}
    for place, name in enumerate(names):
        if name in first:
            yield (
                f"{section}.{place}.{field}",
                f"{section}[{first[name]}] is named {name} too",
                "each needs a name of its own",
            )
        first.setdefault(name, place)


def _check_capture(capture: CaptureSettings) -> Iterator[Told]:
    named = bool(capture.owners or capture.apps or capture.keys)
    if capture.enabled and not capture.everyone and not named:
        yield (
            "capture.enabled",
            "capture is on and names nobody",
            "name them in capture.owners, capture.apps or capture.keys, or set capture.everyone: true",
        )
    if capture.everyone and named:
        yield (
            "capture.everyone",
            "owners, apps or keys are named as well",
            "take these out, or set it to false",
        )
    for place, application in enumerate(capture.apps):
        if "/" not in application:
            yield f"capture.apps.{place}", f"{application} names no owner", "write it as owner/app"
    yield from _check_capture_sizes(capture)


def _check_capture_sizes(capture: CaptureSettings) -> Iterator[Told]:
    if capture.record_bytes > _LARGEST_RECORD:
        yield "capture.record_bytes", "a record of this size cannot be encrypted in one piece", "at most 1GiB"
    if capture.segment_bytes <= capture.record_bytes:
        yield "capture.segment_bytes", "a segment holds no record of capture.record_bytes", "make it larger"
    if capture.store_bytes < 2 * capture.segment_bytes:
        yield "capture.store_bytes", "the store holds fewer than two segments", "make it larger"
    if capture.memory_bytes < capture.record_bytes:
        yield "capture.memory_bytes", "it holds no record of capture.record_bytes", "make it larger"
    if capture.retention < capture.segment_age:
        yield (
            "capture.retention",
            "content is deleted by segments, and a segment may be older than this",
            "make capture.segment_age shorter",
        )


def _check_containment(containment: ContainmentSettings) -> Iterator[Told]:
    if containment.tarpit_delay > _LONGEST_DELAY:
        yield "containment.tarpit_delay", "callers give up before that", "at most 60s"
    for place, mapped in enumerate(containment.quarantine.mapped):
        if "*" in mapped.served:
            yield (
                f"containment.quarantine.mapped.{place}.served",
                f"{mapped.served} is no model's name",
                "name the one model that is served",
            )


def _check_upstream(name: str, upstream: UpstreamSettings, providers: frozenset[str]) -> Iterator[Told]:
    if upstream.provider not in providers:
        yield (
            f"{name}.provider",
            f"there is no provider {upstream.provider}",
            f"one of: {', '.join(sorted(providers))}",
        )
    parts = urlsplit(upstream.url)
    if parts.hostname:
        yield from _check_reach(f"{name}.url", parts.hostname, upstream.allow_addresses)
        if parts.scheme == "http":
            yield from _check_plain(f"{name}.url", parts.hostname, upstream.allow_addresses)


def _check_reach(name: str, host: str, allowed: Sequence[str]) -> Iterator[Told]:
    """Tell of an inner address that the gate would refuse to connect to."""
    if host == "localhost":
        if not any(_is_within(ip_address(one), allowed) for one in _LOCALHOST):
            yield name, "localhost is an inner address", "allow it by name: allow_addresses: [127.0.0.1/32]"
        return
    address = _address(host)
    if address is None or address.is_global or _is_within(address, allowed):
        return
    block = f"{address}/{address.max_prefixlen}"
    yield name, f"{host} is an inner address", f"allow it by name: allow_addresses: [{block}]"


def _check_plain(name: str, host: str, allowed: Sequence[str]) -> Iterator[Told]:
    address = _address(host)
    if address is not None and address.is_global:
        yield name, f"plain HTTP to {host} shows the provider key to the internet", "use https://"
    elif address is None and host != "localhost" and not allowed:
        yield (
            name,
            f"plain HTTP to {host} may show the provider key to the internet",
            "use https://, or name its inner addresses in allow_addresses",
        )


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _is_within(address: IPv4Address | IPv6Address, blocks: Iterable[str]) -> bool:
    networks = [ip_network(block, strict=False) for block in blocks]
    return any(address.version == network.version and address in network for network in networks)


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return host == "localhost" if address is None else address.is_loopback


def _is_any(host: str) -> bool:
    address = _address(host)
    return address is not None and address.is_unspecified
