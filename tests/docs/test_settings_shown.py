"""What the documentation shows beside commands is true: settings, price files, the recorded demo."""

import re
from pathlib import Path

import pytest

from chatelaine.adapters.prices import load_prices
from chatelaine.app.rehearsal import story
from chatelaine.app.settings import load
from chatelaine.catalog import providers

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(page: Path, kind: str) -> list[str]:
    """Return the fenced blocks of a kind."""
    return re.findall(rf"(?ms)^```{kind}\n(.*?)^```", page.read_text(encoding="utf-8"))


def cases(kind: str, begins: str) -> list[tuple[Path, str]]:
    """Return each block of a kind that begins so, with its page."""
    return [(page, text) for page in PAGES for text in blocks(page, kind) if re.match(begins, text)]


SETTINGS = cases("yaml", "# chatelaine.yaml|gate:|upstreams:")
PRICES = cases("toml", "# prices.toml")


@pytest.mark.parametrize(("page", "text"), SETTINGS, ids=lambda given: getattr(given, "stem", ""))
def test_settings_that_are_shown_have_no_fault(page: Path, text: str, tmp_path: Path) -> None:
    for prices in blocks(page, "toml"):
        (tmp_path / "prices.toml").write_text(prices, encoding="utf-8")
    path = tmp_path / "chatelaine.yaml"
    path.write_text(text, encoding="utf-8")
    settings = load(path, {}, {}, frozenset(map(str, providers())))
    shown = settings.upstreams or settings.prices.file or settings.notify
    assert shown, "a snippet shows where requests go, what they cost, or who is told"


@pytest.mark.parametrize(("page", "text"), PRICES, ids=lambda given: getattr(given, "stem", ""))
def test_price_files_that_are_shown_can_be_used(page: Path, text: str, tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(text, encoding="utf-8")
    assert load_prices(path), page


def test_the_recorded_run_has_the_acts_of_the_demo() -> None:
    (recorded,) = blocks(ROOT / "README.md", "text")
    acts = re.findall(r'stage\.act\(\s*"([^"]+)"', Path(story.__file__).read_text(encoding="utf-8"))
    assert re.findall(r"(?m)^\d  (.+)$", recorded) == acts


def test_the_recorded_run_shows_a_whole_success() -> None:
    for said in (
        "is being used by somebody else",
        "it would have stopped 0 of them",
        "ms after the thief's first request",
        "200 × 401",
        "incidents 0 new",
        "not flagged",
        "0 failures",
        "0 of them hold a question, an answer or a key",
        "is stopped",
    ):
        assert said in " ".join(README.split()), f"record a run of make demo anew: it lacks {said!r}"
