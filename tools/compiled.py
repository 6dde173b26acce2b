"""Build the hot modules as native code: the same typed Python, compiled by mypyc.

The sources stay the truth and run as they are; this makes a second tree, ``build/compiled``, that
holds the package with the modules named in ``[tool.chatelaine.compiled]`` as extensions. Whoever
puts it first on ``PYTHONPATH`` runs it. It is built anew when a source changed, and only then.

    python tools/compiled.py          build if needed, print the tree's path
    python tools/compiled.py --able   exit 1, and say so, where what it takes is missing
"""

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "chatelaine"
TREE = ROOT / "build" / "compiled"
STAMP = "stamp"

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


def fingerprint(source: Path) -> str:
    """Return a hash over everything the build depends on."""
    state = hashlib.sha256(sys.version.encode())
    for path in (Path(__file__), ROOT / "pyproject.toml"):
        state.update(path.read_bytes())
    for path in sorted(source.rglob("*.py")):
        state.update(str(path.relative_to(source)).encode() + path.read_bytes())
    return state.hexdigest()


def missing() -> str:
    """Return what a build takes and this machine has not, or ""."""
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    if not shutil.which(compiler):
        return f"no C compiler ({compiler}): apt-get install gcc libc6-dev"
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        return "no Python.h: apt-get install python3-dev"
    return ""


def build() -> None:
    """Build the tree in a folder of its own and put it in place when it is whole.

    The stamp is that of the copy which is built, so a source that changes meanwhile makes it stale.
    """
    TREE.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="compiled-", dir=TREE.parent) as folder:
        fresh = Path(folder) / "tree"
        shutil.copytree(SOURCE, fresh / "chatelaine", ignore=shutil.ignore_patterns("__pycache__"))
        (fresh / STAMP).write_text(fingerprint(fresh / "chatelaine"), encoding="utf-8")
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
        shutil.rmtree(fresh / ".mypy_cache", ignore_errors=True)
        shutil.rmtree(TREE, ignore_errors=True)
        fresh.rename(TREE)


def main() -> None:
    """Build if needed, and print where the tree is."""
    lacking = missing()
    if lacking:
        raise SystemExit(f"compiled: {lacking}")
    if "--able" in sys.argv:
        return
    stamp = TREE / STAMP
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != fingerprint(SOURCE):
        sys.stderr.write("compiled: building build/compiled, which takes a minute or two\n")
        build()
    sys.stdout.write(f"{TREE}\n")


if __name__ == "__main__":
    main()
