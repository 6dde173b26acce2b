"""Refusals as Bedrock tells them."""

import msgspec

from chatelaine.model.exchange import Refusal
from chatelaine.model.provider import RefusedReply
from chatelaine.model.words import ExchangeId

_SERVER_FAULT = 500
_TYPES = {
    401: "UnrecognizedClientException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    429: "ThrottlingException",
    503: "ServiceUnavailableException",
    504: "ModelTimeoutException",
}


def refuse(refusal: Refusal, exchange: ExchangeId) -> RefusedReply:
    """Return a refusal as ``{"message": …}`` with its kind in ``x-amzn-ErrorType``."""
    del exchange
    kind = _TYPES.get(refusal.status)
    if kind is None:
        server = refusal.status >= _SERVER_FAULT
        kind = "InternalServerException" if server else "ValidationException"
    headers = (("content-type", "application/json"), ("x-amzn-ErrorType", kind))
    return RefusedReply(headers, msgspec.json.encode({"message": refusal.message}))
