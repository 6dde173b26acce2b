"""Tell the analysts of an alert, and hold nothing back."""

from chatelaine.model.detection import Severity
from chatelaine.model.playbook import ActionKind, PlaybookCard, Situation, Wanted


def plan(situation: Situation, card: PlaybookCard) -> tuple[Wanted, ...]:
    """Return one message; an alert that is for the record alone gets none."""
    alert = situation.alert
    if alert.severity <= Severity.INFO:
        return ()
    about = f"key {alert.key}" if alert.key else "a client without a key"
    text = f"{card.title}: {alert.severity.name.lower()}, {about}, {len(alert.findings)} findings"
    return (Wanted(kind=ActionKind.NOTIFY, key=alert.key, text=text),)
