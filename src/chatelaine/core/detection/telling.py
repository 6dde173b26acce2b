"""How detections tell an analyst what they saw: places, programs, numbers and spans in a few words."""

from typing import Final

from chatelaine.core.detection.scene import Scene
from chatelaine.core.habit_view import HabitView
from chatelaine.model.detection import Dimension, Sighting
from chatelaine.model.exchange import NetworkClass

_CLASSES: Final = (
    (NetworkClass.TOR, "Tor"),
    (NetworkClass.PROXY, "a public proxy"),
    (NetworkClass.VPN, "a VPN"),
    (NetworkClass.BIG_CLOUD, "a big cloud"),
    (NetworkClass.HOSTING, "a hoster"),
)
_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"))
_SHOWN: Final = 40
"""Characters of a caller's own text in a sentence."""
_COUNTRY: Final = 2


def count_of(count: float, one: str, many: str = "") -> str:
    """Return a number with its noun: ``1 network``, ``3 networks``."""
    return f"{count:.0f} {one if round(count) == 1 else many or one + 's'}"


def span(seconds: float) -> str:
    """Return a span in the largest unit that holds it at least once: ``90 s`` is ``1.5 min``."""
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def shown(text: str, otherwise: str) -> str:
    """Return a caller's text as far as it fits into a sentence, or what stands for none."""
    return text if 0 < len(text) <= _SHOWN else text[: _SHOWN - 1] + "…" if text else otherwise


def class_of(network: NetworkClass) -> str:
    """Return what a network is known to be; "" where nothing is known."""
    return next((name for kind, name in _CLASSES if network & kind), "")


def place(seen: Sighting) -> str:
    """Return where a sighting comes from: prefix, operator, country, class."""
    operator = f"AS{seen.asn}" if seen.asn else ""
    told = (shown(seen.prefix, shown(seen.ip, "")), operator, seen.country[:_COUNTRY], class_of(seen.network))
    return ", ".join(part for part in told if part) or "an unknown network"


def program(seen: Sighting) -> str:
    """Return the program a sighting names itself as."""
    return shown(seen.agent_family, "a program without a name")


def networks(habit: HabitView) -> str:
    """Return how many networks a key is used from."""
    told = count_of(habit.count(Dimension.PREFIX), "network")
    operators, countries = habit.count(Dimension.ASN), habit.count(Dimension.COUNTRY)
    if operators:
        told += f" of {count_of(operators, 'operator')}"
    return told + f" in {count_of(countries, 'country', 'countries')}" if countries else told


def programs(habit: HabitView) -> str:
    """Return how many programs a key is used by."""
    named = count_of(habit.count(Dimension.AGENT), "program")
    return f"{named} with {count_of(habit.count(Dimension.JA4), 'TLS client')}"


def own_program(scene: Scene) -> bool:
    """Tell whether the key is known to be used by this program with this TLS client."""
    seen, habit = scene.sighting, scene.habit
    return bool(
        habit.weight(Dimension.AGENT, seen.agent_family)
        and (not seen.ja4 or habit.weight(Dimension.JA4, seen.ja4))
    )


def own_network(scene: Scene) -> bool:
    """Tell whether the key is known to be used from this prefix or, with none known, this operator."""
    seen, habit = scene.sighting, scene.habit
    if seen.prefix:
        return bool(habit.weight(Dimension.PREFIX, seen.prefix))
    return bool(seen.asn and habit.weight(Dimension.ASN, str(seen.asn)))


def newcomer(scene: Scene, most: float) -> bool:
    """Tell whether a settled key has seen this client context that often at most."""
    return scene.habit.settled and scene.habit.weight(Dimension.CONTEXT, scene.sighting.context) <= most


def excuse(scene: Scene, otherwise: str) -> str:
    """Return what speaks for the key's owner in where and what a sighting comes from."""
    seen = scene.sighting
    if own_network(scene):
        return f"the network is the key's own ({shown(seen.prefix, f'AS{seen.asn}')})"
    if own_program(scene):
        return f"the program is the key's own ({program(seen)}): the owner may have moved"
    return otherwise


def often(habit: HabitView, dimension: Dimension, value: str) -> str:
    """Return how often a key showed a value: ``3 of 480 exchanges``, older ones counting less."""
    return f"{habit.weight(dimension, value):.0f} of {count_of(habit.total(dimension), 'exchange')}"
