"""Write the pages of the docs that are generated: the command line, the metrics, the detections."""

from pathlib import Path

from chatelaine.app.main import COMMANDS
from chatelaine.catalog import detections
from chatelaine.core.detection.page import detections_page
from chatelaine.core.metric import reference as metrics
from chatelaine.surfaces.cli.reference import reference as command_line

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGES = DOCS / "reference"


def main() -> None:
    """Write all pages."""
    (PAGES / "cli.md").write_text(command_line(COMMANDS), encoding="utf-8")
    (PAGES / "metrics.md").write_text(metrics(), encoding="utf-8")
    page = detections_page(one.card for one in detections())
    (DOCS / "explain" / "detections.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
