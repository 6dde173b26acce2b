"""What answers mean, how long a receiver asks to be left alone, and where nothing is ever sent."""

from datetime import timedelta
from ipaddress import ip_address

import pytest

from chatelaine.core.notice.http import is_forbidden, is_inner, judge, retry_after
from chatelaine.model.notice import Answer, PutOff, Refused, Taken
from chatelaine.model.words import Instant

NOW = Instant(1_720_000_000_000_000_000)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_success_of_any_kind_is_taken(status: int) -> None:
    assert judge(Answer(status), NOW) == Taken()


@pytest.mark.parametrize("status", [401, 403, 404, 408, 425, 429, 500, 502, 503, 504, 599, 101, 700])
def test_what_may_pass_or_may_be_mended_is_put_off(status: int) -> None:
    assert isinstance(judge(Answer(status), NOW), PutOff)


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 410, 413, 415, 422])
def test_what_the_same_bytes_would_meet_again_is_refused(status: int) -> None:
    assert isinstance(judge(Answer(status), NOW), Refused)


def test_the_fault_says_what_was_answered_without_credentials_and_briefly() -> None:
    how = judge(Answer(403, body=b"no: token=abcdefgh12345678 " + b"x" * 500), NOW)
    assert isinstance(how, PutOff)
    assert how.fault.startswith("answered 403: no: token=***")
    assert len(how.fault) < 160


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("120", timedelta(minutes=2)),
        (" 0 ", timedelta()),
        ("Wed, 03 Jul 2024 09:47:40 GMT", timedelta(minutes=1)),
        ("Wed, 03 Jul 2000 09:47:40 GMT", timedelta()),
        ("", None),
        ("-5", None),
        ("soon", None),
        ("1e3", None),
        ("9" * 400, None),
        ("٣", None),
        ("Wed, 99 Jul 2024 99:47:40 GMT", None),
        ("Wed, 03 Jul 2024 09:47:40", None),
    ],
)
def test_retry_after_is_read_in_both_its_forms_and_else_passed_over(
    value: str, wait: timedelta | None
) -> None:
    assert retry_after(value, NOW) == wait
    how = judge(Answer(429, (("Retry-After", value),)), NOW)
    assert isinstance(how, PutOff)
    assert how.after == wait


@pytest.mark.parametrize(
    "ip", ["169.254.169.254", "169.254.0.1", "fe80::1", "fd00:ec2::254", "100.100.100.200", "168.63.129.16",
           "192.0.0.192", "0.0.0.1", "::", "224.0.0.1", "255.255.255.255", "ff02::1", "fd20:ce::254"],
)  # fmt: skip
def test_nothing_is_sent_to_metadata_services_and_multicast(ip: str) -> None:
    assert is_forbidden(ip_address(ip))


@pytest.mark.parametrize(
    "ip", ["127.0.0.1", "::1", "10.0.0.1", "192.168.1.1", "fd12::1", "1.1.1.1", "100.64.0.1"]
)
def test_inner_networks_are_allowed(ip: str) -> None:
    assert not is_forbidden(ip_address(ip))


def test_only_this_machine_is_inner() -> None:
    assert [is_inner(host) for host in ("localhost", "127.0.0.9", "::1", "10.0.0.1", "logs")] == [
        True, True, True, False, False,
    ]  # fmt: skip
