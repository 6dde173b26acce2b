"""Every item of every shelf is whole, and passes its own vectors; that it is locked is the house's to ask."""

from importlib import import_module
from pathlib import Path

import pytest

from chatelaine import catalog
from chatelaine.core.exchange.page import routes_page
from chatelaine.core.exchange.refusal import refusal
from chatelaine.core.exchange.route import RouteTable
from chatelaine.core.exchange.trial import Trial
from chatelaine.core.grammar.index import GRAMMARS
from chatelaine.model.error import Fault
from chatelaine.model.exchange import RefusalReason
from chatelaine.model.words import ExchangeId, ProviderId

ROOT = Path(__file__).resolve().parents[2]
PROVIDERS = catalog.providers()
EXCHANGE = ExchangeId("f" * 24)
CREDENTIAL_FAILURES = [
    RefusalReason.KEY_UNPROVEN,
    RefusalReason.KEY_REVOKED,
    RefusalReason.KEY_EXPIRED,
    RefusalReason.KEY_SUSPENDED,
]


def test_every_item_is_whole_and_passes_its_own_vectors() -> None:
    catalog.check()


def test_the_five_dialects_are_there() -> None:
    assert set(PROVIDERS) == {"anthropic", "azure", "bedrock", "gemini", "openai"}


@pytest.mark.parametrize("name", sorted(PROVIDERS))
def test_all_credential_failures_are_told_alike_but_for_the_request_id(name: str) -> None:
    tell = PROVIDERS[ProviderId(name)].refuse
    told = {(refusal(reason).status, tell(refusal(reason), EXCHANGE)) for reason in CREDENTIAL_FAILURES}
    assert len(told) == 1
    other = tell(refusal(RefusalReason.KEY_REVOKED), ExchangeId("0" * 24))
    _, one = told.pop()
    assert other.body == one.body.replace(b"f" * 24, b"0" * 24)
    assert other.headers == one.headers


@pytest.mark.parametrize("name", sorted(PROVIDERS))
@pytest.mark.parametrize("reason", list(RefusalReason))
def test_every_refusal_can_be_told_and_names_no_policy(name: str, reason: RefusalReason) -> None:
    told = PROVIDERS[ProviderId(name)].refuse(refusal(reason), EXCHANGE)
    assert told.body.startswith(b"{")
    assert dict(told.headers)["content-type"].startswith("application/json")
    for word in (b"suspended", b"revoked", b"expired", b"unknown key", b"stolen"):
        assert word not in told.body


@pytest.mark.parametrize("name", sorted(PROVIDERS))
def test_every_grammar_that_a_card_names_exists(name: str) -> None:
    for route in PROVIDERS[ProviderId(name)].card.routes:
        assert not route.grammar or route.grammar in GRAMMARS


def test_no_route_hands_out_a_credential_of_the_provider() -> None:
    paths = {route.path for provider in PROVIDERS.values() for route in provider.card.routes}
    handed_out = ("client_secrets", "realtime/sessions", "realtime/calls", "auth_tokens")
    assert not [path for path in paths if any(part in path for part in handed_out)]


def test_the_template_of_the_providers_passes_its_own_vectors() -> None:
    folder = catalog.shelf("providers").joinpath(catalog.TEMPLATE)
    faults: list[Fault] = []
    card = catalog.read_provider(folder, faults)
    assert faults == []
    assert card is not None
    refuse = import_module("chatelaine.providers._template.refuse").refuse
    assert catalog.try_vectors(Trial(card.id, RouteTable([card]), refuse), folder) == []


@pytest.mark.parametrize(("name", "kind"), catalog.SHELVES.items())
def test_every_shelf_has_a_template_whose_verb_can_be_called(name: str, kind: catalog.Shelf) -> None:
    folder = catalog.shelf(name).joinpath(catalog.TEMPLATE)
    assert list(catalog.find_faults(name, folder)) == []
    assert callable(getattr(import_module(f"chatelaine.{name}._template.{kind.verb}"), kind.verb))


def test_the_page_of_the_routes_is_current() -> None:
    page = (ROOT / "docs" / "reference" / "routes.md").read_text("utf-8")
    assert page == routes_page(provider.card for provider in PROVIDERS.values())
