"""Behind ``chatelaine keys``: the hub while it runs, the store while it does not."""

from dataclasses import dataclass
from datetime import timedelta

from chatelaine.app.errand import run_errand
from chatelaine.app.wire import CLOCK, read_settings
from chatelaine.app.work.up import export_lines
from chatelaine.model.link import Command, Reply
from chatelaine.model.settings import Settings
from chatelaine.model.words import Instant
from chatelaine.surfaces.cli.options import Chosen


@dataclass(frozen=True, slots=True)
class Keys:
    """Carries commands about keys out."""

    settings: Settings

    @property
    def lifetime(self) -> timedelta:
        """How long a key lives where nothing else is said."""
        return self.settings.keys.lifetime

    def after(self, span: timedelta) -> Instant:
        """Return the instant that comes a span after now."""
        return Instant(CLOCK.now() + span // timedelta(microseconds=1) * 1000)

    def carry_out(self, command: Command) -> Reply:
        """Carry a command out, by the hub or on the store."""
        return run_errand(self.settings, command)

    def exports(self, token: str) -> str:
        """Return the lines that point a client at the gate with a token."""
        return export_lines(self.settings, self.settings.storage.directory.resolve(), token)


def begin(chosen: Chosen) -> Keys:
    """Return what the command works with."""
    return Keys(read_settings(chosen.path, chosen.overrides))
