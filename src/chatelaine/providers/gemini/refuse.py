"""Refusals as Gemini tells them."""

import msgspec

from chatelaine.model.exchange import Refusal
from chatelaine.model.provider import RefusedReply
from chatelaine.model.words import ExchangeId

_JSON = (("content-type", "application/json; charset=UTF-8"),)
_SERVER_FAULT = 500
_STATES = {
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def refuse(refusal: Refusal, exchange: ExchangeId) -> RefusedReply:
    """Return a refusal as ``{"error": {code, message, status}}`` with a canonical state."""
    del exchange
    state = _STATES.get(refusal.status)
    if state is None:
        state = "INTERNAL" if refusal.status >= _SERVER_FAULT else "INVALID_ARGUMENT"
    error = {"code": refusal.status, "message": refusal.message, "status": state}
    return RefusedReply(_JSON, msgspec.json.encode({"error": error}))
