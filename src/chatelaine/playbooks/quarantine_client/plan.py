"""Put a foreign client into the quarantine lane: cheap, text alone, no tools, a low rate."""

from chatelaine.model.playbook import ActionKind, Lane, PlaybookCard, Situation, Wanted


def plan(situation: Situation, card: PlaybookCard) -> tuple[Wanted, ...]:
    """Return a restraint on the alert's contexts; where it names none, on all that the habit knows not."""
    alert = situation.alert
    if not alert.key or situation.canary:
        return ()
    return (
        Wanted(
            kind=ActionKind.RESTRAIN,
            key=alert.key,
            lane=Lane.QUARANTINE,
            contexts=alert.contexts,
            foreign=not alert.contexts,
            requests_per_minute=int(card.options["requests_per_minute"]),
            text=f"what is foreign to key {alert.key} is in the quarantine lane",
        ),
    )
