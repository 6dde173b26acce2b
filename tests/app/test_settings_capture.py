"""The settings of content capture: off by default, and every contradiction is told with its fix."""

from datetime import timedelta
from pathlib import Path

import pytest

from chatelaine.app.difference import split_by_restart
from chatelaine.app.settings import load
from chatelaine.model.error import SettingsError
from chatelaine.model.settings import CaptureSettings, Settings

PROVIDERS = frozenset({"openai"})


def read(folder: Path, text: str) -> Settings:
    path = folder / "chatelaine.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path, {}, {}, PROVIDERS)


def test_capture_is_off_where_nothing_is_said_and_its_sizes_fit(tmp_path: Path) -> None:
    assert read(tmp_path, "") == Settings()
    assert not Settings().capture.enabled
    assert read(tmp_path, "capture: {enabled: true, everyone: true}").capture.everyone


def test_whose_content_is_kept_is_read_from_lists(tmp_path: Path) -> None:
    text = "capture: {enabled: true, owners: [Acme Ltd], apps: [acme/bot], keys: [7hK2mPq9X], retention: 7d}"
    capture = read(tmp_path, text).capture
    assert (capture.owners, capture.apps, capture.keys) == (("Acme Ltd",), ("acme/bot",), ("7hK2mPq9X",))
    assert capture.retention == timedelta(days=7)
    assert capture.directory is None


@pytest.mark.parametrize(
    ("text", "where", "fix"),
    [
        ("enabled: true", "1:20: capture.enabled: capture is on and names nobody", "capture.everyone: true"),
        ("enabled: true, everyone: true, owners: [a]", "capture.everyone: owners", "take these out"),
        ("enabled: true, apps: [a/b, bot]", "capture.apps[1]: bot names no owner", "owner/app"),
        ("segment_bytes: 1MiB", "capture.segment_bytes: ", "larger"),
        ("store_bytes: 100MiB", "capture.store_bytes: ", "larger"),
        ("memory_bytes: 1KiB", "capture.memory_bytes: ", "larger"),
        (
            "record_bytes: 2GiB, segment_bytes: 3GiB, memory_bytes: 3GiB",
            "capture.record_bytes: ",
            "1GiB",
        ),
        ("retention: 30m", "capture.retention: ", "capture.segment_age"),
    ],
)
def test_a_contradiction_is_told_with_its_place_and_its_fix(
    tmp_path: Path, text: str, where: str, fix: str
) -> None:
    with pytest.raises(SettingsError) as told:
        read(tmp_path, f"capture: {{{text}}}")
    (fault,) = told.value.faults
    assert where in f"{fault.where.rpartition('yaml:')[2]}: {fault.message}"
    assert fix in fault.hint


def test_all_but_the_directory_is_taken_over_by_a_reload() -> None:
    names = [f"capture.{name}" for name in CaptureSettings.__dataclass_fields__]
    assert split_by_restart(names)[1] == ("capture.directory",)
