"""Price files: the embedded list is whole, an operator's rows go over it, and faults name file and line."""

import contextlib
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatelaine.adapters.prices import FILE_BYTES_MAX, load_prices, read_prices
from chatelaine.core.price import find, index
from chatelaine.model.error import TableError
from chatelaine.model.price import ModelPrice, PriceTable

EMBEDDED = load_prices(None)
OWN = 'dated = "2026-02-01"\n'


def price(table: PriceTable, model: str) -> ModelPrice:
    return find(table, index(table.rows), model)


def write(path: Path, text: str) -> Path:
    file = path / "prices.toml"
    file.write_text(text, encoding="utf-8")
    return file


# The embedded list

KNOWN = [
    ("gpt-4o", 2_500_000, 10_000_000),
    ("gpt-4o-mini-2024-07-18", 150_000, 600_000),
    ("gpt-5", 1_250_000, 10_000_000),
    ("o3", 2_000_000, 8_000_000),
    ("claude-sonnet-4-5-20250929", 3_000_000, 15_000_000),
    ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", 3_300_000, 16_500_000),
    ("anthropic.claude-3-haiku-20240307-v1:0", 250_000, 1_250_000),
    ("gemini-2.5-flash", 300_000, 2_500_000),
    ("amazon.nova-lite-v1:0", 60_000, 240_000),
    ("eu.amazon.nova-pro-v1:0", 1_050_000, 4_200_000),
    ("meta.llama3-3-70b-instruct-v1:0", 720_000, 720_000),
    ("amazon.titan-text-express-v1", 200_000, 600_000),
    ("text-embedding-3-small", 20_000, 0),
    ("gpt-35-turbo", 500_000, 1_500_000),
]


@pytest.mark.parametrize(("model", "given", "made"), KNOWN)
def test_well_known_models_cost_what_their_providers_ask(model: str, given: int, made: int) -> None:
    found = price(EMBEDDED, model)
    assert (found.input, found.output) == (given, made)


def test_images_sounds_and_realtime_have_prices() -> None:
    assert price(EMBEDDED, "dall-e-3").image == 120_000_000_000
    assert price(EMBEDDED, "gpt-image-1").output == 40_000_000
    assert price(EMBEDDED, "whisper-1").second == 100_000_000
    assert price(EMBEDDED, "tts-1").input == 60_000_000
    assert price(EMBEDDED, "gpt-realtime").audio_output == 64_000_000
    assert price(EMBEDDED, "amazon.nova-canvas-v1:0").image == 60_000_000_000


def test_long_inputs_are_dearer_where_the_provider_says_so() -> None:
    found = price(EMBEDDED, "gemini-2.5-pro")
    assert found.long_over == 200_000
    assert found.long is not None
    assert (found.long.input, found.long.output, found.long.cached) == (2_500_000, 15_000_000, 250_000)


def test_a_model_nobody_knows_is_dearer_than_most() -> None:
    dearer = [row for row in EMBEDDED.rows if row.output > EMBEDDED.unknown.output]
    assert price(EMBEDDED, "no-such-model") is EMBEDDED.unknown
    assert len(dearer) < len(EMBEDDED.rows) // 10


def test_the_embedded_list_is_dated_and_says_where_it_is_from() -> None:
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", EMBEDDED.dated)
    assert len({row.model for row in EMBEDDED.rows}) == len(EMBEDDED.rows) > 300


# The operator's own


def test_an_operators_rows_go_over_the_embedded_ones(tmp_path: Path) -> None:
    own = write(
        tmp_path,
        OWN
        + """
        [ours]
        source = "our contract"
        [ours.models]
        "gpt-4o" = {input = 2, output = 8}
        "llama*" = {input = 0, output = 0}
        "Prod-Chat" = "gpt-4o-mini"
        """,
    )
    table = load_prices(own)
    assert table.dated == "2026-02-01"
    assert price(table, "gpt-4o").input == 2_000_000
    assert price(table, "llama-3-8b").output == 0
    assert price(table, "prod-chat").output == 600_000
    assert price(table, "o3") == price(EMBEDDED, "o3")
    assert table.unknown == EMBEDDED.unknown


def test_a_changed_file_is_another_table(tmp_path: Path) -> None:
    own = write(tmp_path, OWN + "models = {x = {input = 1}}")
    before = load_prices(own)
    write(tmp_path, OWN + "models = {x = {input = 2}}")
    assert price(load_prices(own), "x").input == 2 * price(before, "x").input


def test_a_table_for_each_model_is_read_too(tmp_path: Path) -> None:
    own = write(tmp_path, OWN + '[models."x"]\ninput = 0.000001\n[unknown]\noutput = 3')
    assert price(load_prices(own), "x").input == 1
    assert load_prices(own).unknown.output == 3_000_000


def test_fractions_of_a_picodollar_are_rounded_up() -> None:
    table = read_prices("own", OWN + "models = {x = {input = 0.0000001, second = 0.0000000000001}}", EMBEDDED)
    assert price(table, "x").input == 1
    assert price(table, "x").second == 1


FAULTS = [
    ("", r"own: dated must be"),
    ("dated = 5", r"own:1: dated must be"),
    (OWN + "models = {", r"own:2: it is not TOML"),
    (OWN + "[models]\n'x' = {input = 1}\n'x' = {input = 2}", r"own:4: it is not TOML"),
    (OWN + "[models]\n\n'x' = {inptu = 1}", r"own:4: x: inptu is not a field"),
    (OWN + "[models]\n'x' = {input = -1}", r"own:3: x: input must be 0 to"),
    (OWN + "[models]\n'x' = {input = inf}", r"own:3: x: input must be 0 to"),
    (OWN + "[models]\n'x' = {input = nan}", r"own:3: x: input must be 0 to"),
    (OWN + "[models]\n'x' = {input = 1e9}", r"own:3: x: input must be 0 to"),
    (OWN + "[models]\n'x' = {input = true}", r"own:3: x: input must be a number"),
    (OWN + "[models]\n'x' = {input = '1'}", r"own:3: x: input must be a number"),
    (OWN + "[models]\n'x' = {context = 0}", r"own:3: x: context must be a number of tokens"),
    (OWN + "[models]\n'x' = {max_output = 1.5}", r"own:3: x: max_output must be a number of tokens"),
    (OWN + "[models]\n'x' = [1]", r"own:3: x must be \{input"),
    (OWN + "[models]\n'x' = 'y'", r"own:3: x is priced like y, which has no price"),
    (OWN + "[models]\n'x' = {over = 5, input = 1}", r"own:3: x: over and the long_ prices belong together"),
    (
        OWN + "[models]\n'x' = {over = 5, input = 2, long_input = 1}",
        r"own:3: x: long_input is lower than input",
    ),
    (OWN + "[ours]\nmodells = 1", r"own:3: ours.modells is not a field"),
    (OWN + "ours = 1", r"own:2: ours is not a table"),
    (OWN + "unknown = 1", r"own:2: unknown must be"),
]


@pytest.mark.parametrize(("text", "told"), FAULTS)
def test_a_fault_names_the_file_the_line_and_the_fix(text: str, told: str) -> None:
    with pytest.raises(TableError) as caught:
        read_prices("own", text, EMBEDDED)
    assert re.match(told, caught.value.message)
    assert caught.value.hint


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="No such file"):
        load_prices(tmp_path / "prices.toml")
    with pytest.raises(TableError, match="directory"):
        load_prices(tmp_path)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TableError, match="not UTF-8"):
        load_prices(tmp_path / "binary")
    (tmp_path / "large").write_bytes(b"#" * (FILE_BYTES_MAX + 1))
    with pytest.raises(TableError, match="larger than"):
        load_prices(tmp_path / "large")


def test_deep_nesting_is_a_fault_and_no_crash() -> None:
    with pytest.raises(TableError):
        read_prices("own", OWN + "x = " + "[" * 100_000, EMBEDDED)


@given(st.text(max_size=200))
def test_any_text_is_a_table_or_a_fault(text: str) -> None:
    with contextlib.suppress(TableError):
        assert read_prices("own", OWN + text, EMBEDDED).dated == "2026-02-01"
