"""The shelf of detections, read and put to its vectors."""

import tomllib
from collections.abc import Callable, Iterator
from importlib.resources.abc import Traversable
from typing import Final, cast

import msgspec

from chatelaine.catalog.folder import find_verb, items, shelf, vectors
from chatelaine.core.detection.run import Detect, Detection, mask_of
from chatelaine.core.detection.trial import try_vector
from chatelaine.core.key.habit import Habit
from chatelaine.core.vector import VectorBroken
from chatelaine.model.detection import Card
from chatelaine.model.error import CardError, Fault

FAMILIES: Final = ("key_", "use_", "prompt_", "actor_", "admin_", "template")
"""The first words of ids: credential misuse, usage and spend, content, across keys, control plane."""


def detections() -> tuple[Detection, ...]:
    """Return every detection in the order of their ids.

    Raises:
        CardError: cards cannot be read, or name what is not there.
    """
    faults: list[Fault] = []
    found = read_detections(shelf("detections"), faults)
    if faults:
        raise CardError(faults)
    return found


def read_detections(folder: Traversable, faults: list[Fault]) -> tuple[Detection, ...]:
    """Return the detections of a shelf that can be read; what is wrong with others is added to ``faults``."""
    read = [read_detection(item, faults) for item in items(folder)]
    return tuple(one for one in read if one is not None)


def read_detection(folder: Traversable, faults: list[Fault]) -> Detection | None:
    """Return the detection of a folder; what is wrong with it is added to ``faults``."""
    where = f"detections/{folder.name}/detection.toml"
    try:
        card = msgspec.convert(tomllib.loads(folder.joinpath("detection.toml").read_text("utf-8")), Card)
    except (OSError, ValueError, msgspec.ValidationError) as error:
        faults.append(Fault(where, str(error), "compare it with detections/_template"))
        return None
    faults += [Fault(where, *said) for said in _judge(card, folder.name)]
    verb = cast("Detect | None", find_verb("detections", folder.name, faults))
    return Detection(card, verb) if verb is not None else None


def _judge(card: Card, folder: str) -> Iterator[tuple[str, str]]:
    if card.id != folder.lstrip("_"):
        yield f"the id is {card.id!r} and the folder {folder!r}", "make them equal"
    if not card.id.startswith(FAMILIES):
        yield f"the id {card.id!r} begins with no family", f"one of {FAMILIES}"
    if card.version < 1:
        yield f"the version is {card.version}", "versions start at 1"
    if not card.covers:
        yield "it covers no row of the threat catalogue", "name one"
    if not card.false_positives:
        yield "it names no harmless cause", "every detection has one"
    try:
        mask_of(card)
    except KeyError as error:
        yield f"there is no trait {error}", "see model/detection.py, Trait"


def try_detections(faults: list[Fault]) -> list[Fault]:
    """Return what is wrong with the shelf's vectors; what cannot be read is added to ``faults``."""
    found: list[Fault] = []
    for item in (*items(shelf("detections")), shelf("detections").joinpath("_template")):
        one = read_detection(item, faults)
        if one is not None:
            found += try_detection(one, item)
    return found


def try_detection(detection: Detection, item: Traversable, habit: Callable[[], Habit] = Habit) -> list[Fault]:
    """Return a fault for each thing that a detection's vectors say and that is not so."""
    found: list[Fault] = []
    for vector in vectors(item):
        where = f"detections/{item.name}/vectors/{vector.name}"
        try:
            said = try_vector(
                detection, vector.read_text("utf-8"), quiet=vector.name.startswith("quiet_"), habit=habit
            )
        except VectorBroken as error:
            said = [str(error)]
        found += [Fault(where, message, "mend the item or its vector") for message in said]
    return found
