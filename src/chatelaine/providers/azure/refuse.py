"""Refusals as Azure tells them."""

import msgspec

from chatelaine.model.exchange import Refusal
from chatelaine.model.provider import RefusedReply
from chatelaine.model.words import ExchangeId

_JSON = (("content-type", "application/json"),)
_CODES = {401: "401", 403: "403", 404: "DeploymentNotFound", 429: "429"}


def refuse(refusal: Refusal, exchange: ExchangeId) -> RefusedReply:
    """Return a refusal as ``{"error": {code, message}}``."""
    del exchange
    error = {"code": _CODES.get(refusal.status, refusal.code), "message": refusal.message}
    return RefusedReply(_JSON, msgspec.json.encode({"error": error}))
