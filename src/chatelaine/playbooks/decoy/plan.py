"""Let a canary answer whoever uses it with a fixed, harmless text."""

from chatelaine.model.playbook import ActionKind, PlaybookCard, Situation, Wanted


def plan(situation: Situation, card: PlaybookCard) -> tuple[Wanted, ...]:
    """Return a decoy for the whole key, and a message; only for canaries, since they have no owner."""
    alert = situation.alert
    if not alert.key or not situation.canary:
        return ()
    text = f"{card.title}: {alert.key} was used, so somebody reads where it was planted"
    return (
        Wanted(kind=ActionKind.DECOY, key=alert.key, text=text),
        Wanted(kind=ActionKind.NOTIFY, key=alert.key, text=text),
    )
