"""The settings file as a tree of nodes that know their line: parsed, changed, looked up in."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import yaml

from chatelaine.model.error import Fault, SettingsError

_MOST_BYTES: Final = 1024 * 1024
_EXAMPLE: Final = "chatelaine config init writes an example"
_RIGHT_FILE: Final = "is it the right file?"
_MAP: Final = "tag:yaml.org,2002:map"
_TEXT: Final = "tag:yaml.org,2002:str"


def parse(path: Path) -> yaml.MappingNode | None:
    """Return a settings file as a tree; None where it is empty.

    Raises:
        SettingsError: it cannot be read, is no YAML, or uses what settings need not.
    """
    text = _read(path)
    try:
        _refuse_tricks(path, text)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except RecursionError as error:
        raise _fault(str(path), "it is nested too deeply", _RIGHT_FILE) from error
    except yaml.MarkedYAMLError as error:
        raise _fault(_where(path, error.problem_mark), error.problem or "it is not YAML") from error
    except yaml.YAMLError as error:
        raise _fault(str(path), f"it is not YAML: {error}", _RIGHT_FILE) from error
    if node is None or isinstance(node, yaml.MappingNode):
        return node
    raise _fault(_where(path, node.start_mark), "the settings are names and values", _EXAMPLE)


def _read(path: Path) -> str:
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-8")
    except OSError as error:
        raise _fault(str(path), error.strerror or "unreadable", _EXAMPLE) from error
    except UnicodeDecodeError as error:
        raise _fault(str(path), "it is not UTF-8 text", _RIGHT_FILE) from error
    if len(raw) > _MOST_BYTES:
        raise _fault(str(path), f"it is larger than {_MOST_BYTES} bytes", _RIGHT_FILE)
    return text


def _refuse_tricks(path: Path, text: str) -> None:
    """Refuse aliases, by which a small file becomes a huge tree, and tags, by which it names types."""
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "tag", None):
            raise _fault(_where(path, event.start_mark), "aliases and tags are not read", "write it out")


def _where(path: Path, mark: "yaml.Mark | yaml._yaml.Mark | None") -> str:
    return f"{path}:{mark.line + 1}:{mark.column + 1}" if mark is not None else str(path)


def _fault(where: str, message: str, hint: str = "") -> SettingsError:
    return SettingsError([Fault(where, message, hint)])


def empty_tree(origin: str) -> yaml.MappingNode:
    """Return a tree without settings."""
    mark = _mark(origin)
    return yaml.MappingNode(_MAP, [], mark, mark)


def _mark(origin: str) -> yaml.Mark:
    return yaml.Mark(origin, 0, 0, 0, "", 0)


def put(tree: yaml.MappingNode, names: list[str], value: str, origin: str) -> None:
    """Put a value given as text into the tree, in place of what stands there."""
    mark = _mark(origin)
    held = next((one for one in tree.value if one[0].value == names[0]), None)
    others = [one for one in tree.value if one is not held]
    key = yaml.ScalarNode(_TEXT, names[0], mark, mark)
    if len(names) == 1:
        node = yaml.compose(value, Loader=yaml.SafeLoader) or yaml.ScalarNode(_TEXT, "", mark, mark)
        node.start_mark = mark
        tree.value = [*others, (key, node)]
        return
    inner = held[1] if held is not None and isinstance(held[1], yaml.MappingNode) else empty_tree(origin)
    tree.value = [*others, (key, inner)]
    put(inner, names[1:], value, origin)


def place(tree: yaml.MappingNode, dotted: str, name: str) -> str:
    """Return where a setting stands, as ``file:line:column``; of one that is not set, what holds it."""
    node: yaml.Node = tree
    for part in dotted.split("."):
        node = next(_children(node, part), node)
    return f"{name}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"


def _children(node: yaml.Node, part: str) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        yield from (value for key, value in node.value if key.value == part)
    elif isinstance(node, yaml.SequenceNode) and part.isdigit() and int(part) < len(node.value):
        yield node.value[int(part)]
