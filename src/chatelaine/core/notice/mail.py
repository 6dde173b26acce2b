"""A notice as an e-mail in plain text (RFC 5322); mail programs join the mails of one incident."""

from collections.abc import Iterator, Sequence
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Final

from chatelaine.core.notice.form import severity_word
from chatelaine.core.notice.text import clean, iso, moment
from chatelaine.model.notice import Notice, Origin

_SUBJECT_MAX: Final = 180


def mail(notice: Notice, *, sender: str, recipients: Sequence[str], origin: Origin) -> bytes:
    """Return the message with lines ended by CRLF.

    Args:
        notice: what is told.
        sender: one address; its domain names the message.
        recipients: addresses.
        origin: which Chatelaine speaks.
    """
    message = EmailMessage(policy=SMTP)
    for name, value in _headers(notice, sender, origin):
        # No line break of a notice may begin a header of its own (CWE-93).
        message[name] = clean(value, most=_SUBJECT_MAX)
    message["To"] = ", ".join(recipients)
    message.set_content("".join(f"{line}\n" for line in _lines(notice, origin)))
    return message.as_bytes()


def _headers(notice: Notice, sender: str, origin: Origin) -> Iterator[tuple[str, str]]:
    domain = sender.rpartition("@")[2] or "chatelaine.invalid"
    yield "From", sender
    yield "Subject", f"[Chatelaine] {severity_word(notice)}: {notice.title}"
    yield "Date", format_datetime(moment(notice.at))
    # The same in every attempt: mail systems drop a second copy by it.
    yield "Message-ID", f"<{_atom(notice.id)}@{domain}>"
    if notice.thread != notice.id:
        yield "References", f"<{_atom(notice.thread)}@{domain}>"
    # RFC 3834: no out-of-office reply is wanted.
    yield "Auto-Submitted", "auto-generated"
    yield "X-Chatelaine-Notice", f"{notice.id} {notice.kind} from {origin.host}"


def _atom(text: str) -> str:
    """Return a text as the left side of a message's id has it (RFC 5322, 3.2.3)."""
    return "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in text)[:64]


def _lines(notice: Notice, origin: Origin) -> Iterator[str]:
    yield from (notice.title, "", notice.summary, "")
    named = (("severity", severity_word(notice)), ("owner", notice.owner), ("key", notice.key))
    for name, value in (*named, ("incident", notice.incident), ("at", iso(notice.at)), *notice.facts):
        if value:
            yield f"{name}: {value}"
    for link in notice.links:
        yield from ("", f"{link.title}:", link.url)
    # The usual mark of a signature, with its blank.
    yield from ("", "-- ", f"Chatelaine {origin.version} on {origin.host}, notice {notice.id}")
