"""Write the pages of docs/reference that are generated: the command line and the metrics."""

from pathlib import Path

from chatelaine.app.main import COMMANDS
from chatelaine.core.metric import reference as metrics
from chatelaine.surfaces.cli.reference import reference as command_line

PAGES = Path(__file__).resolve().parents[1] / "docs" / "reference"


def main() -> None:
    """Write both pages."""
    (PAGES / "cli.md").write_text(command_line(COMMANDS), encoding="utf-8")
    (PAGES / "metrics.md").write_text(metrics(), encoding="utf-8")


if __name__ == "__main__":
    main()
