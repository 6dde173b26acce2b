"""The doctor's looks at upstreams, by name and address alone: nothing is sent to any."""

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

from chatelaine.adapters.secret import read_secret
from chatelaine.app.wire import Places
from chatelaine.core.exchange.reach import allowed, networks
from chatelaine.model.error import SecretUnreadable
from chatelaine.model.settings import Settings, UpstreamSettings
from chatelaine.surfaces.cli.doctor import Diagnosis, Level

_VAULT = "vault:"


def look_at_upstreams(settings: Settings, places: Places) -> Iterator[Diagnosis]:
    """Resolve each upstream's name, check its addresses, and read its credential."""
    del places
    if not settings.upstreams:
        yield Diagnosis(
            "upstreams", Level.WARN, "no upstream is set: every request is refused", "chatelaine config init"
        )
    for upstream in settings.upstreams:
        yield _resolve(upstream)
        yield from _credential(upstream)


def _resolve(upstream: UpstreamSettings) -> Diagnosis:
    host = urlsplit(upstream.url).hostname or ""
    check = f"upstream {upstream.name}"
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        return Diagnosis(
            check, Level.FAIL, f"{host} does not resolve: {error.strerror}", "check its url and the DNS"
        )
    addresses = sorted({str(entry[4][0]) for entry in found})
    permitted = networks(upstream.allow_addresses)
    refused = [address for address in addresses if not allowed(address, permitted)]
    if len(refused) == len(addresses):
        return Diagnosis(
            check,
            Level.FAIL,
            f"{host} resolves to {', '.join(refused)}, where it may not be reached",
            f"if that is intended, name the network in allow_addresses of upstream {upstream.name}",
        )
    return Diagnosis(check, Level.OK, f"{host} resolves to {', '.join(addresses)}")


def _credential(upstream: UpstreamSettings) -> Iterator[Diagnosis]:
    source = upstream.credential
    if source is None or source.source.startswith(_VAULT):
        return
    try:
        read_secret(source)
    except SecretUnreadable as error:
        yield Diagnosis(f"upstream {upstream.name}", Level.FAIL, error.message, error.hint)
