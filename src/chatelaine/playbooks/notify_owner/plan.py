"""Tell the owner of a key what was seen of it."""

from chatelaine.model.playbook import ActionKind, Audience, PlaybookCard, Situation, Wanted


def plan(situation: Situation, card: PlaybookCard) -> tuple[Wanted, ...]:
    """Return one message; a key without an owner, such as a canary, has nobody to be told."""
    alert = situation.alert
    if not alert.key or not alert.owner or situation.canary:
        return ()
    where = ", ".join(situation.prefixes) or "a network that is not known"
    text = f"{card.title}: a new client from {where} used key {alert.key}; is it yours?"
    return (Wanted(kind=ActionKind.NOTIFY, key=alert.key, audience=Audience.OWNER, text=text),)
