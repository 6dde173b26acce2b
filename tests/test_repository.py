"""What the house asks of files that are not Python: locks, addresses, news, set-up."""

import json
import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path

import pytest

from chatelaine import catalog

ROOT = Path(__file__).resolve().parent.parent
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
PIP_LOCKS = [lock for lock in LOCKS if lock.name != "debian.txt"]
BINARY = {".npz", ".png", ".gz", ".mmdb", ".bin", ".pcap", ".ico", ".woff2"}
# Written with blanks, so that this page names none of them itself.
HOSTS = ("pypi org", "pythonhosted org", "npmjs org", "npmjs com", "deb debian org", "crates io", "ghcr io")
FOLDERS = ("work", "tmp", "root", "opt/py" + "pi", "builds")


@cache
def texts() -> dict[str, str]:
    """Return every text file that is or may be committed, by its path."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if listed.returncode:
        pytest.skip("not a git checkout: the list of files is git's")
    paths = (ROOT / line for line in sorted(set(listed.stdout.splitlines())))
    wanted = (path for path in paths if path.is_file() and path.suffix not in BINARY)
    return {str(p.relative_to(ROOT)): p.read_text(encoding="utf-8", errors="replace") for p in wanted}


def refuse(pattern: str, fix: str) -> None:
    """Fail with one line for each line of a file that matches."""
    wanted = re.compile(pattern)
    found = [
        f"{path}:{number}: {match[0]}: {fix}"
        for path, text in texts().items()
        if path != "tests/test_repository.py" and wanted.search(text)
        for number, line in enumerate(text.splitlines(), 1)
        if (match := wanted.search(line))
    ]
    assert not found, "\n" + "\n".join(found)


def test_no_file_names_the_host_of_a_registry() -> None:
    hosts = "|".join(re.escape(host.replace(" ", ".")) for host in HOSTS)
    refuse(rf"\b({hosts})\b", "name the package alone; whoever installs it knows their registry")


def test_no_file_names_a_folder_of_the_machine_it_was_written_on() -> None:
    refuse(
        rf"(?<![\w.~}}/-])/({'|'.join(FOLDERS)})/[\w.]",
        "use a relative path or a temporary folder of the run",
    )


def test_no_file_is_left_in_conflict() -> None:
    refuse(r"^(<{7} |>{7} |={7}$)", "settle the merge")


@pytest.mark.parametrize("lock", PIP_LOCKS, ids=lambda lock: lock.name)
def test_every_locked_requirement_is_pinned_and_hashed(lock: Path) -> None:
    text = re.sub(r"(?m)^\s*#.*\n", "", lock.read_text()).replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip()]
    shape = re.compile(r"[a-z0-9._-]+(\[[\w,]+\])?==\S+( ; [^#]+?)?( +--hash=sha256:[0-9a-f]{64})+ *")
    faults = [line[:60] for line in lines if not shape.fullmatch(line)]
    assert lines, f"{lock.name} is empty: run make lock"
    assert not faults, f"{lock.name}: neither pinned nor hashed, run make lock: {faults}"


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_no_requirement_names_an_address(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text, f"{lock.name}: take the address out; make lock writes none"
    assert not re.search(r"(?m)^\s*--?(i|f|index|extra|find|trusted)", text), f"{lock.name}: an index option"


def locked(name: str) -> dict[str, str]:
    """Return the versions that a lock pins, by package."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    return dict(re.findall(r"(?m)^([\w.-]+)(?:\[[\w,]+\])?==(\S+)", text))


@pytest.mark.parametrize(("smaller", "larger"), [("run", "test"), ("test", "bench")])
def test_a_smaller_lock_is_part_of_the_larger_one(smaller: str, larger: str) -> None:
    differing = locked(smaller).items() - locked(larger).items()
    assert not differing, f"run make lock; {larger}.txt differs in {sorted(differing)}"


def test_every_dependency_is_locked_in_a_version_it_allows() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [re.fullmatch(r"([\w.-]+)>=([\d.]+)", line) for line in project["dependencies"]]
    assert all(wanted), "write a dependency as name>=version"
    pinned = locked("run")
    for name, least in (match.groups() for match in wanted if match):
        assert name.lower() in pinned, f"{name} is not locked: run make lock"
        found = tuple(map(int, re.findall(r"\d+", pinned[name.lower()])))
        assert found >= tuple(map(int, least.split("."))), f"{name} {least} is not locked: run make lock"


@pytest.mark.parametrize("name", catalog.SHELVES)
def test_every_shelf_is_as_its_lock_says(name: str) -> None:
    folder = catalog.shelf(name)
    held = folder.joinpath(catalog.lock_name(name)).read_text("utf-8")
    assert catalog.check_lock(name, folder, held) == []
    assert catalog.lock(name, folder, held) == held


def test_no_npm_lock_says_where_a_package_came_from() -> None:
    locks = {path: json.loads(text) for path, text in texts().items() if path.endswith("package-lock.json")}
    assert locks
    for path, lock in locks.items():
        for name, package in lock["packages"].items():
            assert "resolved" not in package, f"{path}: {name} has an address: run make lock"
            assert not name or "integrity" in package, f"{path}: {name} has no hash: run make lock"


def test_every_news_fragment_is_one_or_two_sentences() -> None:
    for path in sorted((ROOT / "news").glob("*.md")):
        text = path.read_text(encoding="utf-8").strip()
        if path.name == "README.md":
            continue
        assert text.endswith("."), f"news/{path.name}: write one or two plain sentences for users"
        sentences = re.findall(r"[.?!](?:\s|$)", text)
        assert len(sentences) <= 4, f"news/{path.name}: {len(sentences)} sentences; the rest belongs in docs"


def test_every_target_the_makefile_describes_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    described = set(re.findall(r"make ([a-z]+)", makefile.split("\n\n")[0]))
    targets = set(re.findall(r"(?m)^([a-z]+):(?!=)", makefile))
    assert described
    assert described <= targets


def test_what_ci_runs_is_the_test_command_of_the_readme() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    assert "set -euo pipefail" in script
    assert "make test" in script
    assert "make test" in (ROOT / "README.md").read_text()
