"""Refusals as Anthropic tells them."""

import msgspec

from chatelaine.model.exchange import Refusal
from chatelaine.model.provider import RefusedReply
from chatelaine.model.words import ExchangeId

_JSON = (("content-type", "application/json"),)
_SERVER_FAULT = 500
_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
}


def refuse(refusal: Refusal, exchange: ExchangeId) -> RefusedReply:
    """Return a refusal as ``{"type": "error", "error": {type, message}, "request_id": …}``."""
    kind = _TYPES.get(refusal.status)
    if kind is None:
        kind = "api_error" if refusal.status >= _SERVER_FAULT else "invalid_request_error"
    body = {"type": "error", "error": {"type": kind, "message": refusal.message}, "request_id": exchange}
    return RefusedReply(_JSON, msgspec.json.encode(body))
