"""Give a foreign client a low rate of its own, so that the owner's share of the quota is kept."""

from chatelaine.model.playbook import ActionKind, Lane, PlaybookCard, Situation, Wanted


def plan(situation: Situation, card: PlaybookCard) -> tuple[Wanted, ...]:
    """Return a restraint on the alert's contexts; without one there is nobody to tell apart."""
    alert = situation.alert
    if not alert.key or not alert.contexts:
        return ()
    rate = int(card.options["requests_per_minute"])
    return (
        Wanted(
            kind=ActionKind.RESTRAIN,
            key=alert.key,
            lane=Lane.THROTTLE,
            contexts=alert.contexts,
            requests_per_minute=rate,
            text=f"the client of the alert has {rate} requests a minute on key {alert.key}",
        ),
    )
