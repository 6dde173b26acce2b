"""The settings, read: the only reader of the settings file and of the environment.

Flags outrank the environment, the environment the file, the file the defaults. The walk follows the
types of ``model/settings.py``, so a new setting needs no line here. Every fault is found in one go and
told with its file, line and column, or with the variable or flag it came from.
"""

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import timedelta
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin, get_type_hints

import yaml

from chatelaine.app.settings_checks import check
from chatelaine.app.settings_tree import NULL, empty_tree, from_file, line_of, parse, place, put, where
from chatelaine.app.settings_values import Unfit, read_value, shown
from chatelaine.model.error import Fault, SettingsError
from chatelaine.model.settings import Secret, Settings

PREFIX: Final = "CHATELAINE__"
"""Begins the names of the variables that set a setting: ``CHATELAINE__GATE__PORT``."""

_REFERENCE: Final = re.compile(r"\$(\$)?\{([^{}]*)\}")
_PLACE: Final = re.compile(r":(\d+):(\d+)$")
_STRINGS: Final = ("tag:yaml.org,2002:str", "tag:yaml.org,2002:value", "tag:yaml.org,2002:timestamp")
_NOTHING: Final = object()


def load(
    path: Path | None, environment: Mapping[str, str], overrides: Mapping[str, str], providers: frozenset[str]
) -> Settings:
    """Return the settings.

    Args:
        path: the settings file; None for the defaults alone.
        environment: where ``CHATELAINE__GATE__PORT`` and ``${NAME}`` are looked up.
        overrides: dotted names, such as ``gate.port`` or ``upstreams.0.url``, and values given as flags.
        providers: the ids that ``upstreams[].provider`` may have.

    Raises:
        SettingsError: with every fault that was found.
    """
    reading = _Reading(environment)
    tree = _tree(path, environment, overrides, reading.faults)
    settings = reading.read(Settings, tree, "")
    for dotted, message, hint in check(settings, providers):
        # Of what could not be read only that is told: the rest follows from it.
        if not reading.is_faulty(dotted):
            reading.faults.append(Fault(place(tree, dotted), f"{bracketed(dotted)}: {message}", hint))
    if reading.faults:
        raise SettingsError(sorted(reading.faults, key=_in_order))
    found: Settings = settings
    return found


def where_set(
    path: Path | None, environment: Mapping[str, str], overrides: Mapping[str, str]
) -> Callable[[str], str]:
    """Return what tells where a setting stands: ``file:line:column``, a variable or a flag.

    Raises:
        SettingsError: the file cannot be read any more.
    """
    tree = _tree(path, environment, overrides, [])
    return lambda dotted: place(tree, dotted)


def _tree(
    path: Path | None, environment: Mapping[str, str], overrides: Mapping[str, str], faults: list[Fault]
) -> yaml.MappingNode:
    tree = parse(path) if path is not None else empty_tree("settings")
    for name, value, origin in (*_from_environment(environment), *_from_flags(overrides)):
        try:
            put(tree, name.split("."), value, origin)
        except SettingsError as error:
            faults += error.faults
    return tree


def _from_environment(environment: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    for name, value in sorted(environment.items()):
        if name.startswith(PREFIX):
            yield name.removeprefix(PREFIX).lower().replace("__", "."), value, name


def _from_flags(overrides: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    for name, value in overrides.items():
        yield name, value, f"--set {name}"


def _in_order(fault: Fault) -> tuple[int, int]:
    """Return the line and column of a fault; variables and flags come first."""
    found = _PLACE.search(fault.where)
    return (int(found[1]), int(found[2])) if found else (0, 0)


class _Reading:
    """One reading of the settings: gathers faults, and goes on with a stand-in for what is faulty."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment
        self.faults: list[Fault] = []
        self._faulty: set[str] = set()

    def is_faulty(self, dotted: str) -> bool:
        """Tell whether a fault was found in a setting, in what holds it or in what it holds."""
        return any(
            one == dotted or one.startswith(f"{dotted}.") or dotted.startswith(f"{one}.")
            for one in self._faulty
        )

    def fault(self, node: yaml.Node, name: str, message: str, hint: str = "") -> None:
        """Note a fault, where it stands and in which setting."""
        self._faulty.add(name)
        told = f"{bracketed(name)}: {message}" if name else message
        self.faults.append(Fault(where(node), told, hint))

    def read(self, kind: Any, node: yaml.Node, name: str) -> Any:
        """Return a section of the tree."""
        if _is_null(node):
            node = yaml.MappingNode(NULL, [], node.start_mark, node.end_mark)
        if not isinstance(node, yaml.MappingNode):
            known = ", ".join(field.name for field in fields(kind))
            self.fault(
                node, name, "names and values belong here", f"such as {{name: value}}; it knows {known}"
            )
            return _stand_in(kind)
        hints = get_type_hints(kind, include_extras=True)
        given = self._given(kind, node, name)
        values = {
            field.name: self._field(field, hints[field.name], given.get(field.name), (node, name))
            for field in fields(kind)
        }
        return kind(**values)

    def _given(self, kind: Any, node: yaml.MappingNode, name: str) -> dict[str, yaml.Node]:
        """Return the settings that stand in a section, and note what does not belong there."""
        known = [field.name for field in fields(kind)]
        given: dict[str, yaml.Node] = {}
        first: dict[str, yaml.Node] = {}
        for key, value in node.value:
            setting = key.value if isinstance(key, yaml.ScalarNode) else ""
            inner = f"{name}.{setting}" if name else setting
            if setting in first:
                at = f" in line {line_of(first[setting])}" if line_of(first[setting]) else ""
                self.fault(key, inner, f"it stands here a second time; first{at}", "keep one of them")
            elif setting not in known:
                self.fault(
                    key, "", f"{shown(bracketed(inner))[1:-1]} is not a setting", _nearest(setting, known)
                )
            else:
                given[setting] = value
            first.setdefault(setting, key)
        return given

    def _field(
        self, field: Field[Any], hint: Any, node: yaml.Node | None, within: tuple[yaml.Node, str]
    ) -> Any:
        section, prefix = within
        name = f"{prefix}.{field.name}" if prefix else field.name
        default = field.default_factory() if field.default_factory is not MISSING else field.default
        if node is None:
            if default is MISSING:
                self.fault(section, name, "it is missing", "it has no default")
                return _stand_in(hint)
            return default
        found = self.value(hint, node, name, default)
        if found is not _NOTHING:
            return found
        return _stand_in(hint) if default is MISSING else default

    def value(self, hint: Any, node: yaml.Node, name: str, default: object) -> Any:
        """Return a value of a kind, or ``_NOTHING`` once its fault is noted."""
        kind, marks, optional = _kind(hint)
        if optional and (_is_null(node) or (not from_file(node) and node.value == "")):
            return None
        if get_origin(kind) is tuple:
            return self._items(get_args(kind)[0], node, name)
        if is_dataclass(kind) and kind is not Secret:
            return self.read(kind, node, name)
        if _is_null(node):
            self.fault(node, name, "it has no value", "write one behind the colon, or take the line out")
            return _NOTHING
        if not isinstance(node, yaml.ScalarNode):
            self.fault(node, name, "one value belongs here, not several")
            return _NOTHING
        return self._scalar((kind, marks), node, name, default)

    def _items(self, kind: Any, node: yaml.Node, name: str) -> Any:
        if isinstance(node, yaml.ScalarNode) and not from_file(node):
            # A variable or a flag lists its items with commas.
            texts = [text.strip() for text in node.value.split(",") if text.strip()]
            items = [yaml.ScalarNode(node.tag, text, node.start_mark, node.end_mark) for text in texts]
            node = yaml.SequenceNode(node.tag, items, node.start_mark, node.end_mark)
        if _is_null(node):
            return ()
        if not isinstance(node, yaml.SequenceNode):
            self.fault(
                node, name, "a list belongs here", "write [one, two], or one item a line behind a dash"
            )
            return _NOTHING
        found = [self.value(kind, item, f"{name}.{place}", MISSING) for place, item in enumerate(node.value)]
        return tuple(_stand_in(kind) if item is _NOTHING else item for item in found)

    def _scalar(
        self, kind: tuple[Any, tuple[object, ...]], node: yaml.ScalarNode, name: str, default: object
    ) -> Any:
        plain, marks = kind
        try:
            text = str(node.value) if plain is Secret else self._resolve(str(node.value))
            _check_style(plain, node, text)
            return read_value(plain, marks, text, least=_least(default))
        except Unfit as error:
            self.fault(node, name, error.message, error.hint)
            return _NOTHING

    def _resolve(self, text: str) -> str:
        """Return a text with ``${NAME}`` replaced from the environment; ``$${NAME}`` stays ``${NAME}``."""

        def value(found: re.Match[str]) -> str:
            if found[1]:
                return found[0][1:]
            if found[2] not in self.environment:
                raise Unfit(
                    f"the environment variable {shown(found[2])} is not set",
                    "set it, or write $${…} for a plain ${…}",
                )
            return self.environment[found[2]]

        return _REFERENCE.sub(value, text)


def _check_style(plain: Any, node: yaml.ScalarNode, text: str) -> None:
    """Refuse what YAML and its writer may read in two ways: a quoted truth, a bare number as a name."""
    if plain is bool and node.style is not None:
        raise Unfit(f"{shown(text)} is a text", "write true or false without quotes")
    if plain is str and from_file(node) and node.style is None and node.tag not in _STRINGS:
        raise Unfit(f"{shown(text)} is not read as a text", f"write it in quotes: {shown(text)}")


def _kind(hint: Any) -> tuple[Any, tuple[object, ...], bool]:
    """Return a hint's plain kind, what ``Annotated`` adds to it, and whether None is among its values."""
    optional = get_origin(hint) in {Union, UnionType}
    if optional:
        hint = next(one for one in get_args(hint) if one is not type(None))
    if get_origin(hint) is Annotated:
        return get_args(hint)[0], hint.__metadata__, optional
    return hint, (), optional


def _stand_in(hint: Any) -> Any:
    """Return some value of a kind, so that the walk goes on to find the other faults."""
    kind, _, optional = _kind(hint)
    if optional:
        return None
    if is_dataclass(kind) and isinstance(kind, type):
        kinds = get_type_hints(kind, include_extras=True)
        return kind(**{field.name: _stand_in(kinds[field.name]) for field in fields(kind)})
    if get_origin(kind) is tuple:
        return ()
    return {int: 1, bool: False, timedelta: timedelta(1), Path: Path()}.get(kind, "")


def _least(default: object) -> int:
    """Return the least that a number may be: nothing where nothing is its default, else one."""
    return 0 if default == 0 and not isinstance(default, bool) else 1


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == NULL


def _nearest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    return f"did you mean {close[0]}?" if close else f"known here: {', '.join(known)}"


def bracketed(dotted: str) -> str:
    """Return a dotted name with the numbers of items in brackets: upstreams[0].url."""
    return re.sub(r"\.(\d+)(?=\.|$)", r"[\1]", dotted)
