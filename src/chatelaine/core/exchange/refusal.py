"""Refusals: what each reason is told the caller as. Credential failures are all told alike."""

from typing import Final

from chatelaine.model.exchange import Refusal, RefusalReason

_R = RefusalReason

_BAD_KEY: Final = (401, "invalid_api_key", "The API key is not valid.")
"""Unknown, wrong, revoked, expired, suspended: a thief must not learn which (keys.md §6, item 7)."""

_NOT_GRANTED: Final = (403, "not_allowed", "This key may not do this.")
_TOLD: Final[dict[RefusalReason, tuple[int, str, str]]] = {
    _R.MALFORMED_REQUEST: (400, "malformed_request", "The request is malformed."),
    _R.CREDENTIAL_CONFLICT: (400, "credential_conflict", "Two different credentials were sent."),
    _R.CREDENTIAL_IN_PLAIN: (400, "credential_in_plain", "Use https: a key sent in plain is exposed."),
    _R.KEY_MISSING: (401, "missing_api_key", "No API key was sent."),
    _R.KEY_UNPROVEN: _BAD_KEY,
    _R.KEY_REVOKED: _BAD_KEY,
    _R.KEY_EXPIRED: _BAD_KEY,
    _R.KEY_SUSPENDED: _BAD_KEY,
    _R.RESTRAINED: _BAD_KEY,
    _R.DECOY: (200, "", ""),
    _R.ROUTE_UNKNOWN: (403, "route_not_allowed", "This route is not served here."),
    _R.ADDRESS_NOT_GRANTED: _NOT_GRANTED,
    _R.HOUR_NOT_GRANTED: _NOT_GRANTED,
    _R.UPSTREAM_NOT_GRANTED: _NOT_GRANTED,
    _R.MODEL_NOT_GRANTED: _NOT_GRANTED,
    _R.OPERATION_NOT_GRANTED: _NOT_GRANTED,
    _R.MODALITY_NOT_GRANTED: _NOT_GRANTED,
    _R.TOOLS_NOT_GRANTED: _NOT_GRANTED,
    _R.REQUEST_RATE: (429, "rate_limit_exceeded", "Too many requests a minute."),
    _R.TOKEN_RATE: (429, "rate_limit_exceeded", "Too many tokens a minute."),
    _R.PARALLEL_LIMIT: (429, "rate_limit_exceeded", "Too many requests at a time."),
    _R.BUDGET_DAY: (429, "insufficient_quota", "The budget of this key is used up."),
    _R.BUDGET_MONTH: (429, "insufficient_quota", "The budget of this key is used up."),
    _R.HEAD_TOO_LARGE: (431, "head_too_large", "The request head is too large."),
    _R.BODY_TOO_LARGE: (413, "body_too_large", "The request body is too large."),
    _R.HEAD_TIMEOUT: (408, "timeout", "The request head did not come in time."),
    _R.BODY_TIMEOUT: (408, "timeout", "The request body did not come in time."),
    _R.EXPECTATION: (417, "expectation_failed", "This expectation cannot be met."),
    _R.NO_UPSTREAM: (404, "model_not_found", "No upstream serves this model."),
    _R.UPSTREAM_CONNECT: (502, "upstream_unreachable", "The upstream cannot be reached."),
    _R.UPSTREAM_TIMEOUT: (504, "upstream_timeout", "The upstream did not answer in time."),
    _R.UPSTREAM_BROKEN: (502, "upstream_broken", "The upstream broke the connection."),
    _R.JOURNAL_UNAVAILABLE: (503, "unavailable", "The service cannot take requests at present."),
    _R.METER_UNAVAILABLE: (503, "unavailable", "The service cannot take requests at present."),
    _R.OVERLOADED: (503, "unavailable", "The service cannot take requests at present."),
    _R.DRAINING: (503, "unavailable", "The service cannot take requests at present."),
    _R.CALLER_LEFT: (499, "caller_left", "The caller left."),
    _R.UPGRADE_REFUSED: (400, "upgrade_refused", "This protocol cannot be switched to here."),
    _R.UPGRADE_NEEDED: (426, "upgrade_needed", "This route is a WebSocket."),
    _R.MEDIA_TYPE: (415, "unsupported_media_type", "This route takes multipart/form-data."),
    _R.METHOD_UNKNOWN: (501, "method_unknown", "This method is not known here."),
    _R.VERSION_UNKNOWN: (505, "version_unknown", "This version of HTTP is not spoken here."),
    _R.INTERNAL: (500, "internal_error", "An internal error occurred."),
}

_SHORT_WAIT = 1
_WAITS = dict.fromkeys(
    (_R.JOURNAL_UNAVAILABLE, _R.METER_UNAVAILABLE, _R.OVERLOADED, _R.DRAINING), _SHORT_WAIT
)

_CLAUSES = {
    "RFC 9110 §15.6.6": _R.VERSION_UNKNOWN,
    "RFC 9110 §15.6.2": _R.METHOD_UNKNOWN,
    "RFC 6585 §5": _R.HEAD_TOO_LARGE,
    "RFC 9110 §10.1.1": _R.EXPECTATION,
    "RFC 9110 §15.5.14": _R.BODY_TOO_LARGE,
    "RFC 9110 §15.5.16": _R.MEDIA_TYPE,
    "credential_conflict": _R.CREDENTIAL_CONFLICT,
}


def refusal(reason: RefusalReason, *, retry_after: int | None = None) -> Refusal:
    """Return the refusal that a reason is told as; ``retry_after`` in seconds."""
    status, code, message = _TOLD[reason]
    return Refusal(reason, status, code, message, _WAITS.get(reason) if retry_after is None else retry_after)


def broken_clause(clause: str) -> RefusalReason:
    """Return the reason for which a head that breaks ``clause`` is refused."""
    return _CLAUSES.get(clause, _R.MALFORMED_REQUEST)
