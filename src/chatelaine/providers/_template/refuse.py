"""Refusals as this provider tells them."""

import msgspec

from chatelaine.model.exchange import Refusal
from chatelaine.model.provider import RefusedReply
from chatelaine.model.words import ExchangeId

_JSON = (("content-type", "application/json"),)


def refuse(refusal: Refusal, exchange: ExchangeId) -> RefusedReply:
    """Return a refusal as ``{"error": {code, message}}``.

    It may depend on what the refusal tells and on the exchange's id alone, never on its reason: the
    caller must not learn whether a key is unknown, suspended or expired.
    """
    del exchange
    error = {"code": refusal.code, "message": refusal.message}
    return RefusedReply(_JSON, msgspec.json.encode({"error": error}))
