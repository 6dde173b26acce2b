"""The pages of the documentation can be followed: links resolve, every page is reached."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
START = (ROOT / "README.md", DOCS / "index.md")
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md")), *sorted((ROOT / "src").rglob("README.md"))]
FENCE = re.compile(r"(?ms)^ *(`{3,}|~{3,}).*?^ *\1`*$")
LINK = re.compile(r"\[[^\]]*\]\(([^()\s]+)(?: \"[^\"]*\")?\)")


def prose(page: Path) -> str:
    """Return a page without what stands in code."""
    return re.sub(r"`[^`\n]*`", "", FENCE.sub("", page.read_text(encoding="utf-8")))


def links(page: Path) -> list[tuple[str, str]]:
    """Return path and anchor of every link to a file of this repository."""
    targets = [target for target in LINK.findall(prose(page)) if not re.match(r"[a-z]+:", target)]
    return [(path, anchor) for path, _, anchor in (target.partition("#") for target in targets)]


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"(?m)^#{1,6} +(.+?) *$", text)
    made = (re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", h)).lower() for h in headings)
    return {heading.replace(" ", "-") for heading in made}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_resolves(page: Path) -> None:
    for path, anchor in links(page):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.relative_to(ROOT)}: no file {path}"
        assert target.is_relative_to(ROOT), f"{page.relative_to(ROOT)}: {path} leads out of the repository"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), (
                f"{page.relative_to(ROOT)}: {path or 'the page'} has no #{anchor}"
            )


def test_every_page_of_the_documentation_is_reached_from_its_index() -> None:
    seen: set[Path] = set()
    waiting = [page for page in START if page.exists()]
    while waiting:
        page = waiting.pop()
        seen.add(page)
        found = {(page.parent / path).resolve() for path, _ in links(page) if path.endswith(".md")}
        waiting.extend(path for path in found - seen if path.exists() and path not in waiting)
    unseen = sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md") if page not in seen)
    assert not unseen, f"link these from docs/index.md: {unseen}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_page_begins_with_its_title(page: Path) -> None:
    assert page.read_text(encoding="utf-8").startswith("# "), "a page begins with one heading: # Title"
