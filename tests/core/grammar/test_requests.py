"""What each grammar reads from a request."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from chatelaine.core.grammar.form import read_form
from chatelaine.core.grammar.index import GRAMMARS
from chatelaine.model.error import BodyUnreadable
from chatelaine.model.exchange import Modality, Shape

M = Modality
USER = {"role": "user", "content": "Hello"}
OWN = {"role": "assistant", "content": "Hi."}


def read(grammar: str, **fields: Any) -> Shape:
    return GRAMMARS[grammar].read_request(json.dumps(fields).encode())


def says(*parts: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(parts)}]


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"type": "text", "text": "image_url"}, [M.TEXT]),
        ({"type": "text", "text": '"image_url"'}, [M.TEXT]),
        ({"type": "image_url", "image_url": {"url": "data:"}}, [M.IMAGE, M.TEXT]),
        ({"type": "input_audio", "input_audio": {"data": ""}}, [M.AUDIO, M.TEXT]),
        ({"type": "file", "file": {"file_id": "f"}}, [M.DOCUMENT, M.TEXT]),
        ({"type": "video_url", "video_url": {}}, [M.TEXT, M.VIDEO]),
        ({"type": "input_image", "image_url": "u"}, [M.IMAGE, M.TEXT]),
    ],
)
def test_openai_content_parts_tell_what_goes_in(part: dict[str, Any], expected: list[Modality]) -> None:
    assert list(read("openai", model="m", messages=says(part)).modalities) == expected


def test_a_kind_of_content_cannot_hide_in_escapes() -> None:
    body = b'{"model":"m","messages":[{"role":"user","content":[{"typ\\u0065":"im\\u0061ge_url"}]}]}'
    assert M.IMAGE in GRAMMARS["openai"].read_request(body).modalities


def test_an_escaped_slash_hides_no_kind_of_content() -> None:
    body = b'{"contents":[{"parts":[{"inline_data":{"mime_type":"Image\\/png"}}]}]}'
    assert M.IMAGE in GRAMMARS["gemini"].read_request(body).modalities


def test_a_tool_that_makes_images_cannot_hide_in_escapes() -> None:
    body = b'{"input":"x","tools":[{"type":"im\\u0061ge_generation"}]}'
    assert M.IMAGE in GRAMMARS["openai"].read_request(body).modalities


def test_parts_that_name_no_type_are_content_too() -> None:
    body = b'{"messages":[{"role":"user","content":[ {"image_url" : {"url":"u"}}]}]}'
    assert M.IMAGE in GRAMMARS["openai"].read_request(body).modalities


def test_tools_that_name_a_kind_of_content_are_not_content() -> None:
    tool = {"type": "function", "function": {"parameters": {"properties": {"image_url": {"type": "string"}}}}}
    shape = read("openai", model="m", messages=[USER], tools=[tool])
    assert (shape.modalities, shape.tools) == ((M.TEXT,), 1)


def test_images_and_speech_may_be_asked_for() -> None:
    assert M.AUDIO in read("openai", model="m", messages=[USER], modalities=["text", "audio"]).modalities
    assert M.IMAGE in read("openai", input="x", tools=[{"type": "image_generation"}]).modalities
    assert read("openai_speech", input="x", voice="alloy").modalities == (M.AUDIO, M.TEXT)


@pytest.mark.parametrize(
    ("said", "empty"),
    [
        ({"messages": [{"role": "user", "content": ""}]}, True),
        ({"messages": [{"role": "user", "content": " \t"}]}, True),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": ""}]}]}, True),
        ({"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": ""}]}, True),
        ({"messages": []}, True),
        ({"messages": [USER]}, False),
        ({"messages": says({"type": "image_url", "image_url": {"url": "u"}})}, False),
        ({"prompt": ""}, True),
        ({"prompt": "x"}, False),
        ({"prompt": [1, 2, 3]}, False),
        ({"input": " "}, True),
        ({"input": [""]}, True),
        ({}, False),
    ],
)
def test_an_empty_text_is_the_shape_of_a_probe(said: dict[str, Any], *, empty: bool) -> None:
    assert read("openai", model="m", **said).empty is empty


@pytest.mark.parametrize(
    ("messages", "last"),
    [
        ([USER], -1),
        ([USER, OWN], 1),
        ([USER, OWN, USER], 1),
        ([{"content": "the assistant", "role": "user"}], -1),
        ([{"content": '"assistant"', "role": "user"}, {"content": "x", "role": "assistant"}], 1),
        ([OWN, USER, USER, USER], 0),
        (["assistant"], -1),
    ],
)
def test_the_last_message_of_the_model_is_found(messages: Sequence[object], last: int) -> None:
    assert read("openai", model="m", messages=messages).last_assistant == last


def test_messages_stand_as_they_were_sent() -> None:
    body = b'{"messages":[ {"role" : "user",  "content":"\\u00e9"} ,{"role":"assistant","content":null}]}'
    shape = GRAMMARS["openai"].read_request(body)
    assert shape.messages[0] == b'{"role" : "user",  "content":"\\u00e9"}'


def test_system_texts_are_found_where_each_interface_puts_them() -> None:
    developer = {"role": "developer", "content": "Be brief."}
    assert read("openai", messages=[developer, USER]).system == json.dumps(developer).encode()
    assert read("openai", input="x", instructions="Be brief.").system == b'"Be brief."'
    assert read("anthropic", messages=[USER], system="Be brief.").system == b'"Be brief."'
    assert read("openai", messages=[USER, developer]).system == b""


def test_answers_asked_for_are_counted() -> None:
    assert read("openai", prompt="x", n=2, best_of=5).choices == 5
    assert read("gemini", contents=[], generationConfig={"candidateCount": 3}).choices == 3


def test_token_numbers_are_no_messages() -> None:
    assert read("openai_embedding", model="m", input=[1, 2, 3]).messages == ()
    assert read("openai_embedding", model="m", input=[[1, 2], [3]]).messages == ()


def test_anthropic_kinds_of_content() -> None:
    image = {"type": "image", "source": {"type": "base64"}}
    shape = read("anthropic", messages=says(image, {"type": "document", "source": {}}), max_tokens=3)
    assert shape.modalities == (M.DOCUMENT, M.IMAGE, M.TEXT)


def test_anthropic_thinking_is_a_number() -> None:
    shape = read("anthropic", messages=[USER], max_tokens=9, thinking={"type": "enabled", "budget_tokens": 5})
    assert shape.numbers == (("max_tokens", 9.0), ("budget_tokens", 5.0))


def test_a_batch_with_a_request_that_hides_another_is_refused() -> None:
    line = b'{"params":{"model":"a"},"params":{"model":"b"}}'
    with pytest.raises(BodyUnreadable):
        GRAMMARS["anthropic_batch"].read_request(b'{"requests":[%b]}' % line)


def test_a_batch_in_which_one_request_has_no_cap_has_none() -> None:
    lines = [{"params": {"model": "a", "max_tokens": 5}}, {"params": {"model": "a"}}]
    shape = read("anthropic_batch", requests=lines)
    assert (shape.output_cap, shape.choices) == (None, 2)


@pytest.mark.parametrize("part", ["inlineData", "inline_data", "fileData"])
def test_gemini_kinds_of_content(part: str) -> None:
    for mime, expected in (("image/png", M.IMAGE), ("audio/wav", M.AUDIO), ("application/pdf", M.DOCUMENT)):
        contents = [{"role": "user", "parts": [{part: {"mimeType": mime}}]}]
        assert expected in read("gemini", contents=contents).modalities


def test_gemini_reads_both_spellings_of_a_name_and_refuses_both_at_once() -> None:
    assert read("gemini", contents=[], generation_config={"max_output_tokens": 7}).output_cap == 7
    with pytest.raises(BodyUnreadable):
        read("gemini", contents=[], generation_config={}, generationConfig={"maxOutputTokens": 7})
    both = read("gemini", contents=[], generationConfig={"maxOutputTokens": 7, "max_output_tokens": 9})
    assert both.output_cap == 9


def test_gemini_may_be_asked_for_images() -> None:
    wanted = read("gemini", contents=[], generationConfig={"responseModalities": ["TEXT", "Image"]})
    assert wanted.modalities == (M.IMAGE, M.TEXT)
    shape = read("gemini_prediction", instances=[{"prompt": "x"}], parameters={"sampleCount": 4})
    assert shape.images == 4


def test_a_cap_that_goes_to_the_model_as_it_is_leaves_the_models_own() -> None:
    config = {"maxTokens": 5}
    assert read("converse", messages=[], inferenceConfig=config).output_cap == 5
    more = {"max_tokens": 60_000}
    shape = read("converse", messages=[], inferenceConfig=config, additionalModelRequestFields=more)
    assert shape.output_cap is None


def test_of_two_caps_of_an_invocation_the_larger_counts() -> None:
    shape = read("invoke", prompt="x", max_gen_len=5, max_tokens=50)
    assert shape.output_cap == 50


def test_an_invocation_may_ask_for_images() -> None:
    shape = read(
        "invoke",
        taskType="TEXT_IMAGE",
        textToImageParams={"text": "x"},
        imageGenerationConfig={"numberOfImages": 3},
    )
    assert (shape.images, shape.modalities) == (3, (M.IMAGE, M.TEXT))


def test_a_form_tells_its_model_once() -> None:
    shape = read_form((("model", "whisper-1"), ("stream", "true"), ("user", "u")), 1000)
    assert (shape.model, shape.stream, shape.end_user) == ("whisper-1", True, "u")
    with pytest.raises(BodyUnreadable):
        read_form((("model", "a"), ("model", "b")), 1000)
