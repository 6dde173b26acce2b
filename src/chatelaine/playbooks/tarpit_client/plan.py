"""Answer a foreign client late, so that its time is spent and it learns nothing."""

from chatelaine.model.playbook import ActionKind, Lane, PlaybookCard, Situation, Wanted


def plan(situation: Situation, card: PlaybookCard) -> tuple[Wanted, ...]:
    """Return a restraint on the alert's contexts; without one there is nobody to tell apart."""
    alert = situation.alert
    if not alert.key or not alert.contexts:
        return ()
    delay = int(card.options["delay_ms"])
    return (
        Wanted(
            kind=ActionKind.RESTRAIN,
            key=alert.key,
            lane=Lane.TARPIT,
            contexts=alert.contexts,
            delay_ms=delay,
            text=f"the client of the alert is answered {delay} ms late on key {alert.key}",
        ),
    )
