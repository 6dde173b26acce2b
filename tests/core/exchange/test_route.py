"""The route table: every route of every card is found again, and no path is read in two ways."""

import time
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatelaine.catalog import providers
from chatelaine.core.exchange.route import MOST_TARGET, RouteTable
from chatelaine.core.exchange.template import find_conflicts, overlap, read_template
from chatelaine.model.error import CardError, WireError
from chatelaine.model.exchange import Operation, RouteMatch
from chatelaine.model.provider import ProviderCard, RouteCard
from chatelaine.model.words import ProviderId

CARDS = [provider.card for provider in providers().values()]
ROUTES = [(card, route) for card in CARDS for route in card.routes]
TABLE = RouteTable(CARDS)
HEADERS = ("anthropic-version", "x-goog-api-key")
VALUES = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z"), exclude_characters="\\%/:"), min_size=1
).filter(lambda value: value not in {".", ".."} and value.isprintable())


def find(method: str, target: bytes | str, *headers: str) -> RouteMatch | None:
    raw = target if isinstance(target, bytes) else target.encode()
    return TABLE.match(method.encode(), raw, headers.__contains__)


def card(*paths: str, name: str = "one", header: str = "") -> ProviderCard:
    routes = tuple(
        RouteCard(method="POST", path=path, operation=Operation.CHAT, when_header=header) for path in paths
    )
    return ProviderCard(
        id=ProviderId(name), title=name, version=1, credential_header="authorization", routes=routes
    )


@pytest.mark.parametrize(("card", "route"), ROUTES, ids=lambda part: getattr(part, "path", ""))
@given(values=st.lists(VALUES, min_size=4, max_size=4))
def test_every_route_gives_itself_and_its_values_back(
    card: ProviderCard, route: RouteCard, values: list[str]
) -> None:
    path, model = "", ""
    for segment, value in zip(route.path[1:].split("/"), (*values, *values, *values), strict=False):
        if segment.startswith("{"):
            name, _, verb = segment[1:].partition("}")
            path += f"/{quote(value, safe='')}{verb}"
            model = value if name in {"model", "deployment"} else model
        else:
            path += f"/{segment}"
    found = find(route.method, path, *((route.when_header,) if route.when_header else ()))
    assert found is not None
    assert (found.provider, found.template, found.model) == (card.id, route.path, model)
    assert (found.operation, found.grammar, found.upload) == (route.operation, route.grammar, route.upload)


def test_no_two_routes_of_the_cards_fit_one_request() -> None:
    assert find_conflicts(CARDS) == []


@given(one=st.sampled_from(ROUTES), other=st.sampled_from(ROUTES), value=VALUES)
def test_templates_that_fit_one_path_overlap(
    one: tuple[ProviderCard, RouteCard], other: tuple[ProviderCard, RouteCard], value: str
) -> None:
    left, right = read_template(one[1].path), read_template(other[1].path)
    filled = [
        (quote(value, safe="").encode() if piece.name else piece.prefix) + piece.suffix for piece in left
    ]
    fits = len(left) == len(right) and all(
        bool(piece.take(segment)) if piece.name else piece.prefix == segment
        for piece, segment in zip(right, filled, strict=True)
    )
    assert not fits or overlap(left, right)


@pytest.mark.parametrize(
    "target",
    [
        "/v1//chat/completions",
        "//v1/chat/completions",
        "/v1/chat/completions/",
        "/v1/./chat/completions",
        "/v1/x/../chat/completions",
        "/v1/models/..",
        "/v1/models/%2e%2e",
        "/v1/models/%2E",
        "/v1/%2e%2e/admin",
        "/model/a%2F..%2Fb/converse",
        "/model/a%2F%2Fb/converse",
        "/model/%2Fa/converse",
        "/model/a%2F../converse",
        "/model/a%5Cb/converse",
        "/model/a%00/converse",
        "/model/a%0d%0aHost:x/converse",
        "/model/a%7f/converse",
        "/model/a%252Fb/converse",
        "/model/a%2/converse",
        "/model/a%zz/converse",
        "/model/%ff/converse",
        "/model/%c0%ae/converse",
        "/model/a%e2%80%aeb/converse",
        "/v1\\chat\\completions",
        "/v1/chat completions",
        "/v1/chat/completions\x00",
        "/v1/chat/completions#x",
        "/v1/models/x?a=b c",
        "/v1/models/x?a=\x07",
        "/v1/mod\u00e9ls",
        "ftp://host/v1/models",
        "file:/v1/models",
        "*",
        "v1/models",
        "",
        "/v1/models/x?" + "&".join(["a=b"] * 33),
        "/" + "/".join(["a"] * 17),
        "/v1/models/" + "a" * MOST_TARGET,
    ],
)
def test_a_target_that_can_be_read_in_two_ways_is_refused(target: str) -> None:
    with pytest.raises(WireError) as fault:
        find("GET", target)
    assert fault.value.clause


@given(target=st.binary(max_size=60))
def test_any_bytes_are_matched_or_refused(target: bytes) -> None:
    try:
        found = find("POST", b"/" + target)
    except WireError:
        return
    assert found is None or found.template.startswith("/")


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("POST", "/v1/chat/completion"),
        ("POST", "/V1/chat/completions"),
        ("POST", "/v1/ch%61t/completions"),
        ("PUT", "/v1/chat/completions"),
        ("GET", "/v1/embeddings"),
        ("GET", "/"),
        ("POST", "/v1beta/models/gemini"),
        ("POST", "/v1beta/models/:generateContent"),
        ("POST", "/v1beta/models/a:b:generateContent"),
        ("POST", "/v1beta/models/a%3Ab:generateContent"),
        ("POST", "/v1beta/models/a%3AgenerateContent"),
        ("POST", "/model/a/b/converse"),
        ("POST", "/v1/realtime/client_secrets"),
        ("GET", "/v1/organizations"),
        ("GET", "/logging/modelinvocations"),
    ],
)
def test_what_no_card_names_is_not_found(method: str, target: str) -> None:
    assert find(method, target) is None


def test_a_header_tells_dialects_apart_that_share_a_path() -> None:
    for path, model in (("/v1/models", ""), ("/v1/models/m", "m")):
        for headers, provider in (((), "openai"), (HEADERS[:1], "anthropic"), (HEADERS[1:], "gemini")):
            found = find("GET", path, *headers)
            assert found is not None
            assert (found.provider, found.model) == (provider, model)
        with pytest.raises(WireError):
            find("GET", path, *HEADERS)


def test_the_absolute_form_is_read_as_its_path() -> None:
    assert find("GET", "http://host/v1/models") == find("GET", "/v1/models")
    assert find("GET", "HTTPS://host") is None


def test_a_body_names_its_model_and_no_query_does() -> None:
    found = find("POST", "/v1/chat/completions?model=cheap")
    assert found is not None
    assert found.model == ""
    assert found.query == (("model", "cheap"),)


def test_a_websocket_names_its_model_once_in_the_query() -> None:
    found = find("GET", "/v1/realtime?model=gpt%2Drealtime")
    assert found is not None
    assert (found.model, found.websocket) == ("gpt-realtime", True)
    for query in ("model=a&model=b", "model=a&deployment=b"):
        with pytest.raises(WireError):
            find("GET", f"/v1/realtime?{query}")


@pytest.mark.parametrize(
    "name",
    ["key", "KEY", "api_key", "k%65y", "access_token", "sig", "X-Amz-Signature", "client_secret", "auth"],
)
def test_a_parameter_that_may_be_a_credential_is_not_recorded(name: str) -> None:
    found = find("POST", f"/openai/responses?api-version=1&{name}=chln_live_secret")
    assert found is not None
    assert found.query == (("api-version", "1"),)


def test_parameters_are_decoded_and_bounded() -> None:
    found = find("GET", f"/v1/models?a=x%20y+z&b&=c&{'d' * 99}={'e' * 999}")
    assert found is not None
    assert found.query == (("a", "x y z"), ("b", ""), ("d" * 64, "e" * 256))


def test_routes_that_one_request_could_mean_are_reported_with_both_cards() -> None:
    faults = find_conflicts([card("/a/{x}", "/b"), card("/{y}/c", "/b", name="two")])
    assert [fault.where for fault in faults] == ["providers/two/provider.toml"] * 2
    assert "one (/a/{x})" in faults[0].message
    assert find_conflicts([card("/b"), card("/b", name="two", header="x-two")]) == []
    assert find_conflicts([card("/{m}:a", "/{m}:b", "/{m}:c")]) == []


@pytest.mark.parametrize("path", ["", "a", "/a//b", "/{}", "/{a b}", "/x{a}", "/{a}{b}", "/{a}x", "/{a"])
def test_a_template_that_cannot_be_read_is_a_fault(path: str) -> None:
    with pytest.raises(CardError):
        read_template(path)


def test_a_literal_segment_goes_before_a_parameter() -> None:
    table = RouteTable([card("/a/{x}/c", "/a/b/d")])
    for path, template in ((b"/a/b/c", "/a/{x}/c"), (b"/a/b/d", "/a/b/d")):
        found = table.match(b"POST", path, lambda _: False)
        assert found is not None
        assert found.template == template


def test_a_hostile_path_takes_no_longer_than_its_length() -> None:
    path = b"/model/" + b"%41" * 2700 + b"/converse"
    begun = time.process_time()
    for _ in range(20):
        TABLE.match(b"POST", path, lambda _: False)
    assert time.process_time() - begun < 1
