"""The doctor's looks at upstreams, by name and address alone: nothing is sent to any."""

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

from chatelaine.adapters.secret import read_secret
from chatelaine.adapters.sqlite import read_provider_key_names
from chatelaine.app.wire import Places
from chatelaine.core.exchange.reach import allowed, networks
from chatelaine.model.error import SecretUnreadable, StoreError
from chatelaine.model.settings import Settings, UpstreamSettings
from chatelaine.surfaces.cli.doctor import Diagnosis, Level

_VAULT = "vault:"


def look_at_upstreams(settings: Settings, places: Places) -> Iterator[Diagnosis]:
    """Resolve each upstream's name, check its addresses, and read or look for its credential."""
    held = _held(places)
    if not settings.upstreams:
        yield Diagnosis(
            "upstreams", Level.WARN, "no upstream is set: every request is refused", "chatelaine config init"
        )
    for upstream in settings.upstreams:
        yield _resolve(upstream)
        yield from _credential(upstream, held)


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


def _held(places: Places) -> frozenset[str] | None:
    """Return the names of the vault's keys, or None where the store cannot say, which its own look tells."""
    if not places.store.exists():
        return frozenset()
    try:
        return read_provider_key_names(places.store)
    except StoreError:
        return None


def _credential(upstream: UpstreamSettings, held: frozenset[str] | None) -> Iterator[Diagnosis]:
    source = upstream.credential
    if source is None:
        return
    if source.source.startswith(_VAULT):
        name = source.source.removeprefix(_VAULT)
        if held is not None and name not in held:
            fix = f"chatelaine keys provider put {name}"
            yield Diagnosis(f"upstream {upstream.name}", Level.WARN, f"the vault holds no key {name}", fix)
        return
    try:
        read_secret(source)
    except SecretUnreadable as error:
        yield Diagnosis(f"upstream {upstream.name}", Level.FAIL, error.message, error.hint)
