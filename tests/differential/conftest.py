"""The stage that the differential tests play on."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "surfaces" / "gate"))
