"""The detections as a page of the docs, drawn from their cards."""

from collections.abc import Iterable
from typing import Final

from chatelaine.model.detection import Card, Family

_HEAD = """# Detections

What is looked for in the events of the gate, and in the logs of others. Each item is a folder of
`src/chatelaine/detections`: a card, a function of a few lines, vectors that it finds and vectors that it
leaves alone, and a page that says what it sees, why, what it misses, and what a human checks first.

A detection yields findings; it blocks nothing. A finding says what was seen, what is usual on this key, and
the strongest reason that it is harmless. Those that are marked *alone* are near certain, and may be acted
on by themselves; of all others two families must agree first. A family is a kind of evidence, so three
findings of one family are still one.

What a key normally does is its habit. It is settled after fifty exchanges on three days; before that
nothing is new, and most detections say nothing. A client that is new to a settled key is on probation for a
day, in which nothing of it is taken for the owner's.

The rows are those of the threat catalogue: `D01` to `D63`. Thresholds and where they come from stand in
each card.

This page is written by `chatelaine.core.detection.page`, and a test keeps it current.
"""
_FAMILIES: Final = {
    Family.NETWORK: "Where a request comes from.",
    Family.CLIENT: "Which program sends it.",
    Family.BEHAVIOUR: "What is done with a key, and when.",
    Family.ECONOMICS: "How much of what is used.",
    Family.CONTENT: "What is asked and answered, by hash, shape and the provider's filter; no text is kept.",
}


def detections_page(cards: Iterable[Card]) -> str:
    """Return the page, one table a family, ending in a line end."""
    known = sorted(cards, key=lambda card: card.id)
    parts = [_section(family, [card for card in known if card.family is family]) for family in Family]
    return "\n".join([_HEAD, *(part for part in parts if part)])


def _section(family: Family, cards: list[Card]) -> str:
    if not cards:
        return ""
    head = ("| detection | finds | rows | severity | answered by |", "|---|---|---|---|---|")
    lines = [f"## {family.value.capitalize()}", "", _FAMILIES[family], "", *head, *map(_row, cards)]
    return "\n".join(lines) + "\n"


def _row(card: Card) -> str:
    severity = f"{card.severity.name.lower()}, alone" if card.certain else card.severity.name.lower()
    rows = ", ".join(card.covers)
    return f"| `{card.id}` | {card.title} | {rows} | {severity} | `{card.playbook}` |"
