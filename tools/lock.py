"""Write the lock of every shelf: which items it has, in which version, with which content."""

import sys
from pathlib import Path

import chatelaine
from chatelaine.catalog import SHELVES, find_unraised, lock, lock_name

PACKAGE = Path(chatelaine.__file__).parent


def main() -> int:
    """Write all locks, or none where an item changed and its version did not; return the exit status."""
    faults, locks = [], {}
    for name in SHELVES:
        path = PACKAGE / name / lock_name(name)
        held = path.read_text(encoding="utf-8") if path.exists() else ""
        faults += find_unraised(name, PACKAGE / name, held)
        locks[path] = lock(name, PACKAGE / name, held)
    if faults:
        sys.stderr.write("".join(f"{fault.where}: {fault.message}\n  {fault.hint}\n" for fault in faults))
        return 1
    for path, text in locks.items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
