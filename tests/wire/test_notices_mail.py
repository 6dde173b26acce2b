"""Receivers by e-mail against a real SMTP server: STARTTLS, TLS, login, refusals, hangs."""

import email
import email.policy
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword
from notices import NOTICE, deliver

from chatelaine.adapters.tls import own_certificate
from chatelaine.model.notice import PutOff, ReceiverKind, Reception, Refused, Taken
from chatelaine.model.settings import Carriage

Pair = tuple[Path, Path]


class Handler:
    """Takes mail, or answers as it is told."""

    def __init__(self) -> None:
        self.mails: list[Envelope] = []
        self.users: list[bytes] = []
        self.on_data = "250 OK"
        self.on_recipient: dict[str, str] = {}

    async def handle_RCPT(  # noqa: N802 - the name is aiosmtpd's
        self, server: Any, connection: Any, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        del server, connection, options
        answer = self.on_recipient.get(address, "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: Any, connection: Any, envelope: Envelope) -> str:  # noqa: N802 - as above
        del server, connection
        if self.on_data.startswith("250"):
            self.mails.append(envelope)
        return self.on_data

    def authenticate(self, server: Any, connection: Any, envelope: Any, method: str, data: Any) -> AuthResult:
        del server, connection, envelope, method
        assert isinstance(data, LoginPassword)
        self.users.append(data.login)
        right = data.password == b"open sesame"
        # What is not handled here the server answers itself, with 535.
        return AuthResult(success=right, handled=right)


class Server(Controller):
    """A server on a free port, which it learns before it tries itself out."""

    def _trigger_server(self) -> None:
        assert self.server is not None
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@contextmanager
def smtp(handler: Handler, **options: Any) -> Iterator[int]:
    server = Server(handler, hostname="127.0.0.1", port=0, **options)
    server.start()
    try:
        yield server.port
    finally:
        server.stop()


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return own_certificate(tmp_path_factory.mktemp("tls"), ("127.0.0.1",))


@pytest.fixture
def handler() -> Handler:
    return Handler()


def context(pair: Pair) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(*pair)
    return made


def mail(port: int, **fields: Any) -> Reception:
    given = {
        "host": "127.0.0.1",
        "port": port,
        "carriage": Carriage.TCP,
        "sender": "chatelaine@example.org",
        "recipients": ("security@example.org", "oncall@example.org"),
        **fields,
    }
    return deliver(ReceiverKind.EMAIL, **given)


def test_a_mail_arrives_once_for_all_its_recipients_and_reads_as_it_was_told(handler: Handler) -> None:
    with smtp(handler) as port:
        assert mail(port) == Taken()
    (envelope,) = handler.mails
    assert envelope.mail_from == "chatelaine@example.org"
    assert envelope.rcpt_tos == ["security@example.org", "oncall@example.org"]
    assert isinstance(envelope.content, bytes)
    read = email.message_from_bytes(envelope.content, policy=email.policy.default)
    assert read["Subject"] == f"[Chatelaine] high: {NOTICE.title}"
    assert read["To"] == "security@example.org, oncall@example.org"
    body = read.get_body()
    assert body is not None
    said = body.get_content().replace("\r\n", "\n")
    for words in (NOTICE.summary, 'a=b|c: \\ "quoted" <!channel>', NOTICE.links[0].url):
        assert words in said


def test_a_login_is_made_over_starttls_alone(handler: Handler, pair: Pair) -> None:
    with smtp(
        handler,
        tls_context=context(pair),
        authenticator=handler.authenticate,
        auth_required=True,
        require_starttls=True,
    ) as port:
        given = {"carriage": Carriage.STARTTLS, "ca_file": pair[0], "user": "us", "secret": "open sesame"}
        assert mail(port, **given) == Taken()
        wrong = mail(port, **{**given, "secret": "wrong"})
        assert isinstance(wrong, PutOff)
        assert wrong.fault.startswith("answered 535")
        assert "wrong" not in wrong.fault
        without = mail(port, ca_file=None, carriage=Carriage.STARTTLS)
        assert isinstance(without, PutOff)
        assert "certificate is not good" in without.fault
    assert {*handler.users} == {b"us"}
    assert len(handler.mails) == 1


def test_a_server_without_starttls_is_sent_nothing(handler: Handler) -> None:
    with smtp(handler) as port:
        how = mail(port, carriage=Carriage.STARTTLS, user="us", secret="open sesame")
    assert isinstance(how, PutOff)
    assert "STARTTLS" in how.fault
    assert not handler.mails
    assert not handler.users


def test_a_mail_goes_over_tls_from_the_first_byte(handler: Handler, pair: Pair) -> None:
    with smtp(handler, ssl_context=context(pair)) as port:
        assert mail(port, carriage=Carriage.TLS, ca_file=pair[0]) == Taken()
        how = mail(port, carriage=Carriage.TLS)
        assert isinstance(how, PutOff)
        assert "certificate is not good" in how.fault
    assert len(handler.mails) == 1


@pytest.mark.parametrize(
    ("answer", "kind"),
    [("451 try later", PutOff), ("552 too much", Refused), ("554 spam", Refused), ("421 closing", PutOff)],
)
def test_what_the_server_says_of_the_mail_decides(handler: Handler, answer: str, kind: type) -> None:
    handler.on_data = answer
    with smtp(handler) as port:
        how = mail(port)
    assert isinstance(how, kind)
    assert how.fault == f"answered {answer[:3]}: {answer[4:]}"


def test_of_refused_recipients_the_others_have_the_mail_once(handler: Handler) -> None:
    handler.on_recipient = {"oncall@example.org": "550 no such user"}
    with smtp(handler) as port:
        how = mail(port)
        assert how == Refused("not taken for oncall@example.org; the others have it")
        assert handler.mails[0].rcpt_tos == ["security@example.org"]
        handler.on_recipient["security@example.org"] = "550 gone"
        assert isinstance(mail(port), Refused)
        handler.on_recipient["security@example.org"] = "450 later"
        assert isinstance(mail(port), PutOff)
    assert len(handler.mails) == 1


def test_a_server_that_says_nothing_is_given_up_in_time_and_leaves_no_thread_waiting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        began = time.monotonic()
        how = mail(port, patience=timedelta(seconds=0.4))
        assert isinstance(how, PutOff)
        # The loop ends with its threads: a thread that waits on would hold it up.
        assert time.monotonic() - began < 3


def test_no_mail_goes_to_a_metadata_service() -> None:
    how = mail(25, host="169.254.169.254")
    assert isinstance(how, PutOff)
    assert "where no notice is ever sent" in how.fault
