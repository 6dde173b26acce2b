"""Replace a key, with an overlap in which its owner moves."""

from chatelaine.model.playbook import ActionKind, Audience, PlaybookCard, Situation, Wanted


def plan(situation: Situation, card: PlaybookCard) -> tuple[Wanted, ...]:
    """Return a rotation and a message; a canary is left where its finder can use it."""
    alert = situation.alert
    if not alert.key or situation.canary:
        return ()
    overlap = int(card.options["overlap_minutes"])
    text = f"key {alert.key} is replaced; its old token works for {overlap} minutes more"
    return (
        Wanted(kind=ActionKind.ROTATE, key=alert.key, overlap_minutes=overlap, text=text),
        Wanted(kind=ActionKind.NOTIFY, key=alert.key, audience=Audience.OWNER, text=text),
    )
