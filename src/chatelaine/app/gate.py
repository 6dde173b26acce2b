"""The gate of one worker, put together: tables in, exchanges out."""

import asyncio
import logging
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from ssl import SSLContext
from typing import Final

from chatelaine.adapters.geo import AddressTables
from chatelaine.adapters.peek import read_greeting, read_proxy_header
from chatelaine.adapters.prices import load_prices
from chatelaine.adapters.secret import read_secret
from chatelaine.adapters.telemetry import Tally
from chatelaine.adapters.tls import client_context, own_certificate, server_context
from chatelaine.adapters.upstream import Home, UpstreamPool, build_homes
from chatelaine.app.captures import WorkerCapture
from chatelaine.app.wire import CLOCK, ENTROPY, Places, hash_key, tls_names
from chatelaine.catalog import Provider
from chatelaine.core.exchange.asking import Hasher
from chatelaine.core.exchange.context import Desk, Reader
from chatelaine.core.exchange.head import Head, Pairs
from chatelaine.core.exchange.hop import TrustedHops
from chatelaine.core.exchange.route import RouteTable
from chatelaine.core.grammar.form import read_form
from chatelaine.core.grammar.index import GRAMMARS
from chatelaine.core.key.roster import Roster
from chatelaine.core.metric import OVERHEAD_DURATION
from chatelaine.core.policy.lane import Lanes
from chatelaine.core.policy.pace import Paces
from chatelaine.core.policy.restraint import Restraints
from chatelaine.core.price import cost, find_for, index, worst_case
from chatelaine.core.redact import redact
from chatelaine.core.stream.select import tap_for
from chatelaine.model.exchange import Client, Greeting, Operation, Refusal, RouteMatch, Shape
from chatelaine.model.playbook import Lane, UnknownClient
from chatelaine.model.price import ModelPrice
from chatelaine.model.provider import RefusedReply
from chatelaine.model.settings import Settings, UnknownRoute, UpstreamSettings
from chatelaine.model.words import (
    ExchangeId,
    Instant,
    KeyId,
    ProviderId,
    ProviderKeyName,
    UpstreamName,
    WorkerNumber,
)
from chatelaine.ports import Journal, Meter
from chatelaine.services.exchange.driver import Exchange
from chatelaine.services.exchange.room import Live, Room, Tap
from chatelaine.services.exchange.rota import Rota
from chatelaine.services.exchange.tarpit import Tarpit
from chatelaine.services.policy import Judge, Tables
from chatelaine.surfaces.gate.hall import Gate
from chatelaine.surfaces.gate.listener import Door, Greeted

log = logging.getLogger("chatelaine.worker")

_POLICY: Final = "keys-1"
_DEFAULT: Final = ProviderId("openai")
_REMEMBERED: Final = 4096
_VAULT: Final = "vault:"
_STOPPING: Final = frozenset({Lane.REFUSE, Lane.DECOY})
"""Lanes in which nothing goes upstream."""


def draw_ids() -> Callable[[], ExchangeId]:
    """Return what draws exchange ids: 96 random bits each, taken from the kernel in bulk."""
    held: list[str] = []

    def draw() -> ExchangeId:
        if not held:
            pool = ENTROPY.draw(12 * 256).hex()
            held.extend(pool[start : start + 24] for start in range(0, len(pool), 24))
        return ExchangeId(held.pop())

    return draw


def vault_name(upstream: UpstreamSettings) -> ProviderKeyName | None:
    """Return the name under which the vault holds an upstream's key, or None where it is read elsewhere."""
    source = upstream.credential.source if upstream.credential is not None else ""
    return ProviderKeyName(source.removeprefix(_VAULT)) if source.startswith(_VAULT) else None


def serving(upstreams: Sequence[UpstreamSettings]) -> Callable[[ProviderId, str], tuple[UpstreamName, ...]]:
    """Return what names the upstreams of a provider that serve a model."""

    @lru_cache(maxsize=_REMEMBERED)
    def names(provider: ProviderId, model: str) -> tuple[UpstreamName, ...]:
        return tuple(
            upstream.name
            for upstream in upstreams
            if upstream.provider == provider and _serves(upstream, model)
        )

    return names


def _serves(upstream: UpstreamSettings, model: str) -> bool:
    return not model or any(
        model == pattern or (pattern.endswith("*") and model.startswith(pattern[:-1]))
        for pattern in upstream.models
    )


class GateWorks:
    """Everything a worker's gate is made of; settings and secrets may change while it runs."""

    def __init__(
        self,
        worker: WorkerNumber,
        workers: int,
        places: Places,
        catalog: Mapping[ProviderId, Provider],
        roster: Roster,
    ) -> None:
        self._worker = worker
        self._places = places
        self._catalog = catalog
        self._routes = RouteTable(provider.card for provider in catalog.values())
        self._hasher = Hasher(hash_key(places))
        self._secrets: Mapping[ProviderKeyName, bytes] = {}
        self._homes: dict[UpstreamName, Home] = {}
        self._gone: dict[UpstreamName, Home] = {}
        self._context: SSLContext | None = None
        self._draw = draw_ids()
        self.roster = roster
        self.restraints = Restraints()
        self.tarpit = Tarpit(0)
        self._paces = Paces(worker, workers)
        self.live = Live()
        self.pool = UpstreamPool({})
        self.rota = Rota({})
        self.tally = Tally({})
        self.capture = WorkerCapture(places, worker)

    def open(self, settings: Settings, journal: Journal, meter: Meter, used: Callable[[KeyId], None]) -> Gate:
        """Return the gate, ready to take connections.

        Raises:
            SettingsError, TableError, SecretUnreadable: what the settings name cannot be used.
        """
        self.capture.change(settings)
        self.tally = Tally(self._label_values(settings))
        self._journal, self._meter, self._used = journal, meter, used
        self._room = self._build_room(settings)
        self._desk, self.addresses = self._build_desk(settings)
        self._settings = settings
        self._contain(settings)
        self._open_pool(settings)
        self.renew_certificate(settings)
        return Gate(
            CLOCK,
            settings.gate.sizes,
            settings.gate.timeouts,
            lambda line, client, head: Exchange(self._room, line, client, head),
            self._introduce,
        )

    def _introduce(self, peer: str, greeting: Greeting) -> Callable[[Pairs, str], Client]:
        return self._desk.introduce(peer, greeting)

    def change_settings(self, settings: Settings) -> None:
        """Take over new settings: exchanges under way keep the old, new ones have the new.

        Raises:
            SettingsError, TableError, SecretUnreadable: nothing is taken over.
        """
        self.capture.change(settings)
        room, (desk, addresses) = self._build_room(settings), self._build_desk(settings)
        self._open_pool(settings)
        self.renew_certificate(settings)
        self._room, self._desk, self.addresses, self._settings = room, desk, addresses, settings
        self._contain(settings)

    def _contain(self, settings: Settings) -> None:
        self.restraints.default = settings.containment.unknown_client
        self.tarpit.most = settings.containment.tarpit_waiting

    def cut_held(self, keys: Iterable[KeyId]) -> None:
        """Break off what is open of clients that would now be refused, or answered by the decoy lane."""
        now = CLOCK.now()
        for kid in self.live.among(keys):
            entry = self.roster.entry(kid)
            wanted = entry.key.unknown_client if entry is not None else None
            self.live.cut_held(kid, self._stopping(kid, now, wanted))

    def _stopping(self, kid: KeyId, now: Instant, wanted: UnknownClient | None) -> Callable[[Client], bool]:
        def stopped(client: Client) -> bool:
            hold = self.restraints.find(kid, client, now, wanted)
            return hold is not None and hold.lane in _STOPPING

        return stopped

    def change_secrets(self, secrets: Mapping[ProviderKeyName, bytes]) -> None:
        """Take over the vault's provider keys; connections under way run on with the old.

        Raises:
            SettingsError, TableError, SecretUnreadable: what the settings name cannot be used any more.
        """
        changed = dict(secrets) != self._secrets
        self._secrets = dict(secrets)
        if changed and hasattr(self, "_settings"):
            room = self._build_room(self._settings)
            self._open_pool(self._settings)
            self._room = room

    def _label_values(self, settings: Settings) -> dict[str, frozenset[str]]:
        cards = [provider.card for provider in self._catalog.values()]
        return {
            "provider": frozenset(str(name) for name in self._catalog),
            "route": frozenset(route.path for card in cards for route in card.routes),
            "upstream": frozenset(str(upstream.name) for upstream in settings.upstreams),
            "model": frozenset(row.model.rstrip("*") for row in load_prices(settings.prices.file).rows),
        }

    def _build_desk(self, settings: Settings) -> tuple[Desk, AddressTables]:
        tables = AddressTables(settings.addresses)
        return Desk(Reader(redact), TrustedHops(settings.gate.trusted_proxies), tables.find), tables

    def _with_keys(self, upstreams: Iterable[UpstreamSettings]) -> tuple[UpstreamSettings, ...]:
        """Return the upstreams that can be asked: one waits whose provider key is not in the vault yet."""
        return tuple(one for one in upstreams if vault_name(one) is None or vault_name(one) in self._secrets)

    def _open_pool(self, settings: Settings) -> None:
        usable = self._with_keys(settings.upstreams)
        for waiting in set(settings.upstreams) - set(usable):
            log.warning(
                "an upstream waits for its key",
                extra={
                    "upstream": waiting.name,
                    "fix": f"chatelaine keys provider put {vault_name(waiting)}",
                },
            )
        homes = build_homes(
            usable,
            secret=self._secret_of,
            credential=self._credential,
            context=lambda upstream: client_context(upstream.ca_file),
        )
        # Exchanges under way still name upstreams that are gone for new ones.
        busy = {name: home for name, home in self._gone.items() if home.alive}
        self._gone = {name: home for name, home in (busy | self._homes).items() if name not in homes}
        self._homes = homes
        kept = self._gone | homes
        self.pool.replace(kept)
        self.rota.replace({name: home.settings.weight for name, home in kept.items()})

    def connections(self) -> dict[UpstreamName, int]:
        """Return how many connections there are to each upstream."""
        return {name: len(home.alive) for name, home in self._homes.items()}

    def _secret_of(self, upstream: UpstreamSettings) -> bytes:
        if upstream.credential is None:
            return b""
        held = vault_name(upstream)
        return self._secrets[held] if held is not None else read_secret(upstream.credential)

    def _credential(self, upstream: UpstreamSettings, plain: bytes) -> bytes:
        card = self._catalog[upstream.provider].card
        return b"%b: %b%b\r\n" % (card.credential_header.encode(), card.credential_prefix.encode(), plain)

    def _build_room(self, settings: Settings) -> Room:
        prices = load_prices(settings.prices.file)
        rows = index(prices.rows)

        @lru_cache(maxsize=_REMEMBERED)
        def price(model: str, operation: Operation) -> ModelPrice:
            return find_for(prices, rows, model, operation)

        tables = Tables(
            roster=self.roster,
            read=_read,
            read_form=read_form,
            price=price,
            worst_case=worst_case,
            upstreams=serving(self._with_keys(settings.upstreams)),
            used=self._used,
            restraints=self.restraints,
            lanes=Lanes(settings.containment, self._paces),
            identifies=settings.gate.safety_identifier,
        )
        return Room(
            worker=self._worker,
            policy=_POLICY,
            clock=CLOCK,
            journal=self._journal,
            capture=self.capture,
            meter=self._meter,
            telemetry=self.tally,
            overhead=self.tally.series(OVERHEAD_DURATION, "total"),
            upstreams=self.pool,
            rota=self.rota,
            decider=Judge(tables, self._meter, self._hasher),
            restraints=self.restraints,
            tarpit=self.tarpit,
            match=self._matcher(settings),
            answer=self._answer,
            tap=_tap,
            cost=cost,
            draw=self._draw,
            live=self.live,
            sizes=settings.gate.sizes,
            timeouts=settings.gate.timeouts,
        )

    def _matcher(self, settings: Settings) -> Callable[[Head], RouteMatch | None]:
        routes = self._routes
        allowed = settings.gate.unknown_routes is UnknownRoute.ALLOW and settings.upstreams
        provider = settings.upstreams[0].provider if allowed else _DEFAULT
        anything = RouteMatch(provider, "unknown", Operation.OTHER, "", upload=True, anything=True)

        def match(head: Head) -> RouteMatch | None:
            found = routes.match(head.method, head.target, lambda name: _present(head, name.encode()))
            return found if found is not None or not allowed else anything

        return match

    def _answer(self, provider: ProviderId | None, told: Refusal, exchange: ExchangeId) -> RefusedReply:
        return self._catalog[provider if provider is not None else _DEFAULT].refuse(told, exchange)

    def renew_certificate(self, settings: Settings) -> None:
        """Load the certificate that new connections are shown."""
        tls = settings.gate.tls
        if not tls.enabled:
            self._context = None
        elif tls.certificate is not None and tls.key is not None:
            self._context = server_context(tls.certificate, tls.key)
        else:
            self._context = server_context(*own_certificate(self._places.root, tls_names(settings)))

    def door(self) -> Door:
        """Return how connections are let in."""
        gate = self._settings.gate

        async def greet(accepted: socket.socket, peer: str) -> Greeted:
            async with asyncio.timeout(gate.timeouts.handshake.total_seconds()):
                if gate.proxy_protocol and self._desk.trusted.hold(peer):
                    peer = await read_proxy_header(accepted, peer)
                greeting = await read_greeting(accepted) if self._context is not None else Greeting()
            return Greeted(peer, greeting)

        return Door(
            greet=greet,
            context=lambda: self._context,
            connections=gate.connections,
            handshake_seconds=gate.timeouts.handshake.total_seconds(),
            telemetry=self.tally,
        )


def _read(grammar: str, body: bytes) -> Shape:
    return GRAMMARS[grammar].read_request(body)


def _tap(route: RouteMatch, content_type: str) -> Tap:
    return tap_for(content_type, route.grammar, websocket=route.websocket)


def _present(head: Head, wanted: bytes) -> bool:
    return any(name.lower() == wanted for name, _ in head.pairs)
