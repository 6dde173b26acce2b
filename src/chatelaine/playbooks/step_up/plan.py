"""Hold a client in quarantine, and ask the key's owner whether it is theirs."""

from chatelaine.model.playbook import ActionKind, Audience, Lane, PlaybookCard, Situation, Wanted


def plan(situation: Situation, card: PlaybookCard) -> tuple[Wanted, ...]:
    """Return the hold and the question; without a context there is nothing to ask about."""
    alert = situation.alert
    if not alert.key or not alert.contexts or situation.canary:
        return ()
    where = ", ".join(situation.prefixes) or "a network that is not known"
    return (
        Wanted(
            kind=ActionKind.STEP_UP,
            key=alert.key,
            lane=Lane.QUARANTINE,
            contexts=alert.contexts,
            requests_per_minute=int(card.options["requests_per_minute"]),
            text=f"the owner of key {alert.key} is asked for its new client from {where}",
        ),
        Wanted(
            kind=ActionKind.NOTIFY,
            key=alert.key,
            audience=Audience.OWNER,
            text=f"is the client from {where} that uses key {alert.key} yours? If so, lift what holds it",
        ),
    )
