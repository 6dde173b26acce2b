"""The generic webhook: JSON with the headers of Standard Webhooks (standardwebhooks.com, version 1)."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from typing import Final

from chatelaine.core.notice.form import JSON, JSON_HEADER, event_type, told, write
from chatelaine.core.notice.text import fitted, iso
from chatelaine.model.error import SecretUnreadable
from chatelaine.model.notice import Notice, Origin, Posting
from chatelaine.model.words import SECOND, Instant, NoticeId

MARKED: Final = "whsec_"
_LEAST, _MOST = 24, 64
"""Bytes of a secret, as the standard has them."""
_LARGEST: Final = 20_000
"""The standard asks for payloads below 20 kB."""


def read_key(secret: bytes) -> bytes:
    """Return the signing key in a secret ``whsec_…``.

    Raises:
        SecretUnreadable: it is none; nothing of it stands in the message.
    """
    text = secret.decode("ascii", "replace").strip()
    try:
        key = base64.b64decode(text.removeprefix(MARKED), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not text.startswith(MARKED) or not _LEAST <= len(key) <= _MOST:
        raise SecretUnreadable(
            "a webhook's secret is not whsec_ and the base64 of 24 to 64 bytes",
            hint='make one with: echo "whsec_$(openssl rand -base64 32)"',
        )
    return key


def sign(key: bytes, notice: NoticeId, *, timestamp: int, body: bytes) -> str:
    """Return one signature: ``v1,`` and the base64 of HMAC-SHA256 over ``id.timestamp.body``."""
    signed = b".".join((notice.encode(), str(timestamp).encode(), body))
    return f"v1,{base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()}"


def webhook(notice: Notice, *, url: str, keys: Sequence[bytes], at: Instant) -> Posting:
    """Return the request; each key signs, so that a receiver may know the old one or the new.

    The id is the notice's own in every attempt: by it a receiver drops what it has already.
    """
    body = fitted(notice, _body, most=_LARGEST)
    timestamp = at // SECOND
    signatures = " ".join(sign(key, notice.id, timestamp=timestamp, body=body) for key in keys)
    headers = (
        JSON_HEADER,
        ("webhook-id", notice.id),
        ("webhook-timestamp", str(timestamp)),
        ("webhook-signature", signatures),
    )
    return Posting(url, headers, body)


def _body(notice: Notice) -> bytes:
    return write({"type": event_type(notice), "timestamp": iso(notice.at), "data": told(notice)})


def as_json(notice: Notice, origin: Origin) -> JSON:
    """Return the body of the webhook with who speaks, for receivers that are sent no headers."""
    return {
        "type": event_type(notice),
        "timestamp": iso(notice.at),
        "source": {"product": "chatelaine", "version": origin.version, "host": origin.host},
        "data": told(notice),
    }
