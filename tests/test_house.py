"""What the house asks of Python code and no linter knows. Each failure names file, line and fix."""

import ast
import io
import re
import statistics
import sys
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "chatelaine"
SHELVES = ("providers", "guards", "detections", "playbooks", "sources", "exports")
PURE = ("model", "core", *SHELVES)
BELOW_SURFACES = (*PURE, "catalog", "ports", "services", "adapters")
DRAWERS = {"utils", "util", "helpers", "common", "misc", "base", "manager", "types", "shared"}
LOADERS = {"surfaces/cli/main.py", "catalog/folder.py"}
NOT_OUR_WORDS = {
    "signal": "a finding, an alert or an operating system's signal (then import the module signal)",
    "case": "an incident",
    "session": "an exchange, a connection or a conversation",
    "flow": "an exchange or a course",
    "trace_id": "the exchange's id",
}
WORDS_OF_OTHER_FIELDS = re.compile(r"worst_case|(lower|upper|letter)_case|session_id", re.IGNORECASE)
IMPURE_CALL = re.compile(r"(open|print|input|eval|exec|breakpoint)\(|.*\.(now|today|utcnow)\(\)$")
IMPURE_MODULES = {"urllib.request", "http.client", "http.server"}
WAIVER = re.compile(
    r"#\s*(?:ruff:\s*)?noqa(?P<codes>:\s*[A-Z]+\d+(?:,\s*[A-Z]+\d+)*)?(?P<reason>.*)"
    r"|#\s*type:\s*ignore(?P<kinds>\[[\w,\- ]+\])?(?P<why>.*)"
)
SLEEPY_FOLDERS = {"wire", "browser", "faults"}

Fault = tuple[int, str]
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """One Python file."""

    path: Path
    text: str
    tree: ast.Module

    @property
    def room(self) -> str:
        """Its path inside the package, as surfaces/cli/main.py."""
        return self.path.relative_to(PACKAGE).as_posix()

    def stands_in(self, *floors: str) -> bool:
        """Tell whether it stands on one of these floors of the package."""
        return self.path.is_relative_to(PACKAGE) and self.room.split("/")[0].removesuffix(".py") in floors

    def nodes(self, *kinds: type[ast.AST]) -> Iterator[ast.AST]:
        """Yield all nodes of these kinds."""
        return (node for node in ast.walk(self.tree) if isinstance(node, kinds))


@cache
def sources(*folders: str) -> tuple[Source, ...]:
    """Return the Python files of folders, but for generated and installed ones."""
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    read = [(path, path.read_text(encoding="utf-8")) for path in paths if "node_modules" not in path.parts]
    return tuple(Source(path, text, ast.parse(text, str(path))) for path, text in read)


def ours() -> tuple[Source, ...]:
    return sources("src/chatelaine")


def everything() -> tuple[Source, ...]:
    return sources("src", "tests", "bench", "tools")


def on(*floors: str) -> tuple[Source, ...]:
    return tuple(source for source in ours() if source.stands_in(*floors))


def each(found: tuple[Source, ...], rule: Callable[[Source], Iterator[Fault]]) -> None:
    """Hold a rule against files; fail with one line for each fault."""
    faults = [(source.path.relative_to(ROOT), *fault) for source in found for fault in rule(source)]
    if faults:
        pytest.fail("\n".join(f"{path}:{line}: {what}" for path, line, what in faults), pytrace=False)


def functions(source: Source) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in source.nodes(*FUNCTIONS) if isinstance(node, FUNCTIONS))


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines from ``def`` to the end, without the docstring."""
    doc = node.body[0] if ast.get_docstring(node, clean=False) is not None else None
    said = (doc.end_lineno or 0) - doc.lineno + 1 if doc else 0
    return (node.end_lineno or node.lineno) - node.lineno + 1 - said


def calls(source: Source) -> Iterator[tuple[int, str]]:
    """Yield line and text of every call."""
    return ((node.lineno, ast.unparse(node)) for node in ast.walk(source.tree) if isinstance(node, ast.Call))


def imports(source: Source) -> Iterator[tuple[int, str]]:
    """Yield line and full name of whatever a file imports."""
    for node in source.nodes(ast.Import, ast.ImportFrom):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, node.module or ""
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


# Size


def test_a_module_has_at_most_400_lines() -> None:
    def rule(source: Source) -> Iterator[Fault]:
        if (lines := source.text.count("\n")) > 400:
            yield 400, f"{lines} lines: split it where its subject changes"

    each(everything(), rule)


def test_a_function_has_at_most_50_lines() -> None:
    def rule(source: Source) -> Iterator[Fault]:
        for node in functions(source):
            if (lines := length(node)) > 50:
                yield node.lineno, f"{node.name} has {lines} lines: give its steps names"

    each(everything(), rule)


@pytest.mark.parametrize("floor", ["src/chatelaine/model", "src/chatelaine/core", "src/chatelaine"])
def test_half_of_all_functions_have_at_most_10_lines(floor: str) -> None:
    lengths = [length(node) for source in sources(floor) for node in functions(source)]
    assert not lengths or statistics.median(lengths) <= 10, f"{floor}: split the long functions"


def test_a_function_takes_at_most_5_arguments() -> None:
    def rule(source: Source) -> Iterator[Fault]:
        for node in functions(source):
            given = node.args
            count = sum(map(len, (given.posonlyargs, given.args, given.kwonlyargs)))
            if count - (bool(given.args) and given.args[0].arg in {"self", "cls"}) > 5:
                yield node.lineno, f"{node.name} takes {count}: put what belongs together in one value"

    each(sources("src", "bench", "tools"), rule)


# Places


def test_no_module_or_folder_is_a_drawer() -> None:
    def rule(source: Source) -> Iterator[Fault]:
        for part in {*source.path.relative_to(ROOT).with_suffix("").parts} & DRAWERS:
            yield 1, f"{part} says nothing: name it for what it holds"

    each(everything(), rule)


def test_every_folder_of_the_package_with_code_is_a_package() -> None:
    def rule(source: Source) -> Iterator[Fault]:
        if "vectors" not in source.path.parts and not source.path.with_name("__init__.py").exists():
            yield 1, "its folder has no __init__.py: add one with a docstring"

    each(ours(), rule)


def test_no_function_imports_a_module() -> None:
    def rule(source: Source) -> Iterator[Fault]:
        for function in functions(source):
            for node in ast.walk(function):
                if isinstance(node, ast.Import | ast.ImportFrom):
                    yield node.lineno, "move the import to the top of the module"

    each(everything(), rule)


def test_only_the_command_table_and_the_catalog_load_modules_by_name() -> None:
    def rule(source: Source) -> Iterator[Fault]:
        for line, call in calls(source):
            if (
                re.match(r"(importlib\.)?(import_module|__import__)\(", call)
                and source.room not in LOADERS
                and not source.stands_in("catalog")
            ):
                yield line, f"{call}: import it by name at the top of the module"

    each(ours(), rule)


# Purity


def test_nothing_at_or_below_services_is_of_any_type() -> None:
    def rule(source: Source) -> Iterator[Fault]:
        for line, name in imports(source):
            if name == "typing.Any":
                yield line, "Any: name the type, or use object and look at it"

    each(on(*PURE, "catalog", "ports", "services"), rule)


def test_the_pure_floors_call_nothing_impure() -> None:
    def rule(source: Source) -> Iterator[Fault]:
        for line, name in imports(source):
            if name in IMPURE_MODULES:
                yield line, f"{name}: model, core and shelves do no I/O; ask for it through a port"
        for line, call in calls(source):
            if IMPURE_CALL.match(call):
                yield line, f"{call}: take the value as an argument"

    each(on(*PURE), rule)


def test_nothing_in_core_is_async() -> None:
    def rule(source: Source) -> Iterator[Fault]:
        for node in source.nodes(ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith):
            yield getattr(node, "lineno", 1), "async: let core return what is to be done, a driver awaits"

    each(on(*PURE), rule)


@pytest.mark.parametrize("floor", ["model", "services", "ports", "catalog"])
def test_these_floors_import_nothing_but_python_and_us(floor: str) -> None:
    # msgspec's frozen structs are made in a third of a dataclass's time: values may be, wherever they live.
    known = {*sys.stdlib_module_names, "chatelaine"} | (
        {"msgspec"} if floor in {"model", "catalog"} else set()
    )

    def rule(source: Source) -> Iterator[Fault]:
        for line, name in imports(source):
            if name.split(".")[0] not in known:
                yield line, f"{name}: {floor} has no third-party imports; put it behind a port or in core"

    each(on(floor), rule)


def test_values_of_the_model_are_frozen_and_slotted() -> None:
    def rule(source: Source) -> Iterator[Fault]:
        for node in (node for node in ast.walk(source.tree) if isinstance(node, ast.ClassDef)):
            said = [ast.unparse(mark) for mark in (*node.decorator_list, *node.bases, *node.keywords)]
            is_struct = "Struct" in said and "frozen=True" not in said
            if is_struct or any(
                re.match(r"(dataclasses\.)?dataclass\b", m) and "frozen=True, slots=True" not in m
                for m in said
            ):
                yield node.lineno, f"{node.name}: @dataclass(frozen=True, slots=True) or Struct, frozen=True"

    each(on("model"), rule)


# Honesty


def test_nothing_is_left_open_in_the_source() -> None:
    words = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|NotImplemented" r"Error)\b")

    def rule(source: Source) -> Iterator[Fault]:
        for number, line in enumerate(source.text.splitlines(), 1):
            if found := words.search(line):
                yield number, f"{found[0]}: finish it, or open an issue and take it out"

    each(everything(), rule)


def test_broad_excepts_stand_in_surfaces_and_app_alone() -> None:
    def rule(source: Source) -> Iterator[Fault]:
        for node in source.nodes(ast.ExceptHandler):
            if isinstance(node, ast.ExceptHandler) and is_broad(node.type):
                last = node.body[-1]
                raised_again = isinstance(last, ast.Raise) and last.exc is None
                if source.stands_in(*BELOW_SURFACES) and not raised_again:
                    yield node.lineno, "broad except: name the errors, or end the block with raise"
                elif isinstance(node.body[0], ast.Pass):
                    yield node.lineno, "broad except that passes: refuse and record"
        for line, call in calls(source):
            if re.search(r"\bsuppress\((.*\b)?(Base)?Exception\b", call):
                yield line, f"{call}: name the errors"

    each(ours(), rule)


def is_broad(kind: ast.expr | None) -> bool:
    """Tell whether an except clause catches everything."""
    parts = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    return any(part is None or ast.unparse(part) in {"Exception", "BaseException"} for part in parts)


def comments(source: Source) -> Iterator[tokenize.TokenInfo]:
    read = io.StringIO(source.text).readline
    return (token for token in tokenize.generate_tokens(read) if token.type == tokenize.COMMENT)


def test_model_and_core_have_no_waivers_and_all_others_give_a_reason() -> None:
    def rule(source: Source) -> Iterator[Fault]:
        for token in comments(source):
            if not (found := WAIVER.search(token.string)):
                continue
            reason = re.sub(r"^\W+", "", found["reason"] or found["why"] or "")
            if source.stands_in("model", "core"):
                yield token.start[0], "a waiver in model or core: change the code"
            elif not (found["codes"] or found["kinds"]) or " " not in reason:
                yield token.start[0], "write the waiver as: noqa: CODE - the reason in words"

    each(everything(), rule)


# Words


def public(source: Source) -> Iterator[tuple[str, Definition | ast.Module]]:
    """Yield the module and its public classes and functions, with their names."""

    def walk(name: str, node: Definition | ast.Module) -> Iterator[tuple[str, Definition | ast.Module]]:
        yield name, node
        if isinstance(node, FUNCTIONS):
            return
        for child in node.body:
            if isinstance(child, Definition) and not child.name.startswith("_"):
                yield from walk(child.name, child)

    return walk(source.path.name, source.tree)


def test_public_docstrings_begin_with_one_full_sentence() -> None:
    def rule(source: Source) -> Iterator[Fault]:
        for name, node in public(source):
            first = (ast.get_docstring(node) or "").partition("\n")[0]
            if not is_sentence(first):
                line = getattr(node, "lineno", 1)
                yield line, f"{name}: its docstring begins with one full sentence on one line, not {first!r}"

    each(tuple(s for s in ours() if "vectors" not in s.path.parts), rule)


def is_sentence(line: str) -> bool:
    return len(line.split()) >= 2 and line.endswith((".", "?")) and not line[0].islower()


def bound(source: Source) -> Iterator[tuple[int, str]]:
    """Yield line and name of whatever a file gives a name to."""
    for node in ast.walk(source.tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
                yield node.lineno, name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield node.lineno, name
            case ast.Attribute(attr=name, ctx=ast.Store()):
                yield node.lineno, name


def test_names_are_the_glossarys_words() -> None:
    def rule(source: Source) -> Iterator[Fault]:
        allowed = {name for _, name in imports(source)} & {"signal"}
        for line, name in [*bound(source), (1, source.path.stem)]:
            snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", WORDS_OF_OTHER_FIELDS.sub("", name)).lower()
            parts = set(snake.split("_"))
            found = parts & (NOT_OUR_WORDS.keys() - allowed) | ({"trace_id"} if "trace_id" in name else set())
            yield from ((line, f"{name}: not {word}, but {NOT_OUR_WORDS[word]}") for word in sorted(found))

    each(ours(), rule)


# Tests


def test_names_of_tests_are_sentences() -> None:
    def rule(source: Source) -> Iterator[Fault]:
        for node in functions(source):
            if node.name.startswith("test_") and len(node.name.split("_")) < 5:
                yield node.lineno, f"{node.name}: say in four words or more what holds"

    each(sources("tests"), rule)


def test_no_test_mocks_anything() -> None:
    def rule(source: Source) -> Iterator[Fault]:
        for line, name in imports(source):
            if name in {"unittest.mock", "mock", "pytest_mock", "respx"}:
                yield line, f"{name}: pass a memory adapter instead"

    each(sources("tests"), rule)


def test_no_test_sleeps_where_a_clock_can_be_passed() -> None:
    def rule(source: Source) -> Iterator[Fault]:
        if SLEEPY_FOLDERS & {*source.path.parts} or "pytest.mark.wire" in source.text:
            return
        for line, call in calls(source):
            if re.match(r"(time\.|asyncio\.)?sleep\(", call) and call != "asyncio.sleep(0)":
                yield line, f"{call}: pass a clock, or wait for the event itself"

    each(sources("tests"), rule)
