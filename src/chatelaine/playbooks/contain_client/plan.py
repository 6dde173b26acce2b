"""Refuse the client contexts of an alert, and nothing else of the key."""

from chatelaine.model.playbook import ActionKind, Audience, Lane, PlaybookCard, Situation, Wanted


def plan(situation: Situation, card: PlaybookCard) -> tuple[Wanted, ...]:
    """Return a restraint on the alert's contexts, and a message; without one nobody can be told apart."""
    alert = situation.alert
    if not alert.key or not alert.contexts:
        return ()
    text = f"{card.title}: {len(alert.contexts)} client contexts on key {alert.key}"
    return (
        Wanted(
            kind=ActionKind.RESTRAIN,
            key=alert.key,
            lane=Lane.REFUSE,
            contexts=alert.contexts,
            text=text,
        ),
        Wanted(kind=ActionKind.NOTIFY, key=alert.key, audience=Audience.OWNER, text=text),
    )
