"""Stop a key for good, everywhere and at once."""

from chatelaine.model.playbook import ActionKind, Audience, PlaybookCard, Situation, Wanted


def plan(situation: Situation, card: PlaybookCard) -> tuple[Wanted, ...]:
    """Return a revocation and a message; a canary is left where its finder can use it."""
    alert = situation.alert
    if not alert.key or situation.canary:
        return ()
    text = f"{card.title}: whoever uses {alert.key} is refused from now on"
    return (
        Wanted(kind=ActionKind.REVOKE, key=alert.key, text=text),
        Wanted(kind=ActionKind.NOTIFY, key=alert.key, audience=Audience.OWNER, text=text),
    )
