"""Behind ``chatelaine incidents``: the hub while it runs, the store while it does not."""

from dataclasses import dataclass

from chatelaine.app.errand import run_errand
from chatelaine.app.wire import read_settings
from chatelaine.model.link import Command, Reply
from chatelaine.model.settings import Settings
from chatelaine.surfaces.cli.options import Chosen


@dataclass(frozen=True, slots=True)
class Incidents:
    """Carries commands about incidents out."""

    settings: Settings

    def carry_out(self, command: Command) -> Reply:
        """Carry a command out, by the hub or on the store."""
        return run_errand(self.settings, command)


def begin(chosen: Chosen) -> Incidents:
    """Return what the command works with."""
    return Incidents(read_settings(chosen.path, chosen.overrides))
