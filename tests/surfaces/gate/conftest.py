"""The stage that the tests of the gate play on."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
