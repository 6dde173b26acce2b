"""How keys are shown: as JSON whose names stay, and as text for people. Never a digest or a secret."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TypeAlias

from chatelaine.model.key import Grant, ProviderKeySummary, VirtualKey
from chatelaine.model.link import KeyIssuedTold, KeysTold, ProviderKeysTold, Reach, Reply
from chatelaine.surfaces.cli.options import table
from chatelaine.surfaces.cli.values import iso

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
_NANO = 1_000_000_000
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def reply_json(reply: Reply) -> Json:
    """Return a reply as the command line's JSON."""
    if isinstance(reply, KeyIssuedTold):
        return {**key_json(reply.key), "token": reply.token, "reach": reach_json(reply.reach)}
    if isinstance(reply, KeysTold):
        return {"keys": [key_json(key) for key in reply.keys], "reach": reach_json(reply.reach)}
    if isinstance(reply, ProviderKeysTold):
        held: list[Json] = [_provider_key_json(key) for key in reply.provider_keys]
        return {"provider_keys": held, "reach": reach_json(reply.reach)}
    return {}


def key_json(key: VirtualKey) -> dict[str, Json]:
    """Return a key as JSON; money in US dollars, instants in ISO 8601."""
    return {
        "id": key.id,
        "env": key.env,
        "owner": key.owner,
        "app": key.app,
        "contact": key.contact,
        "state": key.state.value,
        "issued_at": iso(key.issued_at),
        "expires_at": iso(key.expires_at),
        "retires_at": iso(key.retires_at),
        "changed_at": iso(key.changed_at),
        "reason": key.reason,
        "successor": key.successor,
        "pepper": key.pepper,
        "canary": key.canary,
        "unknown_client": key.unknown_client.value if key.unknown_client is not None else None,
        "grant": _grant_json(key.grant),
    }


def _grant_json(grant: Grant) -> Json:
    return {
        "upstreams": list(grant.upstreams),
        "models": list(grant.models),
        "operations": [one.value for one in grant.operations],
        "modalities": [one.value for one in grant.modalities],
        "networks": list(grant.networks),
        "hours": list(_hours(grant)),
        "requests_per_minute": grant.requests_per_minute,
        "tokens_per_minute": grant.tokens_per_minute,
        "parallel": grant.parallel,
        "spend_per_day_usd": _usd(grant.spend_per_day),
        "spend_per_month_usd": _usd(grant.spend_per_month),
    }


def _usd(amount: int | None) -> float | None:
    return None if amount is None else amount / _NANO


def _hours(grant: Grant) -> Iterable[str]:
    for span in grant.hours:
        days = ",".join(_DAYS[day] for day in span.weekdays)
        start, end = divmod(span.from_minute, 60), divmod(span.to_minute, 60)
        yield f"{days} {start[0]:02}:{start[1]:02}-{end[0]:02}:{end[1]:02}"


def _provider_key_json(key: ProviderKeySummary) -> dict[str, Json]:
    return {
        "name": key.name,
        "owner": key.owner,
        "version": key.version,
        "kek": key.kek,
        "created_at": iso(key.created_at),
    }


def reach_json(reach: Reach | None) -> Json:
    """Return how far a change has come, as JSON."""
    if reach is None:
        return None
    told: dict[str, Json] = {**asdict(reach), "missing": list(reach.missing)}
    return told


def reach_text(reach: Reach | None) -> str:
    """Return how far a change has come, in a line."""
    if reach is None:
        return ""
    if not reach.workers:
        return "stored; no gate is running\n"
    if reach.missing:
        late = ", ".join(map(str, reach.missing))
        return f"reached {reach.reached} of {reach.workers} workers; worker {late} has it when it is back\n"
    return f"reached {reach.reached} of {reach.workers} workers in {reach.took_ms:.1f} ms\n"


def issued_text(told: KeyIssuedTold) -> str:
    """Return a key just issued, with its token."""
    key = told.key
    until = f"until {iso(key.expires_at)}" if key.expires_at is not None else "without an end"
    return (
        f"key {key.id} for {key.owner}/{key.app}, {until}\n{reach_text(told.reach)}"
        "\nThe token is shown this once and kept nowhere:\n\n"
    )


def key_text(told: KeysTold) -> str:
    """Return one key with all that may be shown of it."""
    shown = {name: value for name, value in key_json(told.keys[0]).items() if name != "grant"}
    grant = _grant_json(told.keys[0].grant)
    limits = grant if isinstance(grant, dict) else {}
    shown |= {f"grant.{name}": value for name, value in limits.items() if value not in (None, [])}
    lines = "".join(
        f"{name:<26}{_plain(value)}\n" for name, value in shown.items() if value not in (None, "")
    )
    return lines + reach_text(told.reach)


def _plain(value: Json) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def keys_text(keys: Sequence[VirtualKey]) -> str:
    """Return keys as a table."""
    if not keys:
        return "no keys yet: chatelaine keys issue --help\n"
    rows = (
        (key.id, _state(key), key.owner, key.app, key.env, iso(key.expires_at) or "never") for key in keys
    )
    return table(("id", "state", "owner", "app", "env", "expires"), rows)


def _state(key: VirtualKey) -> str:
    return f"{key.state.value}, canary" if key.canary else key.state.value


def provider_keys_text(told: ProviderKeysTold) -> str:
    """Return provider keys as a table."""
    rows = [
        (key.name, key.owner, str(key.version), key.kek, iso(key.created_at) or "")
        for key in told.provider_keys
    ]
    listed = table(("name", "owner", "version", "kek", "stored"), rows) if rows else "no provider keys\n"
    return listed + reach_text(told.reach)
