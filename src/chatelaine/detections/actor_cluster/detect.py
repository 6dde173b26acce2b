"""Find clients that share fresh traits of two kinds with clients on other owners' keys."""

from typing import Final

from chatelaine.core.detection.links import Elsewhere
from chatelaine.core.detection.memory import Memory, silent, tell
from chatelaine.core.detection.scene import Scene
from chatelaine.model.detection import Card, Said, Trait

_YOUNG: Final = int(Trait.YOUNG)


def shared(elsewhere: Elsewhere) -> dict[str, list[str]]:
    """Return for every other owner the kinds of traits it shares: network, client, content."""
    kinds = {
        "network": {*elsewhere.owners_with_prefix, *elsewhere.owners_with_context},
        "client": {*elsewhere.owners_with_client},
        "content": {*elsewhere.owners_with_system, *elsewhere.owners_with_body, elsewhere.parent_owner}
        - {""},
    }
    owners = sorted(set().union(*kinds.values()))
    return {owner: [kind for kind, having in kinds.items() if owner in having] for owner in owners}


def _kinds(elsewhere: Elsewhere) -> int:
    """Return in how many kinds anything at all is shared: no owner can share more."""
    network = elsewhere.owners_with_prefix or elsewhere.owners_with_context
    content = elsewhere.owners_with_system or elsewhere.owners_with_body or elsewhere.parent_owner
    return bool(network) + bool(elsewhere.owners_with_client) + bool(content)


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said where an owner shares traits of enough kinds."""
    seen, limits = scene.sighting, card.thresholds
    if scene.habit.settled and not scene.shows(_YOUNG):
        return memory, None
    if _kinds(scene.elsewhere) < limits["families"] or silent(memory, seen.at, seconds=limits["silent"]):
        return memory, None
    found = {
        owner: kinds for owner, kinds in shared(scene.elsewhere).items() if len(kinds) >= limits["families"]
    }
    if not found:
        return memory, None
    owner, kinds = max(found.items(), key=lambda one: len(one[1]))
    others = f", and of {len(found) - 1} more" if len(found) > 1 else ""
    said = Said(
        seen=f"it shares {' and '.join(kinds)} with fresh clients on keys of {owner[:40]}{others}",
        usual=f"clients of {seen.owner[:40]} share nothing fresh with those of other owners",
        against="an agency or a contractor may work for both from one place",
        facts=(("owners", " ".join(found)), ("kinds", " ".join(kinds))),
    )
    return tell(memory, seen.at), said
