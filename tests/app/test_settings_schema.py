"""What is drawn from the settings tree: schema, page of the docs, example and view agree with the loader."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from chatelaine.app.settings import load
from chatelaine.app.settings_schema import as_tree, example, first_file, reference, schema, show
from chatelaine.model.settings import (
    GateSettings,
    KeySettings,
    PepperSettings,
    Secret,
    Settings,
    SizeLimits,
    Timeouts,
    UpstreamSettings,
)
from chatelaine.model.words import PepperId, ProviderId, UpstreamName

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "settings.md"
PROVIDERS = frozenset({"openai"})


def read(folder: Path, text: str) -> Settings:
    file = folder / "chatelaine.yaml"
    file.write_text(text, encoding="utf-8")
    return load(file, {}, {}, PROVIDERS)


def uncomment(text: str) -> str:
    """Return the example with every default written out."""
    lines = [line.removeprefix("# ") for line in text.splitlines() if line.startswith("# ")]
    first = next(place for place, line in enumerate(lines) if line.startswith("gate:"))
    last = next(place for place, line in enumerate(lines) if line.startswith("Where requests go"))
    return "\n".join(lines[first:last])


def sections(part: dict[str, Any], name: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every property of a schema by its dotted name."""
    for inner, said in part.get("properties", {}).items():
        dotted = f"{name}.{inner}" if name else inner
        yield dotted, said
        yield from sections(said, dotted)
        yield from sections(said.get("items", {}), dotted)


# The example


def test_the_example_gives_the_defaults(tmp_path: Path) -> None:
    assert read(tmp_path, example()) == Settings()


def test_the_example_with_its_defaults_written_out_gives_the_defaults_too(tmp_path: Path) -> None:
    written = uncomment(example())
    assert len(written.splitlines()) > 40
    assert read(tmp_path, written) == Settings()


def test_the_first_file_has_an_upstream_and_else_the_defaults(tmp_path: Path) -> None:
    found = read(tmp_path, first_file("env:OPENAI_API_KEY"))
    assert found.upstreams[0].credential == Secret("env:OPENAI_API_KEY")
    assert found == replace(Settings(), upstreams=found.upstreams)


# The view


def test_what_is_shown_gives_the_same_settings(tmp_path: Path) -> None:
    assert read(tmp_path, show(Settings())) == Settings()


UPSTREAMS = st.builds(
    UpstreamSettings,
    name=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,9}", fullmatch=True).map(UpstreamName),
    provider=st.just(ProviderId("openai")),
    url=st.sampled_from(["https://x", "https://api.example.org:8443/v1"]),
    credential=st.sampled_from([None, Secret("env:A"), Secret("file:/a b"), Secret("vault:x")]),
    models=st.lists(
        st.sampled_from(
            ["*", "true", "1.5", "null", "a b", "x:y", "- z", "#", "'", '"', "é", "{", "2024-10-01", "~"]
        ),
        max_size=3,
    ).map(tuple),
    weight=st.integers(1, 2**53),
    ca_file=st.sampled_from([None, Path("a.pem"), Path("/tls/a b.pem"), Path("null")]),
)


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(UPSTREAMS, max_size=2, unique_by=lambda upstream: upstream.name).map(tuple),
    st.integers(1, 2**50),
    st.timedeltas(timedelta(milliseconds=1), timedelta(days=400)),
)
def test_any_settings_shown_give_the_same_settings(
    tmp_path: Path, upstreams: tuple[UpstreamSettings, ...], size: int, wait: timedelta
) -> None:
    whole = timedelta(milliseconds=wait // timedelta(milliseconds=1))
    gate = GateSettings(sizes=SizeLimits(head=size), timeouts=Timeouts(head=whole))
    peppers = (PepperSettings(id=PepperId("p1"), secret=Secret("env:P")),)
    made = Settings(gate=gate, upstreams=upstreams, keys=KeySettings(peppers=peppers))
    assert read(tmp_path, show(made)) == made


def test_the_arguments_of_a_command_are_not_shown() -> None:
    keys = KeySettings(kek=Secret("command:vault read -token=hunter2 secret/kek"))
    assert as_tree(Settings(keys=keys))["keys"]["kek"] == "command:vault …"
    assert "hunter2" not in show(Settings(keys=keys))


def test_a_view_can_be_written_as_json() -> None:
    assert json.loads(json.dumps(as_tree(Settings())))["gate"]["sizes"]["json_body"] == "32MiB"


# The schema


def test_the_schema_is_json_and_says_which_dialect_it_is() -> None:
    made = json.loads(json.dumps(schema()))
    assert made["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert made["additionalProperties"] is False


def test_every_setting_of_the_schema_is_described() -> None:
    silent = [
        name for name, said in sections(schema()) if not said.get("description") and "items" not in said
    ]
    assert silent == []


def test_the_schema_names_what_is_required() -> None:
    upstream = schema()["properties"]["upstreams"]["items"]
    assert upstream["required"] == ["name", "provider", "url"]
    assert schema()["required"] == []


def test_the_patterns_of_the_schema_take_the_defaults() -> None:
    for name, said in sections(schema()):
        default = said.get("default")
        for one in [said, *said.get("anyOf", [])]:
            if "pattern" in one and isinstance(default, str):
                assert re.search(one["pattern"], default), name
            if "minimum" in one and isinstance(default, int):
                assert one["minimum"] <= default <= one["maximum"], name


# The page


def test_the_page_of_the_docs_is_the_one_drawn_now() -> None:
    drawn = reference()
    assert PAGE.read_text(encoding="utf-8") == drawn, (
        "write it anew: python -c 'from chatelaine.app.settings_schema import reference; "
        'print(reference(), end="")\' > docs/reference/settings.md'
    )


def test_every_setting_stands_on_the_page_with_its_meaning() -> None:
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| [^|]+ \| (.+) \|$", reference(), re.MULTILINE)
    leaves = [name for name, said in sections(schema()) if "properties" not in said]
    apart = {"upstreams", "keys.peppers", "notify", "containment.quarantine.mapped"}
    assert len(rows) == len([name for name in leaves if name not in apart])
    assert all(meaning[0].isupper() or meaning.startswith("`") for _, meaning in rows)


@pytest.mark.parametrize("text", [example(), show(Settings())])
def test_examples_are_plain_yaml(text: str) -> None:
    assert yaml.safe_load(text) is None or isinstance(yaml.safe_load(text), dict)
