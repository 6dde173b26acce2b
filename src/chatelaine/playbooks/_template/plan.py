"""Plan the actions against one kind of alert."""

from chatelaine.model.playbook import ActionKind, Lane, PlaybookCard, Situation, Wanted


def plan(situation: Situation, card: PlaybookCard) -> tuple[Wanted, ...]:
    """Return what is wanted, in order; each of it ends by itself or can be undone."""
    alert = situation.alert
    if not alert.key or not alert.contexts:
        return ()
    return (
        Wanted(
            kind=ActionKind.RESTRAIN,
            key=alert.key,
            lane=Lane.REFUSE,
            contexts=alert.contexts,
            text=card.title,
        ),
    )
