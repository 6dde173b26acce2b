"""The settings as a tree of nodes that know where they stand: parsed, changed by name, looked up in."""

import stat
from pathlib import Path
from typing import Final

import yaml

from chatelaine.model.error import Fault, SettingsError

FILE_BYTES_MAX: Final = 256 * 1024
DEPTH_MAX: Final = 16
_EXAMPLE: Final = "chatelaine config init writes a file to begin with"
_RIGHT_FILE: Final = "is it the right file?"
NULL: Final = "tag:yaml.org,2002:null"
_MAP: Final = "tag:yaml.org,2002:map"
_LIST: Final = "tag:yaml.org,2002:seq"
_TEXT: Final = "tag:yaml.org,2002:str"
_NO_LINE: Final = -1
_CLOSED: Final = ("flow", "quoted")
"""Words in PyYAML's account of what it was reading, where that has an end of its own."""


class _Composer(yaml.SafeLoader):
    """Composes plain YAML: aliases turn a small file into a huge tree, and tags name types."""

    def __init__(self, text: str, name: str) -> None:
        super().__init__(text)
        self.name = name
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]  # the stubs leave it out
        mark = event.start_mark
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _fault(_told(mark), "anchors and aliases are not read", "write the value out")
        if getattr(event, "tag", None):
            raise _fault(_told(mark), "tags are not read", "write the value without its !tag")
        if self._depth > DEPTH_MAX:
            raise _fault(_told(mark), "it is nested too deeply", _RIGHT_FILE)
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


def parse(path: Path) -> yaml.MappingNode:
    """Return a settings file as a tree; an empty file is an empty tree.

    Raises:
        SettingsError: it cannot be read, is no YAML, or uses what settings need not.
    """
    text = _read(path)
    try:
        node = _Composer(text, str(path)).get_single_node()
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        message = f"it holds the character U+{ord(text[error.position]):04X}, which no text has"
        raise _fault(f"{path}:{line}", message, _RIGHT_FILE) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        # Unchained: the error carries a piece of the file, and with it perhaps a secret.
        problem = error.problem or "it is not YAML"
        raise _fault(_told(mark) if mark else str(path), problem, _mending(error)) from None
    if node is None or node.tag == NULL:
        return empty_tree(str(path))
    if isinstance(node, yaml.MappingNode):
        return node
    raise _fault(where(node), "settings are names and values, such as gate: {port: 8443}", _EXAMPLE)


def _mending(error: yaml.MarkedYAMLError) -> str:
    began = error.context_mark
    if began is not None and any(word in (error.context or "") for word in _CLOSED):
        return f"close what opens in line {began.line + 1}: a bracket, a brace or a quote"
    return "YAML sets in with spaces"


def _read(path: Path) -> str:
    try:
        # A pipe or a device would hold up the start for ever.
        if not stat.S_ISREG(path.stat().st_mode):
            raise _fault(str(path), "it is not a file", _RIGHT_FILE)
        with path.open("rb") as file:
            raw = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise _fault(str(path), error.strerror or "it cannot be read", _EXAMPLE) from error
    if len(raw) > FILE_BYTES_MAX:
        raise _fault(str(path), f"it is larger than {FILE_BYTES_MAX} bytes", _RIGHT_FILE)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise _fault(f"{path}:{line}", "it is not UTF-8 text", _RIGHT_FILE) from None


def _fault(place: str, message: str, hint: str = "") -> SettingsError:
    return SettingsError([Fault(place, message, hint)])


def _told(mark: "yaml.Mark | yaml._yaml.Mark | None") -> str:
    if mark is None:
        return "settings"
    if mark.line == _NO_LINE:
        return str(mark.name)
    return f"{mark.name}:{mark.line + 1}:{mark.column + 1}"


def where(node: yaml.Node) -> str:
    """Return where a node stands: ``file:line:column``, a variable's name, or a flag."""
    return _told(node.start_mark)


def line_of(node: yaml.Node) -> int:
    """Return the line a node stands on, from 1; 0 where it came from no file."""
    return int(node.start_mark.line) + 1


def from_file(node: yaml.Node) -> bool:
    """Tell whether a node stands in a file; otherwise it is the text of a variable or a flag."""
    return bool(node.start_mark.line != _NO_LINE)


def _mark(origin: str) -> yaml.Mark:
    return yaml.Mark(origin, 0, _NO_LINE, 0, "", 0)


def empty_tree(origin: str) -> yaml.MappingNode:
    """Return a tree without settings."""
    return yaml.MappingNode(_MAP, [], _mark(origin), _mark(origin))


def put(tree: yaml.MappingNode, names: list[str], value: str, origin: str) -> None:
    """Put a text into the tree in place of what stands there; a number names an item of a list."""
    node: yaml.Node = tree
    for place, name in enumerate(names):
        leaf = place == len(names) - 1
        found = None if leaf else child(node, name)
        if isinstance(found, yaml.MappingNode | yaml.SequenceNode):
            node = found
            continue
        made: yaml.Node = empty_tree(origin)
        if leaf:
            made = yaml.ScalarNode(_TEXT, value, _mark(origin), _mark(origin))
        elif names[place + 1].isdigit():
            made = yaml.SequenceNode(_LIST, [], _mark(origin), _mark(origin))
        _set(node, name, made, origin)
        node = made


def _set(node: yaml.Node, name: str, made: yaml.Node, origin: str) -> None:
    if isinstance(node, yaml.MappingNode):
        key = yaml.ScalarNode(_TEXT, name, _mark(origin), _mark(origin))
        node.value = [*(pair for pair in node.value if pair[0].value != name), (key, made)]
    elif isinstance(node, yaml.SequenceNode):
        item = int(name) if name.isdigit() else len(node.value) + 1
        if item > len(node.value):
            last = f"0 to {len(node.value)}" if node.value else "0"
            raise _fault(origin, f"there is no item {name} in this list", f"its items are {last}")
        node.value = [*node.value[:item], made, *node.value[item + 1 :]]


def child(node: yaml.Node, name: str) -> yaml.Node | None:
    """Return what stands under a name, or under a number in a list."""
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == name), None)
    if isinstance(node, yaml.SequenceNode) and name.isdigit() and int(name) < len(node.value):
        found: yaml.Node = node.value[int(name)]
        return found
    return None


def place(tree: yaml.MappingNode, dotted: str) -> str:
    """Return where a setting stands; of one that is not set, where that stands which would hold it."""
    node: yaml.Node = tree
    for name in dotted.split("."):
        found = child(node, name)
        if found is None:
            break
        node = found
    return where(node)
