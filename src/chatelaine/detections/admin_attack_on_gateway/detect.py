"""Find scans of the gateway: unknown routes, broken requests, and keys that are no keys."""

from typing import Final

from chatelaine.core.detection.memory import MANY, Memory, distinct, remember, silent, tell, with_numbers
from chatelaine.core.detection.scene import Scene
from chatelaine.model.detection import Card, Said, Severity
from chatelaine.model.exchange import RefusalReason
from chatelaine.model.words import SECOND

_R: Final = RefusalReason
_ROUGH: Final = frozenset(
    {_R.MALFORMED_REQUEST, _R.CREDENTIAL_CONFLICT, _R.ROUTE_UNKNOWN, _R.HEAD_TOO_LARGE, _R.EXPECTATION}
    | {_R.METHOD_UNKNOWN, _R.VERSION_UNKNOWN, _R.UPGRADE_REFUSED, _R.MEDIA_TYPE, _R.HEAD_TIMEOUT}
)
_ODD: Final = ("'", '"', ";", "--", "/*", "../", "%00", "${")
_DOORS: Final = ("/admin", "/.env", "/.git", "/config", "/debug", "/metrics", "/key/", "/mcp-rest/test")


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said where a client's refused requests are a scan's."""
    seen, limits, span = scene.sighting, card.thresholds, card.thresholds["seconds"]
    odd = any(part in f"{seen.key}{seen.route}" for part in _ODD) or seen.route.startswith(_DOORS)
    if not odd and seen.reason not in _ROUGH:
        return memory, None
    begun, rough, odds = memory.numbers or (seen.at, 0.0, 0.0)
    if seen.at - begun > span * SECOND:
        begun, rough, odds = seen.at, 0.0, 0.0
    rough, odds = rough + 1, odds + odd
    memory = remember(memory, seen.at, f"{seen.reason}|{seen.route}", seconds=span, most=MANY)
    memory = with_numbers(memory, (begun, rough, odds))
    kinds = distinct(memory)
    scan = rough >= limits["flood"] or (rough >= limits["times"] and kinds >= limits["kinds"])
    if not (scan or odds >= limits["odd"]) or silent(memory, seen.at, seconds=span):
        return memory, None
    said = Said(
        seen=f"{rough:.0f} refused requests of {kinds} kinds in 10 min, {odds:.0f} with an odd key or path",
        usual="clients ask for served routes with well-formed requests; a broken one errs in one way",
        against="an ordered security scan looks the same",
        severity=Severity.HIGH if odds >= limits["odd"] else None,
    )
    return tell(memory, seen.at), said
