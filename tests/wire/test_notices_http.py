"""Receivers over HTTP against a real server: signatures, retries, hangs, redirects, floods, certificates."""

import asyncio
import base64
import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from http_receiver import HttpReceiver, http_receiver, verify
from notices import AT, NOTICE, ORIGIN, deliver, settings

from chatelaine.adapters.clock import ManualClock
from chatelaine.adapters.sqlite import open_outbox
from chatelaine.adapters.telemetry import Tally
from chatelaine.adapters.tls import own_certificate
from chatelaine.app.notices import receiver, subscriptions
from chatelaine.model.notice import DeliveryState, PutOff, ReceiverKind, Refused, Taken
from chatelaine.model.settings import Secret
from chatelaine.model.words import Instant, ReceiverName
from chatelaine.services.notice import Courier

KEY, OLD = b"k" * 32, b"o" * 24
MARKED = "whsec" + "_"
SECRET = MARKED + base64.b64encode(KEY).decode()
HOOK = ReceiverKind.WEBHOOK
SHORT = timedelta(seconds=0.4)


@pytest.fixture
def server() -> Iterator[HttpReceiver]:
    with http_receiver() as running:
        yield running


def hook(server: HttpReceiver, **fields: Any) -> Any:
    return deliver(HOOK, url=server.url("/hook"), secret=SECRET, **fields)


def test_a_webhook_arrives_signed_and_its_receiver_can_check_it(server: HttpReceiver) -> None:
    assert hook(server) == Taken()
    (one,) = server.seen
    assert one.path == "/hook"
    assert verify(one, KEY)
    assert not verify(one, OLD)
    one.body += b" "
    assert not verify(one, KEY)
    assert one.headers["webhook-timestamp"] == str(AT // 10**9)
    assert one.headers["content-type"] == "application/json"
    assert one.json["data"]["title"] == NOTICE.title


def test_while_a_secret_is_changed_receivers_with_either_one_can_check(
    server: HttpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLD_SECRET", MARKED + base64.b64encode(OLD).decode())
    assert hook(server, former_secrets=(Secret("env:OLD_SECRET"),)) == Taken()
    (one,) = server.seen
    assert verify(one, KEY)
    assert verify(one, OLD)


def courier(folder: Path, server: HttpReceiver, clock: ManualClock) -> tuple[Courier, Any]:
    one = settings(HOOK, url=server.url("/hook"), secret=SECRET)
    found = subscriptions((one,), ORIGIN)
    outbox = open_outbox(folder / "notices.db")
    tally = Tally({"sink": frozenset({"it"})})
    return Courier(outbox=outbox, clock=clock, telemetry=tally, subscriptions=lambda: found), outbox


def advance(clock: ManualClock, until: Instant | None) -> float:
    """Move the clock to an instant, and return by how many seconds."""
    assert until is not None
    wait = timedelta(microseconds=max(0, until - clock.now()) // 1000 + 1)
    clock.advance(wait)
    return wait.total_seconds()


def test_500_then_429_with_its_wait_then_200_is_one_notice_with_one_id(
    tmp_path: Path, server: HttpReceiver
) -> None:
    server.answers = [(500, {}, b"oops"), (429, {"Retry-After": "7200"}, b"slow down")]
    clock = ManualClock()
    carrier, outbox = courier(tmp_path, server, clock)

    async def check() -> None:
        assert await carrier.tell([NOTICE]) == 1
        await carrier.deliver_due()
        assert advance(clock, await outbox.next_at()) < 13
        await carrier.deliver_due()
        assert advance(clock, await outbox.next_at()) >= 7200
        await carrier.deliver_due()
        assert await outbox.counts() == {(ReceiverName("it"), DeliveryState.SENT): 1}
        assert await outbox.next_at() is None
        assert await carrier.tell([NOTICE]) == 0

    try:
        asyncio.run(check())
    finally:
        outbox.close()
    assert server.ids == [NOTICE.id] * 3
    assert len({one.body for one in server.seen}) == 1
    assert len({one.headers["webhook-timestamp"] for one in server.seen}) == 3
    assert all(verify(one, KEY) for one in server.seen)


def test_what_is_refused_becomes_a_dead_letter_and_arrives_when_it_is_wanted_again(
    tmp_path: Path, server: HttpReceiver
) -> None:
    server.answers = [(422, {}, b"unknown field")]
    carrier, outbox = courier(tmp_path, server, ManualClock())

    async def check() -> None:
        await carrier.tell([NOTICE])
        await carrier.deliver_due()
        (dead,) = await outbox.held(DeliveryState.DEAD, most=9)
        assert dead.delivery.fault == "answered 422: unknown field"
        assert await carrier.deliver_due() == 0
        await carrier.retry(lambda _: True)
        assert await carrier.deliver_due() == 1

    try:
        asyncio.run(check())
    finally:
        outbox.close()
    assert server.ids == [NOTICE.id] * 2


def test_a_server_that_hangs_is_given_up_in_time(server: HttpReceiver) -> None:
    server.answers = [None]
    began = time.monotonic()
    how = hook(server, patience=SHORT)
    assert how == PutOff("no answer within 0.4 s")
    assert time.monotonic() - began < 3


def test_a_server_that_takes_the_connection_and_says_nothing_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        for scheme in ("http", "https"):
            began = time.monotonic()
            how = deliver(HOOK, url=f"{scheme}://127.0.0.1:{port}/", secret=SECRET, patience=SHORT)
            assert isinstance(how, PutOff)
            assert time.monotonic() - began < 3


def test_redirects_are_not_followed(server: HttpReceiver) -> None:
    with http_receiver() as elsewhere:
        for status in (301, 302, 307, 308):
            server.answers = [(status, {"Location": elsewhere.url("/steal")}, b"")]
            assert hook(server) == Refused(f"answered {status}: redirects are not followed")
        assert not elsewhere.seen
    assert len(server.seen) == 4


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "closed without an answer"),
        (b"SSH-2.0-OpenSSH\r\n", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 300_000, ""),
    ],
)
def test_what_is_no_answer_is_put_off(server: HttpReceiver, answer: bytes, said: str) -> None:
    server.answers = [answer]
    how = hook(server)
    assert isinstance(how, PutOff | Taken)
    if said:
        assert isinstance(how, PutOff)
        assert said in how.fault


def test_of_an_endless_answer_only_the_beginning_is_read(server: HttpReceiver) -> None:
    server.answers = [
        b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n" + b"x" * 10_000_000,
        b"HTTP/1.1 503 no\r\ntransfer-encoding: chunked\r\n\r\n" + b"5\r\nhello\r\n" * 100_000,
    ]
    assert hook(server) == Taken()
    how = hook(server)
    assert isinstance(how, PutOff)
    assert len(how.fault) < 200


def test_nobody_there_is_put_off_without_the_urls_path() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    how = deliver(HOOK, url=f"http://127.0.0.1:{port}/secret-path", secret=SECRET)
    assert isinstance(how, PutOff)
    assert how.fault.startswith("127.0.0.1: ")
    assert "secret-path" not in how.fault
    unknown = deliver(HOOK, url="http://no-such-host.invalid/", secret=SECRET)
    assert isinstance(unknown, PutOff)


@pytest.mark.parametrize("host", ["169.254.169.254", "[fe80::1]", "[::ffff:169.254.169.254]", "0.0.0.1"])
def test_nothing_goes_to_a_metadata_service(host: str) -> None:
    began = time.monotonic()
    how = deliver(HOOK, url=f"http://{host}/latest/meta-data/", secret=SECRET)
    assert isinstance(how, PutOff)
    assert "where no notice is ever sent" in how.fault
    assert time.monotonic() - began < 3


def test_a_certificate_is_checked_against_the_authorities_of_the_settings(tmp_path: Path) -> None:
    pair = own_certificate(tmp_path / "right", ("127.0.0.1",))
    other = own_certificate(tmp_path / "wrong", ("127.0.0.1",))
    named = own_certificate(tmp_path / "named", ("elsewhere.example",))
    with http_receiver(pair) as server:
        url = server.url("/hook", scheme="https")
        assert deliver(HOOK, url=url, secret=SECRET, ca_file=pair[0]) == Taken()
        for trusted in (other[0], None):
            how = deliver(HOOK, url=url, secret=SECRET, ca_file=trusted)
            assert isinstance(how, PutOff)
            assert "its certificate is not good" in how.fault
        assert len(server.seen) == 1
    with http_receiver(named) as server:
        how = deliver(HOOK, url=server.url(scheme="https"), secret=SECRET, ca_file=named[0])
        assert isinstance(how, PutOff)
        assert not server.seen


def test_a_secret_with_a_line_break_begins_no_header(server: HttpReceiver) -> None:
    one = receiver(settings(ReceiverKind.SPLUNK, url=server.url(), secret="good"), ORIGIN)
    render = one._render  # type: ignore[attr-defined]  # the test looks inside

    def broken(notice: Any, at: Instant) -> Any:
        made = render(notice, at)
        return type(made)(made.url, (("authorization", "x\r\nevil: yes"),), made.body)

    one._render = broken  # type: ignore[attr-defined]  # as above
    how = asyncio.run(one.deliver(NOTICE, AT))
    assert isinstance(how, PutOff)
    assert not server.seen


# The other forms that travel so


def test_slack_is_posted_to_the_url_that_is_its_secret(server: HttpReceiver) -> None:
    assert deliver(ReceiverKind.SLACK, secret=server.url("/services/T/B/x")) == Taken()
    (one,) = server.seen
    assert one.path == "/services/T/B/x"
    assert one.json["blocks"][0]["type"] == "header"
    assert "<!channel>" not in one.body.decode()


def test_pagerduty_splunk_and_elastic_are_given_their_credentials(server: HttpReceiver) -> None:
    server.answers = [
        (202, {}, b'{"status":"success"}'),
        (200, {}, b'{"text":"Success","code":0}'),
        (200, {}, b'{"errors":false,"items":[{"create":{"status":201}}]}'),
        (200, {}, b'{"errors":true,"items":[{"create":{"status":400}}]}'),
    ]
    base = server.url()
    assert deliver(ReceiverKind.PAGERDUTY, url=server.url("/v2/enqueue"), secret="r" * 32) == Taken()
    assert deliver(ReceiverKind.SPLUNK, url=base, secret="hec", index="sec") == Taken()
    assert deliver(ReceiverKind.ELASTIC, url=base, secret="api") == Taken()
    assert deliver(ReceiverKind.ELASTIC, url=base, secret="api") == Refused("answered 400")
    pager, splunk, elastic, _ = server.seen
    assert (pager.path, pager.json["routing_key"]) == ("/v2/enqueue", "r" * 32)
    assert (splunk.path, splunk.headers["authorization"]) == ("/services/collector/event", "Splunk hec")
    assert (elastic.path, elastic.headers["authorization"]) == ("/_bulk", "ApiKey api")
    assert elastic.headers["content-type"] == "application/x-ndjson"
