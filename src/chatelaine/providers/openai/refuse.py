"""Refusals as OpenAI tells them."""

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
    429: "rate_limit_error",
}


def refuse(refusal: Refusal, exchange: ExchangeId) -> RefusedReply:
    """Return a refusal as ``{"error": {message, type, param, code}}``."""
    del exchange
    kind = _TYPES.get(refusal.status)
    if kind is None:
        kind = "server_error" if refusal.status >= _SERVER_FAULT else "invalid_request_error"
    error = {"message": refusal.message, "type": kind, "param": None, "code": refusal.code}
    return RefusedReply(_JSON, msgspec.json.encode({"error": error}))
