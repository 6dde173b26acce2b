"""Which code the tests run: the sources as they are, or the compiled tree where COMPILED=1 asks for it."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

TOOL = Path(__file__).resolve().parent.parent / "tools" / "compiled.py"
ENDING = ".so" if os.environ.get("COMPILED") == "1" else ".py"


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    found = importlib.util.spec_from_file_location("compiled_tool", TOOL)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_every_hot_module_is_of_the_kind_that_was_asked_for(tool: ModuleType) -> None:
    names = [path.removesuffix(".py").replace("/", ".") for path in tool.hot_modules()]
    assert "chatelaine.services.exchange.driver" in names
    origins = {name: str(importlib.import_module(name).__file__) for name in names}
    assert not {name: origin for name, origin in origins.items() if not origin.endswith(ENDING)}


def test_a_program_that_a_test_starts_runs_the_same_code() -> None:
    told = "import chatelaine.core.limit; print(chatelaine.core.limit.__file__)"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith(ENDING)


def test_a_tree_is_stale_as_soon_as_a_source_changes(tool: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("a = 1\n")
    before = tool.fingerprint(tmp_path)
    assert tool.fingerprint(tmp_path) == before
    (tmp_path / "one.py").write_text("a = 2\n")
    assert tool.fingerprint(tmp_path) != before
    (tmp_path / "one.py").write_text("a = 1\n")
    (tmp_path / "two.py").write_text("")
    assert tool.fingerprint(tmp_path) != before
