"""What settings name outside themselves: files and secrets, looked at before anything relies on them.

Only what serves traffic needs them. A command that suspends a key works without the certificate.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from chatelaine.adapters.geo import open_table
from chatelaine.adapters.prices import load_prices
from chatelaine.adapters.secret import read_secret
from chatelaine.adapters.tls import client_context, server_context
from chatelaine.app.notices import receiver
from chatelaine.app.settings import bracketed, where_set
from chatelaine.app.settings_checks import Told
from chatelaine.app.wire import read_settings
from chatelaine.model.error import Fault, SecretUnreadable, SettingsError, TableError
from chatelaine.model.notice import Origin
from chatelaine.model.settings import AddressSettings, Secret, Settings, TlsSettings

_LOOKED_AT = ("env:", "file:")
"""A command may be slow or ask somebody something: the gate alone runs it. The vault is not ours to open."""

Overrides = tuple[tuple[str, str], ...]


def read_to_serve(path: str, overrides: Overrides) -> Settings:
    """Return settings by which the gate can serve: every file and secret they name can be used.

    Raises:
        SettingsError: with every fault.
    """
    settings = read_settings(path, overrides)
    faults = [*file_faults(settings, path, overrides), *_secret_faults(settings, path, overrides)]
    if faults:
        raise SettingsError(faults)
    return settings


def file_faults(settings: Settings, path: str, overrides: Overrides) -> list[Fault]:
    """Return a fault for each file that settings name and that cannot be used, where it is named."""
    return _placed(_look_at_files(settings), path, overrides)


def _secret_faults(settings: Settings, path: str, overrides: Overrides) -> list[Fault]:
    return _placed(_look_at_secrets(settings), path, overrides)


def setting_place(dotted: str, path: str, overrides: Overrides) -> str:
    """Return where a setting stands: ``file:line:column``, a variable or a flag."""
    return _where_set(path, overrides)(dotted)


def _where_set(path: str, overrides: Overrides) -> Callable[[str], str]:
    return where_set(Path(path) if path else None, os.environ, dict(overrides))


def _placed(found: Iterator[Told], path: str, overrides: Overrides) -> list[Fault]:
    told = list(found)
    if not told:
        return []
    where = _where_set(path, overrides)
    return [Fault(where(dotted), f"{bracketed(dotted)}: {message}", hint) for dotted, message, hint in told]


def _look_at_files(settings: Settings) -> Iterator[Told]:
    yield from _look_at_pair(settings.gate.tls)
    yield from _look_at_tables(settings.addresses)
    try:
        load_prices(settings.prices.file)
    except TableError as fault:
        yield "prices.file", fault.message, fault.hint
    for place, upstream in enumerate(settings.upstreams):
        if upstream.ca_file is not None:
            try:
                client_context(upstream.ca_file)
            except SettingsError as error:
                yield from _told(f"upstreams.{place}.ca_file", error)
    for place, one in enumerate(settings.notify):
        if one.ca_file is not None:
            try:
                client_context(one.ca_file)
            except SettingsError as error:
                yield from _told(f"notify.{place}.ca_file", error)


def _look_at_pair(tls: TlsSettings) -> Iterator[Told]:
    if not tls.enabled or tls.certificate is None or tls.key is None:
        return
    try:
        server_context(tls.certificate, tls.key)
    except SettingsError as error:
        for fault in error.faults:
            name = "key" if fault.where == str(tls.key) else "certificate"
            yield f"gate.tls.{name}", f"{fault.where}: {fault.message}", fault.hint


def _look_at_tables(addresses: AddressSettings) -> Iterator[Told]:
    for name in ("asn", "country", "classes"):
        path = getattr(addresses, name)
        if path is not None:
            try:
                open_table(path, listable=name == "classes")
            except TableError as fault:
                yield f"addresses.{name}", fault.message, fault.hint


def _look_at_secrets(settings: Settings) -> Iterator[Told]:
    named: list[tuple[str, Secret | None]] = [("keys.kek", settings.keys.kek)]
    named += [(f"keys.peppers.{place}.secret", one.secret) for place, one in enumerate(settings.keys.peppers)]
    named += [
        (f"upstreams.{place}.credential", one.credential) for place, one in enumerate(settings.upstreams)
    ]
    for dotted, secret in named:
        if secret is not None and secret.source.startswith(_LOOKED_AT):
            try:
                read_secret(secret)
            except SecretUnreadable as fault:
                yield dotted, fault.message, fault.hint
    yield from _look_at_receivers(settings)


def _look_at_receivers(settings: Settings) -> Iterator[Told]:
    """Build the receivers: a signing secret or a URL that is none is told before a notice needs it."""
    for place, one in enumerate(settings.notify):
        secrets = [secret for secret in (one.secret, *one.former_secrets) if secret is not None]
        if all(secret.source.startswith(_LOOKED_AT) for secret in secrets):
            try:
                receiver(one, Origin("", ""))
            except SecretUnreadable as fault:
                yield f"notify.{place}.secret", fault.message, fault.hint
            except SettingsError:
                # Its file of authorities is told of by the look at files.
                continue


def _told(dotted: str, error: SettingsError) -> Iterator[Told]:
    yield from ((dotted, f"{fault.where}: {fault.message}", fault.hint) for fault in error.faults)
