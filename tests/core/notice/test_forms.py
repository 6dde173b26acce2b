"""Every form of a notice, read back by a parser of its own kind; and hostile texts in all of them."""

import base64
import email
import email.policy
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chatelaine.core.notice.cef import cef
from chatelaine.core.notice.elastic import elastic, judge_bulk
from chatelaine.core.notice.mail import mail
from chatelaine.core.notice.pagerduty import EVENTS_URL, pagerduty
from chatelaine.core.notice.slack import slack
from chatelaine.core.notice.splunk import splunk
from chatelaine.core.notice.syslog import DATAGRAM_MAX, MESSAGE_MAX, counted, syslog_cef, syslog_json
from chatelaine.core.notice.text import cleaned, fitted
from chatelaine.core.notice.webhook import read_key, sign, webhook
from chatelaine.model.detection import Severity
from chatelaine.model.error import SecretUnreadable
from chatelaine.model.notice import (
    Answer,
    Notice,
    NoticeKind,
    NoticeLink,
    Origin,
    PutOff,
    Refused,
    Taken,
)
from chatelaine.model.words import IncidentId, Instant, KeyId, NoticeId, OwnerId

ORIGIN = Origin("gate-1.example", "1.2.3")
AT = Instant(1_720_000_000_123_456_789)
KEY = bytes(range(32))
MARKED = "whsec" + "_"

OPENED = Notice(
    id=NoticeId("msg_0123456789abcdef01234567"),
    at=AT,
    kind=NoticeKind.INCIDENT_OPENED,
    severity=Severity.HIGH,
    title="A foreign client uses key AAAAAAAAA",
    summary="Twelve requests from AS64500 in four seconds.\nThe owner was never there.",
    incident=IncidentId("inc_000000000001"),
    key=KeyId("AAAAAAAAA"),
    owner=OwnerId("acme"),
    facts=(("network", "AS64500"), ("client", "axios")),
    links=(NoticeLink("Open the incident", "https://console.example/incidents/inc_000000000001?a=b"),),
)


def hostile_notice(text: str) -> Notice:
    """Return a notice that says one text wherever it may."""
    return Notice(
        id=OPENED.id,
        at=AT,
        kind=NoticeKind.ACTION_NEEDED,
        severity=Severity.CRITICAL,
        title=text,
        summary=text,
        incident=IncidentId(text),
        key=KeyId(text),
        owner=OwnerId(text),
        facts=((text, text),) * 3,
        links=(NoticeLink(text, "https://console.example/"), NoticeLink("x", text)),
        dedup=text,
    )


HOSTILE = (
    "\r\nBcc: everybody@example.org\r\n\r\nbody",
    "<!channel> <@U123> <https://evil.example|login> &lt;!here&gt; *bold* `code`",
    'a|b\\|c=d\\=e\nf\rg "quoted" \\',
    "<0>1 2020-01-01T00:00:00Z other app - - - forged\n<0>second",
    "\u202egnp.exe \u2066 \u200b \x1b[2J \x00 \u2028 \ud800",
    '{"create":{}}\n{"index":{"_index":"other"}}\n',
    "x" * 100_000,
    "😀" * 5_000,
    "\\" * 5_000 + "|=" * 5_000,
    "",
)
hostile_texts = pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
anything = st.text(alphabet=st.characters(codec=None), max_size=60).map(hostile_notice)


def body(posting: Any) -> Any:
    return json.loads(posting.body)


# Cleaning


@hostile_texts
def test_a_cleaned_notice_is_bounded_printable_and_stays_as_it_is(text: str) -> None:
    clean = cleaned(hostile_notice(text))
    assert cleaned(clean) == clean
    for said in (clean.title, clean.incident, clean.key, clean.owner, clean.dedup, *clean.facts[0]):
        assert len(said) <= 500
        assert said.isprintable()
    assert all(line.isprintable() for line in clean.summary.split("\n"))
    assert [link.url for link in clean.links] == ["https://console.example/"]


def test_a_notice_never_carries_a_token_or_a_credential() -> None:
    token = "chln_live_AAAAAAAAA_" + "k" * 49
    for secret in (token, "Authorization: Bearer hunter2hunter2", "sk-" + "A1b2" * 10):
        told = repr(cleaned(hostile_notice(f"seen {secret} there")))
        assert "k" * 20 not in told
        assert "hunter2" not in told
        assert "A1b2A1b2" not in told


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "https://", "http://a b", "https://x/\n", "//x", "https://x:99999/", "file:///x",
            "https://x/<script>", "https://user:pass@x/", "https://é.example/"],
)  # fmt: skip
def test_what_is_no_plain_link_is_left_out(url: str) -> None:
    kept = cleaned(replace(OPENED, links=(NoticeLink("t", url),)))
    assert kept.links == ()


# The generic webhook


def test_the_signature_is_that_of_the_standards_own_example() -> None:
    key = read_key(f"{MARKED}MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".encode())
    made = sign(
        key, NoticeId("msg_p5jXN8AQM9LWM0D4loKWxJek"), timestamp=1614265330, body=b'{"test": 2432232314}'
    )
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_webhook_has_the_headers_of_the_standard_and_every_key_signs() -> None:
    at = Instant(AT + 5_000_000_000)
    posting = webhook(OPENED, url="https://x/y", keys=[KEY, b"o" * 32], at=at)
    headers = dict(posting.headers)
    assert headers["webhook-id"] == OPENED.id
    assert headers["webhook-timestamp"] == "1720000005"
    expected = [sign(key, OPENED.id, timestamp=1720000005, body=posting.body) for key in (KEY, b"o" * 32)]
    assert headers["webhook-signature"].split(" ") == expected
    told = body(posting)
    assert told["type"] == "incident.opened"
    assert told["timestamp"] == "2024-07-03T09:46:40.123Z"
    assert told["data"]["facts"] == [
        {"name": "network", "value": "AS64500"},
        {"name": "client", "value": "axios"},
    ]
    assert told["data"]["severity"] == "high"


@pytest.mark.parametrize(
    "secret",
    [b"", b"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", MARKED.encode(), f"{MARKED}!!".encode(), b"\xff" * 40,
     MARKED.encode() + base64.b64encode(b"short"), MARKED.encode() + base64.b64encode(b"x" * 65)],
)  # fmt: skip
def test_a_secret_that_is_none_is_refused_and_not_repeated(secret: bytes) -> None:
    with pytest.raises(SecretUnreadable) as caught:
        read_key(secret)
    assert "MfKQ" not in str(caught.value)


# Slack


def texts_of(value: Any) -> list[dict[str, Any]]:
    """Return every text object of blocks."""
    if isinstance(value, dict):
        own = [value] if value.get("type") in {"plain_text", "mrkdwn"} else []
        return own + [one for inner in value.values() for one in texts_of(inner)]
    return [one for inner in value for one in texts_of(inner)] if isinstance(value, list) else []


@hostile_texts
def test_slack_reads_nothing_of_a_notice_as_a_command(text: str) -> None:
    told = body(slack(cleaned(hostile_notice(text)), url="https://hooks.example/x"))
    texts = texts_of(told["blocks"])
    assert {one["type"] for one in texts} == {"plain_text"}
    for said in (told["text"], *(one["text"] for one in texts)):
        assert not re.search(r"[<>]|&(?!amp;|lt;|gt;)", said)
        assert 0 < len(said) <= 3000
    assert not re.search(r"(?<!\u200b)[*_~`@]", told["text"])
    header = next(one for one in told["blocks"] if one["type"] == "header")
    assert len(header["text"]["text"]) <= 150
    assert all(len(block.get("fields", ())) <= 10 for block in told["blocks"])


def test_slack_shows_verdict_key_why_and_a_button() -> None:
    told = body(slack(OPENED, url="https://hooks.example/x"))
    assert "incident opened: A foreign client" in told["blocks"][0]["text"]["text"]
    fields = [field["text"] for block in told["blocks"] for field in block.get("fields", ())]
    assert fields[:3] == ["Key\nAAAAAAAAA", "Owner\nacme", "Incident\ninc_000000000001"]
    (actions,) = [block for block in told["blocks"] if block["type"] == "actions"]
    assert actions["elements"][0]["url"] == OPENED.links[0].url


# PagerDuty


@pytest.mark.parametrize(
    ("kind", "action"),
    [("incident_opened", "trigger"), ("action_needed", "trigger"), ("contained", "acknowledge"),
     ("closed", "resolve"), ("test", "trigger")],
)  # fmt: skip
def test_pagerduty_is_told_of_one_alert_an_incident(kind: str, action: str) -> None:
    notice = Notice(id=NoticeId("msg_1"), at=AT, kind=NoticeKind(kind), severity=Severity.CRITICAL, title="t",
                    summary="s", incident=IncidentId("inc_1"))  # fmt: skip
    told = body(pagerduty(notice, url=EVENTS_URL, routing_key="r" * 32, origin=ORIGIN))
    assert (told["event_action"], told["dedup_key"], told["routing_key"]) == (action, "inc_1", "r" * 32)
    assert (told["payload"]["severity"], told["payload"]["source"]) == ("critical", "gate-1.example")


@hostile_texts
def test_what_pagerduty_is_told_keeps_its_bounds(text: str) -> None:
    posting = pagerduty(cleaned(hostile_notice(text)), url=EVENTS_URL, routing_key="r", origin=ORIGIN)
    told = body(posting)
    assert len(posting.body) < 512_000
    assert 0 < len(told["dedup_key"]) <= 255
    assert len(told["payload"]["summary"]) <= 1024


# E-mail


def read_mail(notice: Notice) -> Any:
    raw = mail(notice, sender="chatelaine@example.org", recipients=("a@x.org", "b@x.org"), origin=ORIGIN)
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", raw)
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    return email.message_from_bytes(raw, policy=email.policy.default)


@hostile_texts
def test_no_text_of_a_notice_makes_a_header_of_its_own(text: str) -> None:
    for notice in (hostile_notice(text), cleaned(hostile_notice(text))):
        if "\ud800" in text and notice.title == text:
            continue
        read = read_mail(notice)
        assert sorted(read.keys()) == sorted({
            "From", "Subject", "Date", "Message-ID", "References", "Auto-Submitted", "X-Chatelaine-Notice",
            "To", "Content-Type", "Content-Transfer-Encoding", "MIME-Version",
        } - (set() if notice.thread != notice.id else {"References"}))  # fmt: skip
        assert read["To"] == "a@x.org, b@x.org"
        assert not read.is_multipart()


def test_mails_of_one_incident_are_joined_and_repeats_are_known() -> None:
    read = read_mail(OPENED)
    assert read["Subject"] == "[Chatelaine] high: A foreign client uses key AAAAAAAAA"
    assert read["Message-ID"] == "<msg-0123456789abcdef01234567@example.org>"
    assert read["References"] == "<inc-000000000001@example.org>"
    assert read["Auto-Submitted"] == "auto-generated"
    said = read.get_content().replace("\r\n", "\n")
    for words in (OPENED.summary, "network: AS64500", OPENED.links[0].url, "owner: acme"):
        assert words in said


# Syslog and CEF

HEAD = re.compile(rb"<(\d{1,3})>1 (\S+) ([!-~]{1,255}) ([!-~]{1,48}) - ([!-~]{1,32}) - (.*)", re.DOTALL)


def read_cef(line: str) -> tuple[list[str], dict[str, str]]:
    """Return header and pairs of a line of CEF, by its own rules of escaping."""
    *head, rest = re.split(r"(?<!\\)(?:\\\\)*\|", line, maxsplit=7)
    unescape = {"\\\\": "\\", "\\|": "|", "\\=": "=", "\\n": "\n", "\\r": "\r"}

    def plain(text: str) -> str:
        return re.sub(r"\\[\\|=nr]", lambda found: unescape[found[0]], text)

    pairs = re.findall(r"(\w+)=((?:[^\\=]|\\[\\=nr])*?)(?= \w+=|$)", rest)
    return [plain(part) for part in head], {name: plain(value) for name, value in pairs}


@hostile_texts
@pytest.mark.parametrize("most", [DATAGRAM_MAX, MESSAGE_MAX])
def test_a_syslog_message_is_one_whatever_the_texts_are(text: str, most: int) -> None:
    notice = cleaned(hostile_notice(text))
    for form in (syslog_json, syslog_cef):
        message = form(notice, origin=ORIGIN, most=most)
        assert len(message) <= most
        assert b"\n" not in message
        found = HEAD.fullmatch(message)
        assert found is not None
        assert found[1] == b"106"
        assert (found[2], found[3], found[5]) == (
            b"2024-07-03T09:46:40.123456Z", b"gate-1.example", b"action_needed",
        )  # fmt: skip
        if form is syslog_json:
            assert json.loads(found[6])["data"]["kind"] == "action_needed"


@pytest.mark.parametrize("host", ["", "é ü", "a b\nc", "x" * 300])
def test_a_host_is_named_as_the_header_allows(host: str) -> None:
    message = syslog_json(OPENED, origin=Origin(host, "1"), most=MESSAGE_MAX)
    assert HEAD.fullmatch(message)


def test_cef_is_read_back_with_its_bars_and_equals_signs() -> None:
    notice = hostile_notice("a|b=c\\d\ne")
    head, pairs = read_cef(cef(notice, ORIGIN).decode())
    assert head[:5] == ["CEF:0", "Chatelaine", "Chatelaine", "1.2.3", "incident.action_needed"]
    assert head[5] == "a|b=c\\d e"
    assert head[6] == "10"
    assert pairs["msg"] == "a|b=c\\d\ne"
    assert pairs["externalId"] == OPENED.id
    assert (pairs["cs1Label"], pairs["cs1"]) == ("incident", "a|b=c\\d\ne")


def test_a_frame_says_how_long_the_message_is() -> None:
    assert counted("é".encode()) == b"2 \xc3\xa9"


# Splunk and Elastic


def test_splunk_is_given_time_type_and_index() -> None:
    posting = splunk(OPENED, url="https://splunk:8088/", credential="c", index="sec", origin=ORIGIN)
    assert posting.url == "https://splunk:8088/services/collector/event"
    assert ("authorization", "Splunk c") in posting.headers
    told = body(posting)
    assert (told["time"], told["sourcetype"], told["index"]) == (1720000000.123, "chatelaine:incident", "sec")
    assert told["event"]["data"]["id"] == OPENED.id
    assert "index" not in body(splunk(OPENED, url="https://s", credential="c", index="", origin=ORIGIN))


@hostile_texts
def test_elastic_is_given_one_document_in_two_lines(text: str) -> None:
    notice = cleaned(hostile_notice(text))
    posting = elastic(notice, url="https://e", credential="c", index="", origin=ORIGIN)
    action, document, rest = posting.body.split(b"\n")
    assert not rest
    assert json.loads(action) == {"create": {"_index": "logs-chatelaine.notice-default", "_id": OPENED.id}}
    told = json.loads(document)
    assert told["event"]["kind"] == "alert"
    assert told["event"]["severity"] == 99
    assert told["@timestamp"] == "2024-07-03T09:46:40.123Z"


@pytest.mark.parametrize(
    ("status", "said", "kind"),
    [
        (200, '{"errors":false,"items":[{"create":{"status":201}}]}', Taken),
        (200, '{"errors":true,"items":[{"create":{"status":409}}]}', Taken),
        (200, '{"errors":true,"items":[{"create":{"status":429}}]}', PutOff),
        (200, '{"errors":true,"items":[{"create":{"status":503}}]}', PutOff),
        (200, '{"errors":true,"items":[{"create":{"status":400}}]}', Refused),
        (200, "<html>login</html>", PutOff),
        (200, '{"items":[]}', PutOff),
        (200, '{"items":[{}]}', PutOff),
        (401, "{}", PutOff),
        (413, "{}", Refused),
    ],
)
def test_a_bulk_answer_is_read_to_its_item(status: int, said: str, kind: type) -> None:
    assert isinstance(judge_bulk(Answer(status, body=said.encode()), AT), kind)


# All of them

FORMS: tuple[Callable[[Notice], bytes], ...] = (
    lambda notice: webhook(notice, url="https://x", keys=[KEY], at=AT).body,
    lambda notice: slack(notice, url="https://x").body,
    lambda notice: pagerduty(notice, url="https://x", routing_key="r", origin=ORIGIN).body,
    lambda notice: mail(notice, sender="a@x.org", recipients=["b@x.org"], origin=ORIGIN),
    lambda notice: syslog_json(notice, origin=ORIGIN, most=DATAGRAM_MAX),
    lambda notice: syslog_cef(notice, origin=ORIGIN, most=DATAGRAM_MAX),
    lambda notice: splunk(notice, url="https://x", credential="c", index="", origin=ORIGIN).body,
    lambda notice: elastic(notice, url="https://x", credential="c", index="", origin=ORIGIN).body,
)


@given(anything)
def test_every_form_takes_any_text_there_is(notice: Notice) -> None:
    for form in FORMS:
        rendered = form(cleaned(notice))
        assert rendered
        assert rendered == form(cleaned(notice)), "a repeat has the same bytes"


def test_what_is_too_long_is_cut_until_it_fits() -> None:
    long = cleaned(hostile_notice("long " * 1000))
    whole = fitted(long, lambda notice: repr(notice).encode(), most=10**6)
    cut = fitted(long, lambda notice: repr(notice).encode(), most=3000)
    assert len(whole) > 3000 >= len(cut)
