"""Build the hot modules as native code: the same typed Python, compiled by mypyc.

The sources stay the truth and run as they are; this makes a second tree, ``build/compiled``, that
holds the package with the modules named in ``[tool.chatelaine.compiled]`` as extensions. Whoever
puts it first on ``PYTHONPATH`` runs it. It is built anew when a source changed, and only then.

    python tools/compiled.py          build if needed, print the tree's path
    python tools/compiled.py --check  exit 1 if it is missing or stale
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "chatelaine"
TREE = ROOT / "build" / "compiled"
STAMP = TREE / "stamp"

_LEFT_OUT = frozenset({"__init__.py", "wire.py"})
"""``wire.py`` holds structs, which are native code already and no class that mypyc could compile."""

SETUP = """
from mypyc.build import mypycify
from setuptools import setup
setup(name="compiled", packages=[], py_modules=[],
      ext_modules=mypycify({modules!r}, opt_level="3", debug_level="0", group_name="chatelaine"))
"""


def hot_modules() -> list[str]:
    """Return the modules to compile, as paths inside the tree."""
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = table["tool"]["chatelaine"]["compiled"]["modules"]
    found = [path for pattern in patterns for path in sorted(SOURCE.glob(pattern))]
    return [str(path.relative_to(SOURCE.parent)) for path in found if path.name not in _LEFT_OUT]


def fingerprint() -> str:
    """Return a hash over everything the build depends on."""
    state = hashlib.sha256(sys.version.encode())
    for path in [Path(__file__), ROOT / "pyproject.toml", *sorted(SOURCE.rglob("*.py"))]:
        state.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return state.hexdigest()


def build(wanted: str) -> None:
    """Build the tree in a folder of its own and put it in place when it is whole."""
    fresh = TREE.with_name("compiled.new")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(SOURCE, fresh / "chatelaine", ignore=shutil.ignore_patterns("__pycache__"))
    (fresh / "setup.py").write_text(SETUP.format(modules=hot_modules()), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"],
        cwd=fresh,
        env=dict(os.environ) | {"MYPYPATH": str(fresh), "CFLAGS": "-w"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"compiled: the build failed\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    shutil.rmtree(fresh / "build", ignore_errors=True)
    (fresh / "stamp").write_text(wanted, encoding="utf-8")
    shutil.rmtree(TREE, ignore_errors=True)
    fresh.rename(TREE)


def main() -> None:
    """Build if needed, and print where the tree is."""
    wanted = fingerprint()
    current = STAMP.exists() and STAMP.read_text(encoding="utf-8") == wanted
    if "--check" in sys.argv:
        raise SystemExit(0 if current else 1)
    if not current:
        build(wanted)
    sys.stdout.write(f"{TREE}\n")


if __name__ == "__main__":
    main()
