"""Prices: the right row is found, costs are exact and rounded up, and no usage outruns its reservation."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatelaine.core.price import (
    FREE,
    FREE_PRICE,
    IMAGE_TOKENS,
    cost,
    estimate_input,
    estimate_seconds,
    find,
    find_for,
    index,
    worst_case,
)
from chatelaine.model.exchange import Modality, Operation, Reservation, Shape, Usage
from chatelaine.model.price import ModelPrice, PriceTable

NAMES = (
    *("gpt-4o", "gpt-4o-2024-05-13", "gpt-4o-mini", "gpt-4o-mini*", "gpt-*", "gpt-4", "o1"),
    *(
        "claude-opus-4-5",
        "claude-3-5-sonnet",
        "amazon.nova-pro",
        "meta.llama3-1-8b-instruct",
        "gemini-2.5-flash",
    ),
    *("global.anthropic.claude-opus-4-5", "My-Deployment", "ft:gpt-4o-*", "gpt-4-turbo"),
)
TABLE = PriceTable("2026-01-01", tuple(ModelPrice(model=name) for name in NAMES), ModelPrice(model="unknown"))
ROWS = index(TABLE.rows)

SPELLINGS = [
    ("gpt-4o", "gpt-4o"),
    ("GPT-4o", "gpt-4o"),
    ("gpt-4o-2024-08-06", "gpt-4o"),
    ("gpt-4o-2024-05-13", "gpt-4o-2024-05-13"),
    ("gpt-4o-mini-audio", "gpt-4o-mini*"),
    ("gpt-4o-mini-2024-07-18", "gpt-4o-mini"),
    ("gpt-4-0613", "gpt-4"),
    ("gpt-4-turbo-2024-04-09", "gpt-4-turbo"),
    ("gpt-9", "gpt-*"),
    ("o1-preview", "o1"),
    ("o1-latest", "o1"),
    ("openai/gpt-4o", "gpt-4o"),
    ("models/gemini-2.5-flash", "gemini-2.5-flash"),
    ("gemini-2.5-flash-001", "gemini-2.5-flash"),
    ("gemini-2.5-flash-preview-04-17", "gemini-2.5-flash"),
    ("gemini-2.5-flash-preview-09-2025", "gemini-2.5-flash"),
    ("claude-opus-4-5-20251101", "claude-opus-4-5"),
    ("claude-opus-4-5@20251101", "claude-opus-4-5"),
    ("anthropic.claude-3-5-sonnet-20241022-v2:0", "claude-3-5-sonnet"),
    ("us.anthropic.claude-3-5-sonnet-20241022-v2:0", "claude-3-5-sonnet"),
    ("us-gov.anthropic.claude-3-5-sonnet-20240620-v1:0:200k", "claude-3-5-sonnet"),
    ("global.anthropic.claude-opus-4-5", "global.anthropic.claude-opus-4-5"),
    ("amazon.nova-pro-v1:0", "amazon.nova-pro"),
    ("eu.amazon.nova-pro-v1:0:300k", "amazon.nova-pro"),
    ("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0", "amazon.nova-pro"),
    (
        "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.anthropic.claude-opus-4-5-20251101-v1:0",
        "claude-opus-4-5",
    ),
    ("meta.llama3-1-8b-instruct-v1:0", "meta.llama3-1-8b-instruct"),
    ("my-deployment", "My-Deployment"),
    ("ft:gpt-4o-2024-08-06:acme:name:id", "ft:gpt-4o-*"),
    ("", "unknown"),
    ("llama", "unknown"),
    ("gpt4o", "unknown"),
    ("gpt-4o" + "-0000" * 300, "unknown"),
]


@pytest.mark.parametrize(("model", "row"), SPELLINGS)
def test_a_model_is_priced_by_its_own_row_its_family_or_as_unknown(model: str, row: str) -> None:
    assert find(TABLE, ROWS, model).model == row


def test_of_two_rows_for_one_name_the_later_counts() -> None:
    rows = index([ModelPrice(model="a", input=1), ModelPrice(model="A", input=2)])
    assert find(TABLE, rows, "a").input == 2


@pytest.mark.parametrize("operation", sorted(FREE))
def test_what_no_provider_bills_is_free(operation: Operation) -> None:
    assert find_for(TABLE, ROWS, "gpt-4o", operation) is FREE_PRICE
    assert worst_case(DEAR, operation, Shape(images=9, seconds=9), 10**9) == Reservation()
    assert find_for(TABLE, ROWS, "gpt-4o", Operation.CHAT).model == "gpt-4o"


@given(st.text(max_size=300))
def test_any_name_finds_a_price(model: str) -> None:
    assert find(TABLE, ROWS, model) in {*TABLE.rows, TABLE.unknown}


DEAR = ModelPrice(
    model="dear",
    input=2_500_000,
    cached=1_250_000,
    cache_write=5_000_000,
    output=10_000_000,
    audio_input=40_000_000,
    audio_output=80_000_000,
    image=40_000_000_000,
    second=100_000_000,
    request=1_000,
)


def test_a_cost_is_what_the_list_says() -> None:
    # A million in at 2.50 dollars, of them 400,000 cached at 1.25, and 100,000 out at 10 dollars.
    used = Usage(input_tokens=1_000_000, output_tokens=100_000, cached_tokens=400_000)
    plain = dataclasses.replace(DEAR, request=0)
    assert cost(plain, used) == 1_500_000_000 + 500_000_000 + 1_000_000_000
    assert cost(plain, Usage(images=2, seconds=60)) == 80_000_000 + 6_000_000
    assert (
        cost(plain, Usage(input_tokens=10, audio_input_tokens=10, output_tokens=5, audio_output_tokens=5))
        == 800_000
    )
    assert cost(plain, Usage(input_tokens=100, cache_write_tokens=100)) == 500_000


def test_a_fraction_of_a_nanodollar_is_rounded_up() -> None:
    assert cost(ModelPrice(model="x", input=1), Usage(input_tokens=1)) == 1
    assert cost(ModelPrice(model="x", input=1), Usage(input_tokens=1001)) == 2


def test_reasoning_is_part_of_the_output() -> None:
    told = cost(DEAR, Usage(output_tokens=100, reasoning_tokens=90))
    assert told == cost(DEAR, Usage(output_tokens=100))


def test_cached_tokens_are_priced_as_input_where_the_list_says_nothing() -> None:
    plain = ModelPrice(model="x", input=1_000_000)
    assert cost(plain, Usage(input_tokens=7, cached_tokens=7)) == cost(plain, Usage(input_tokens=7))


def test_long_inputs_have_their_own_price() -> None:
    long = ModelPrice(model="x", input=4_000_000, output=15_000_000)
    price = ModelPrice(
        model="x", input=2_000_000, output=10_000_000, context=10**6, long_over=200_000, long=long
    )
    assert cost(price, Usage(input_tokens=200_000)) == 400_000_000
    assert cost(price, Usage(input_tokens=200_001)) == 800_004_000
    assert worst_case(price, Operation.CHAT, Shape(output_cap=1), 400_002).cost == 800_004_000 + 15_000


COUNTS = st.integers(min_value=-(2**40), max_value=2**40)
USAGES = st.builds(
    Usage, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, st.integers(-9, 99), st.integers(-9, 99)
)
RATES = st.integers(min_value=0, max_value=200_000_000)
MAYBE = st.none() | RATES


@st.composite
def prices(draw: st.DrawFn) -> ModelPrice:
    """Draw a price; where it has one for long inputs, that is nowhere lower."""
    names = (
        "input",
        "output",
        "image",
        "second",
        "request",
        "cached",
        "cache_write",
        "audio_input",
        "audio_output",
    )
    base = {name: draw(RATES if place < 5 else MAYBE) for place, name in enumerate(names)}
    price = ModelPrice(
        model="x", context=draw(st.integers(1, 2_000_000)), max_output=draw(st.integers(0, 200_000)), **base
    )
    if draw(st.booleans()):
        return price
    dearer = {
        name: None if rate is None else rate + draw(st.integers(0, 10_000_000)) for name, rate in base.items()
    }
    return dataclasses.replace(
        price, long_over=draw(st.integers(0, 10**6)), long=ModelPrice(model="x", **dearer)
    )


@given(prices(), USAGES)
def test_no_cost_is_negative(price: ModelPrice, used: Usage) -> None:
    assert cost(price, used) >= 0


@given(prices(), USAGES)
def test_parts_never_weigh_more_than_the_whole(price: ModelPrice, used: Usage) -> None:
    given, made = max(used.input_tokens, 0), max(used.output_tokens, 0)
    tier = price.long if price.long is not None and given > price.long_over else price
    dearest_in = max(tier.input, tier.cached or 0, tier.cache_write or 0, tier.audio_input or 0)
    dearest_out = max(tier.output, tier.audio_output or 0)
    whole = given * dearest_in + made * dearest_out + tier.request
    whole += max(used.images, 0) * tier.image + max(used.seconds, 0) * tier.second
    assert cost(price, used) <= -(-whole // 1000)


SHAPES = st.builds(
    Shape,
    output_cap=st.none() | st.integers(-10, 300_000),
    choices=st.integers(1, 16),
    modalities=st.lists(st.sampled_from(Modality), max_size=3).map(tuple),
    images=st.integers(0, 10),
    seconds=st.integers(0, 1000),
)


@given(prices(), st.sampled_from(sorted(set(Operation) - FREE)), SHAPES, st.integers(0, 2**25), st.data())
def test_no_usage_within_a_reservation_costs_more_than_was_reserved(
    price: ModelPrice, operation: Operation, shape: Shape, body_bytes: int, data: st.DataObject
) -> None:
    reserved = worst_case(price, operation, shape, body_bytes)
    used = Usage(
        input_tokens=data.draw(st.integers(0, reserved.input_tokens)),
        output_tokens=data.draw(st.integers(0, reserved.output_tokens)),
        cached_tokens=data.draw(COUNTS),
        cache_write_tokens=data.draw(COUNTS),
        audio_input_tokens=data.draw(COUNTS),
        audio_output_tokens=data.draw(COUNTS),
        images=data.draw(st.integers(0, max(shape.images, shape.choices))),
        seconds=data.draw(st.integers(0, max(shape.seconds, estimate_seconds(body_bytes)))),
    )
    assert cost(price, used) <= reserved.cost


@given(prices(), SHAPES, st.integers(0, 2**25))
def test_a_reservation_keeps_to_the_model_and_to_the_cap(
    price: ModelPrice, shape: Shape, body_bytes: int
) -> None:
    reserved = worst_case(price, Operation.CHAT, shape, body_bytes)
    assert reserved.input_tokens <= price.context
    assert reserved.output_tokens <= price.max_output * shape.choices
    cap = shape.output_cap
    if cap is not None and 0 < cap <= price.max_output:
        assert reserved.output_tokens == cap * shape.choices


@pytest.mark.parametrize("cap", [None, 0, -1, 16_385, 2**63])
def test_a_cap_that_caps_nothing_reserves_the_models_maximum(cap: int | None) -> None:
    reserved = worst_case(DEAR, Operation.CHAT, Shape(output_cap=cap, choices=3), 10)
    assert reserved.output_tokens == 3 * 16_384


def test_a_list_of_prompts_is_answered_each() -> None:
    two = Shape(messages=(b'"one"', b'"two"'), choices=3, output_cap=5)
    assert worst_case(DEAR, Operation.COMPLETION, two, 100).output_tokens == 2 * 3 * 5
    tokens = Shape(messages=(b"15339", b"1917"), output_cap=5)
    assert worst_case(DEAR, Operation.COMPLETION, tokens, 100).output_tokens == 5


def test_a_list_of_inputs_is_not_bounded_by_the_context_of_one() -> None:
    assert worst_case(DEAR, Operation.EMBEDDING, Shape(), 1_000_000).input_tokens == 500_000


def test_an_embedding_reserves_no_output() -> None:
    assert worst_case(DEAR, Operation.EMBEDDING, Shape(), 1000).output_tokens == 0


def test_generated_images_are_reserved_each() -> None:
    by_image = ModelPrice(model="dall-e-3", image=40_000_000_000, max_output=0)
    assert worst_case(by_image, Operation.IMAGE, Shape(images=3), 100).cost == 120_000_000
    by_token = ModelPrice(model="gpt-image-1", output=40_000_000, max_output=6_240)
    assert worst_case(by_token, Operation.IMAGE, Shape(images=3), 100).output_tokens == 3 * 6_240


def test_audio_is_reserved_by_what_was_sent_whatever_was_declared() -> None:
    by_second = ModelPrice(model="whisper-1", second=100_000_000, max_output=0)
    sent = worst_case(by_second, Operation.TRANSCRIPTION, Shape(seconds=1), 1_000_000)
    assert sent.cost == estimate_seconds(1_000_000) * 100_000
    declared = worst_case(by_second, Operation.SPEECH, Shape(seconds=7_200), 100)
    assert declared.cost == 7_200 * 100_000


def test_what_a_body_only_points_to_is_reserved_too() -> None:
    seen = Shape(modalities=(Modality.IMAGE, Modality.TEXT))
    assert worst_case(DEAR, Operation.CHAT, seen, 100).input_tokens == 50 + IMAGE_TOKENS
    read = Shape(modalities=(Modality.DOCUMENT, Modality.TEXT))
    assert worst_case(DEAR, Operation.CHAT, read, 100).input_tokens == DEAR.context
    assert worst_case(DEAR, Operation.REALTIME, Shape(), 0).input_tokens == DEAR.context


def test_estimates_are_rounded_up() -> None:
    assert [estimate_input(size) for size in (0, 1, 2, 3)] == [0, 1, 1, 2]
    assert [estimate_seconds(size) for size in (0, 1, 500, 501)] == [0, 1, 1, 2]
