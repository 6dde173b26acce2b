"""Behind ``chatelaine config``: the settings, their schema, and a file to begin with."""

from pathlib import Path

from chatelaine.app.settings_files import file_faults
from chatelaine.app.settings_schema import FROM_ENVIRONMENT, as_tree, first_file, schema
from chatelaine.app.wire import read_settings
from chatelaine.model.error import Fault, SettingsError, UsageError
from chatelaine.surfaces.cli.key_views import Json
from chatelaine.surfaces.cli.options import Chosen


class Config:
    """The settings one command line names."""

    def __init__(self, chosen: Chosen) -> None:
        self._chosen = chosen

    def faults(self) -> tuple[Fault, ...]:
        """Return every fault of the settings, or of the files they name."""
        path, overrides = self._chosen.path, self._chosen.overrides
        try:
            return tuple(file_faults(read_settings(path, overrides), path, overrides))
        except SettingsError as error:
            return error.faults

    def effective(self) -> dict[str, Json]:
        """Return the settings in force; of secrets, only where they are read from."""
        return as_tree(read_settings(self._chosen.path, self._chosen.overrides))

    def schema(self) -> dict[str, Json]:
        """Return the JSON Schema of a settings file."""
        return schema()

    def write_first(self, path: Path) -> None:
        """Write a settings file to begin with; never over another.

        Raises:
            UsageError: there is a file, or it cannot be written.
        """
        write_first(path, credential=FROM_ENVIRONMENT)


def write_first(path: Path, *, credential: str) -> None:
    """Write a settings file to begin with; never over another.

    Raises:
        UsageError: there is a file, or it cannot be written.
    """
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(first_file(credential))
    except FileExistsError as error:
        raise UsageError(f"{path} exists already", hint="name another file, or edit that one") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error


def begin(chosen: Chosen) -> Config:
    """Return what the command works with."""
    return Config(chosen)
