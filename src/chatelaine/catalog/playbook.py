"""The shelf of playbooks, read and put to its vectors."""

import tomllib
from collections.abc import Iterator, Mapping
from importlib.resources.abc import Traversable
from typing import Final, cast

import msgspec

from chatelaine.catalog.folder import find_verb, items, shelf, vectors
from chatelaine.core.playbook.plan import MakePlan, Playbook
from chatelaine.core.playbook.trial import try_vector
from chatelaine.core.vector import VectorBroken
from chatelaine.model.error import CardError, Fault
from chatelaine.model.playbook import Approval, BlastRadius, PlaybookCard
from chatelaine.model.words import PlaybookId

_LONGEST: Final = 30 * 24 * 60
"""Minutes that an action may be in force: a month."""


def playbooks() -> Mapping[PlaybookId, Playbook]:
    """Return every playbook by its id.

    Raises:
        CardError: cards cannot be read, or name what is not there.
    """
    faults: list[Fault] = []
    found = read_playbooks(shelf("playbooks"), faults)
    if faults:
        raise CardError(faults)
    return {one.card.id: one for one in found}


def read_playbooks(folder: Traversable, faults: list[Fault]) -> tuple[Playbook, ...]:
    """Return the playbooks of a shelf that can be read; what is wrong with others is added to ``faults``."""
    read = [read_playbook(item, faults) for item in items(folder)]
    return tuple(one for one in read if one is not None)


def read_playbook(folder: Traversable, faults: list[Fault]) -> Playbook | None:
    """Return the playbook of a folder; what is wrong with it is added to ``faults``."""
    where = f"playbooks/{folder.name}/playbook.toml"
    try:
        told = tomllib.loads(folder.joinpath("playbook.toml").read_text("utf-8"))
        card = msgspec.convert(told, PlaybookCard)
    except (OSError, ValueError, msgspec.ValidationError) as error:
        faults.append(Fault(where, str(error), "compare it with playbooks/_template"))
        return None
    faults += [Fault(where, *said) for said in (*_judge(card, folder.name), *_judge_limits(card))]
    verb = cast("MakePlan | None", find_verb("playbooks", folder.name, faults))
    return Playbook(card, verb) if verb is not None else None


def _judge(card: PlaybookCard, folder: str) -> Iterator[tuple[str, str]]:
    if card.id != folder.lstrip("_"):
        yield f"the id is {card.id!r} and the folder {folder!r}", "make them equal"
    if card.version < 1:
        yield f"the version is {card.version}", "versions start at 1"
    if not card.covers:
        yield "it answers no row of the response catalogue", "name one"
    if not card.reversal:
        yield "it does not say what undoes it", "reversal, in a sentence"


def _judge_limits(card: PlaybookCard) -> Iterator[tuple[str, str]]:
    if not 0 <= card.max_own_share <= 1:
        yield f"max_own_share is {card.max_own_share}", "a share of 0 to 1"
    if not 1 <= card.time_limit_minutes <= _LONGEST:
        yield f"time_limit_minutes is {card.time_limit_minutes}", f"1 to {_LONGEST}; nothing is for ever"
    if bool(card.then) != (card.fuse_usd > 0):
        yield "then and fuse_usd belong together", "what follows, and from which spend on; or neither"
    if card.blast_radius >= BlastRadius.KEY and card.approval is Approval.AUTOMATIC:
        yield "it reaches the whole key and asks nobody", 'approval = "person"'


def try_playbooks(faults: list[Fault]) -> list[Fault]:
    """Return what is wrong with the shelf's vectors; what cannot be read is added to ``faults``."""
    found: list[Fault] = []
    for item in (*items(shelf("playbooks")), shelf("playbooks").joinpath("_template")):
        one = read_playbook(item, faults)
        if one is not None:
            found += try_playbook(one, item)
    return found


def try_playbook(playbook: Playbook, item: Traversable) -> list[Fault]:
    """Return a fault for each thing that a playbook's vectors say and that is not so."""
    found: list[Fault] = []
    for vector in vectors(item):
        where = f"playbooks/{item.name}/vectors/{vector.name}"
        try:
            said = try_vector(playbook, vector.read_text("utf-8"), quiet=vector.name.startswith("quiet_"))
        except VectorBroken as error:
            said = [str(error)]
        found += [Fault(where, message, "mend the item or its vector") for message in said]
    return found
