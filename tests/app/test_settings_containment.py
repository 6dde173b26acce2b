"""The settings of containment: defaults, lists, and contradictions told with their fix."""

from datetime import timedelta
from pathlib import Path

import pytest

from chatelaine.app.difference import split_by_restart
from chatelaine.app.settings import load
from chatelaine.model.error import SettingsError
from chatelaine.model.playbook import UnknownClient
from chatelaine.model.settings import MappedModel, SafetyIdentifier, Settings


def read(folder: Path, text: str) -> Settings:
    path = folder / "chatelaine.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path, {}, {}, frozenset({"openai"}))


def test_nothing_is_held_back_where_nothing_is_said(tmp_path: Path) -> None:
    settings = read(tmp_path, "")
    assert settings.containment.unknown_client is UnknownClient.OBSERVE
    assert settings.gate.safety_identifier is SafetyIdentifier.OFF


def test_lanes_are_read_with_their_models(tmp_path: Path) -> None:
    text = """
gate: {safety_identifier: off}
containment:
  unknown_client: quarantine
  tarpit_delay: 2s
  decoy_text: Nothing to see.
  quarantine:
    models: [small-*]
    mapped: [{asked: gpt-*, served: small-7b}]
    output_tokens: 64
    preamble: Be short.
"""
    containment = read(tmp_path, text).containment
    assert containment.unknown_client is UnknownClient.QUARANTINE
    assert containment.tarpit_delay == timedelta(seconds=2)
    assert containment.quarantine.mapped == (MappedModel(asked="gpt-*", served="small-7b"),)
    assert (containment.quarantine.output_tokens, containment.quarantine.preamble) == (64, "Be short.")


@pytest.mark.parametrize(
    ("text", "where", "fix"),
    [
        ("tarpit_delay: 2m", "containment.tarpit_delay: callers give up", "at most 60s"),
        (
            "quarantine: {mapped: [{asked: a, served: b*}]}",
            "containment.quarantine.mapped[0].served: b* is no model's name",
            "name the one model",
        ),
        ("unknown_client: maybe", "containment.unknown_client", "observe"),
        ("quarantine: {output_tokens: 0}", "containment.quarantine.output_tokens", "at least 1"),
    ],
)
def test_a_contradiction_is_told_with_its_place_and_its_fix(
    tmp_path: Path, text: str, where: str, fix: str
) -> None:
    with pytest.raises(SettingsError) as told:
        read(tmp_path, f"containment: {{{text}}}")
    assert where in str(told.value)
    assert fix in str(told.value)


def test_all_of_it_is_taken_over_by_a_reload() -> None:
    names = ("containment.unknown_client", "containment.quarantine.models", "gate.safety_identifier")
    assert split_by_restart(names) == (names, ())
