"""Behind ``chatelaine doctor``: one look after another, each on its own feet."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from chatelaine.app.settings_files import file_faults
from chatelaine.app.wire import Places, read_settings
from chatelaine.app.work.looks import (
    Look,
    look_at_addresses,
    look_at_captures,
    look_at_certificate,
    look_at_clock,
    look_at_prices,
    look_at_secrets,
    look_at_storage,
)
from chatelaine.app.work.looks_inside import (
    look_at_journal,
    look_at_notices,
    look_at_ports,
    look_at_service,
    look_at_store,
    mend_segment,
)
from chatelaine.app.work.looks_outside import look_at_upstreams
from chatelaine.model.error import ChatelaineError, Fault, SettingsError
from chatelaine.model.settings import Settings
from chatelaine.surfaces.cli.doctor import Diagnosis, Level
from chatelaine.surfaces.cli.options import Chosen

_ON_DISK: Sequence[tuple[str, Look]] = (
    ("storage", look_at_storage),
    ("secrets", look_at_secrets),
    ("captures", look_at_captures),
    ("certificate", look_at_certificate),
    ("store", look_at_store),
    ("journal", look_at_journal),
    ("notices", look_at_notices),
    ("clock", look_at_clock),
)
_ANYWHERE: Sequence[tuple[str, Look]] = (
    ("addresses", look_at_addresses),
    ("prices", look_at_prices),
    ("upstreams", look_at_upstreams),
    ("ports", look_at_ports),
    ("service", look_at_service),
)


class Doctor:
    """Examines the installation that one command line names."""

    def __init__(self, chosen: Chosen) -> None:
        self._chosen = chosen

    def examine(self, *, mend: Sequence[Path]) -> Sequence[Diagnosis]:
        """Look at everything; mend these segments of the journal before."""
        try:
            settings = read_settings(self._chosen.path, self._chosen.overrides)
            faults = file_faults(settings, self._chosen.path, self._chosen.overrides)
        except SettingsError as error:
            return [_failed(fault) for fault in error.faults]
        said = self._chosen.path or "no settings file: the defaults are in force"
        read = [_failed(fault) for fault in faults] or [Diagnosis("settings", Level.OK, said)]
        # What the settings' line is told of is not told again by the look that meets it.
        found = [
            one for one in _look(settings, mend=mend) if not any(one.message in told.message for told in read)
        ]
        return [*read, *found]


def begin(chosen: Chosen) -> Doctor:
    """Return what the command works with."""
    return Doctor(chosen)


def _failed(fault: Fault) -> Diagnosis:
    return Diagnosis("settings", Level.FAIL, f"{fault.where}: {fault.message}", fault.hint)


def _look(settings: Settings, *, mend: Sequence[Path]) -> Iterator[Diagnosis]:
    places = Places(settings.storage.directory.resolve())
    if places.root.is_dir():
        for segment in mend:
            yield from _carefully("mending", partial(mend_segment, segment), settings, places)
        for name, look in _ON_DISK:
            yield from _carefully(name, look, settings, places)
    else:
        fix = "the first `chatelaine up` makes it"
        yield Diagnosis("storage", Level.WARN, f"{places.root} is not there yet", fix)
    for name, look in _ANYWHERE:
        yield from _carefully(name, look, settings, places)


def _carefully(name: str, look: Look, settings: Settings, places: Places) -> list[Diagnosis]:
    """Take a look; what goes wrong in it is its finding, and the next look is taken all the same."""
    try:
        return list(look(settings, places))
    except ChatelaineError as error:
        return [Diagnosis(name, Level.FAIL, error.message, error.hint)]
    except OSError as error:
        return [
            Diagnosis(name, Level.FAIL, f"{error.filename or ''}: {error.strerror}", "check who may read it")
        ]
