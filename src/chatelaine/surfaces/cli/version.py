"""Tell the release, and what it runs on: ``chatelaine version``."""

import argparse
import json
import platform

from chatelaine import __version__
from chatelaine.surfaces.cli.options import add_json, show


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_json(parser)


def run(arguments: argparse.Namespace, work: object) -> int:
    """Show the release."""
    del work
    told = {"chatelaine": __version__, "python": platform.python_version(), "system": platform.platform()}
    if arguments.json:
        show(json.dumps(told) + "\n")
    else:
        show(f"chatelaine {told['chatelaine']} (Python {told['python']}, {told['system']})\n")
    return 0
