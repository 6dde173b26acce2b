"""The catalog: all faults at once, vectors that can fail, and a lock that notices every change."""

import shutil
from pathlib import Path

import pytest

from chatelaine import catalog
from chatelaine.core.exchange.route import RouteTable
from chatelaine.core.exchange.trial import Trial
from chatelaine.model.provider import RefusedReply
from chatelaine.model.words import ProviderId

SHELF = Path(str(catalog.shelf("providers")))
DETECTION = Path(str(catalog.shelf("detections"))) / catalog.TEMPLATE


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    return shutil.copytree(SHELF, tmp_path / "providers")


@pytest.fixture
def detections(tmp_path: Path) -> Path:
    folder = tmp_path / "detections"
    for name in ("key_one", "key_two"):
        shutil.copytree(DETECTION, folder / name)
    return folder


def change(path: Path, before: str, after: str) -> None:
    text = path.read_text("utf-8")
    assert before in text
    path.write_text(text.replace(before, after), "utf-8")


def messages(shelf: Path) -> str:
    return "\n".join(f"{fault.where}: {fault.message}" for fault in catalog.read_providers(shelf)[1])


def test_the_shelf_as_it_is_has_no_fault(shelf: Path) -> None:
    cards, faults = catalog.read_providers(shelf)
    assert faults == []
    assert [card.id for card in cards] == ["anthropic", "azure", "bedrock", "gemini", "openai"]


def test_all_faults_of_all_cards_are_reported_at_once(shelf: Path) -> None:
    change(shelf / "openai/provider.toml", 'grammar = "openai"', 'grammar = "opnai"')
    change(shelf / "azure/provider.toml", 'id = "azure"', 'id = "azur"')
    change(shelf / "gemini/provider.toml", "version = 2", 'version = "one"')
    change(shelf / "bedrock/provider.toml", 'path = "/model/{model}/invoke"', 'path = "/model/{model/invoke"')
    (shelf / "anthropic/provider.toml").write_text("id = ", "utf-8")
    said = messages(shelf)
    for part in (
        "openai/provider.toml: /v1/chat/completions: no grammar is named 'opnai'",
        "azure/provider.toml: the id is 'azur' and the folder 'azure'",
        "gemini/provider.toml: Expected `int`, got `str`",
        "bedrock/provider.toml: /model/{model/invoke: the segment '{model' cannot be read",
        "anthropic/provider.toml: Invalid value",
    ):
        assert part in said


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        ("version = 2", "version = 0", "the version is 0"),
        ('credential_header = "authorization"', 'credential_header = "Authorization"', "has capitals"),
        ('default_url = "https://', 'default_url = "http://', "not https"),
        ('method = "POST"', 'method = "post"', "the method 'post' is not known"),
        ('operation = "chat"', 'operation = "talk"', "talk"),
        ('title = "OpenAI', 'colour = "x"\ntitle = "OpenAI', "colour"),
        ("websocket = true", 'websocket = true\nwhen_header = "X-A"', "when_header has capitals"),
    ],
)
def test_each_fault_of_a_card_is_named(shelf: Path, before: str, after: str, fault: str) -> None:
    change(shelf / "openai/provider.toml", before, after)
    assert fault in messages(shelf)


def test_two_cards_that_claim_one_request_are_a_fault(shelf: Path) -> None:
    change(shelf / "anthropic/provider.toml", 'path = "/v1/messages"', 'path = "/v1/chat/completions"')
    said = messages(shelf)
    assert "POST /v1/chat/completions fits requests of anthropic (/v1/chat/completions) too" in said


def test_a_folder_without_a_card_is_a_fault(shelf: Path) -> None:
    (shelf / "extra").mkdir()
    assert "providers/extra/provider.toml" in messages(shelf)


@pytest.mark.parametrize(
    ("missing", "fault"),
    [
        ("README.md", "README.md: the file is missing"),
        ("refuse.py", "refuse.py: the file is missing"),
        ("provider.toml", "provider.toml: the file is missing"),
        ("vectors", "vectors: there is no fires_*.txt"),
    ],
)
def test_an_item_that_is_not_whole_is_a_fault(shelf: Path, missing: str, fault: str) -> None:
    gone = shelf / "openai" / missing
    if gone.is_dir():
        shutil.rmtree(gone)
    else:
        gone.unlink()
    found = [f"{one.where}: {one.message}" for one in catalog.find_faults("providers", shelf / "openai")]
    assert any(fault in one for one in found)


def test_a_page_that_leaves_a_question_out_is_a_fault(shelf: Path) -> None:
    change(shelf / "openai/README.md", "**Misses.**", "**Lacks.**")
    assert [fault.message for fault in catalog.find_faults("providers", shelf / "openai")] == [
        "**Misses.** is missing"
    ]


def try_one(shelf: Path, name: str, text: str) -> list[str]:
    provider = catalog.providers()[ProviderId("openai")]
    for vector in (shelf / "openai/vectors").iterdir():
        vector.unlink()
    (shelf / "openai/vectors" / name).write_text(text, "utf-8")
    cards = [one.card for one in catalog.providers().values()]
    trial = Trial(provider.card.id, RouteTable(cards), provider.refuse)
    return [fault.message for fault in catalog.try_vectors(trial, shelf / "openai")]


REQUEST = '=== request\nPOST /v1/chat/completions\n\n{"model": "m", "messages": []}\n'
REPLY = '=== reply\ncontent-type: application/json\n\n{"model": "r"}\n'
REFUSAL = '=== refusal\nreason = "key_unproven"\nstatus = 401\ncode = "c"\nmessage = "m"\n'


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("fires_a.txt", REQUEST + '=== asked\nmodel = "other"\n', "asked.model is 'm', not 'other'"),
        ("fires_a.txt", REQUEST + "=== asked\ncolour = 1\n", "asked.colour is None, not 1"),
        ("fires_a.txt", REQUEST + REPLY + '=== served\nmodel = "s"\n', "served.model is 'r', not 's'"),
        ("fires_a.txt", "=== request\nPOST /v1/nothing\n", "no route fits the request"),
        ("fires_a.txt", "=== request\nPOST /v1//nothing\n", "the request is refused"),
        ("fires_a.txt", "=== request\nPOST /v1/messages\n", "the request is taken for anthropic's"),
        ("fires_a.txt", "=== request\nPOST /v1/chat/completions\n\n[]\n", "the body is refused"),
        ("quiet_a.txt", REQUEST, "the request is taken for /v1/chat/completions"),
        ("fires_a.txt", "=== asked\n", "neither a request nor a refusal"),
        ("fires_a.txt", "nothing", "there is no part"),
        ("fires_a.txt", REFUSAL + "=== refused\ncontent-type: application/json\n\n{}", "the body is"),
        ("fires_a.txt", REFUSAL + "=== refused\ncontent-type: text/plain\n\n{}", "the headers are"),
        ("fires_a.txt", REFUSAL.replace("key_unproven", "no_reason"), "no_reason"),
    ],
)
def test_a_vector_can_fail_in_every_way(shelf: Path, name: str, text: str, fault: str) -> None:
    assert any(fault in message for message in try_one(shelf, name, text))


def test_a_refusal_that_tells_its_reason_fails() -> None:
    def gossip(refusal: object, exchange: object) -> RefusedReply:
        return RefusedReply((), f"{refusal}{exchange}".encode())

    trial = Trial(ProviderId("openai"), RouteTable([]), gossip)
    assert catalog.try_vectors(trial, SHELF / "openai")


def test_a_locked_shelf_has_no_fault_until_something_changes(detections: Path) -> None:
    held = catalog.lock("detections", detections)
    assert [line.split()[:2] for line in held.splitlines()] == [["key_one", "1"], ["key_two", "1"]]
    assert catalog.check_lock("detections", detections, held) == []
    assert catalog.lock("detections", detections, held) == held


@pytest.mark.parametrize("part", ["detect.py", "README.md", "vectors/fires_one.txt", "detection.toml"])
def test_a_change_without_a_new_version_is_a_fault(detections: Path, part: str) -> None:
    held = catalog.lock("detections", detections)
    path = detections / "key_one" / part
    path.write_text(path.read_text("utf-8") + "\n", "utf-8")
    faults = catalog.check_lock("detections", detections, held)
    assert [(fault.where, fault.message) for fault in faults] == [
        ("detections/key_one", "the item changed, and its version did not")
    ]


def test_a_renamed_file_is_a_change(detections: Path) -> None:
    held = catalog.lock("detections", detections)
    vectors = detections / "key_one/vectors"
    (vectors / "fires_one.txt").rename(vectors / "fires_two.txt")
    assert len(catalog.check_lock("detections", detections, held)) == 1


def test_a_new_version_wants_to_be_locked(detections: Path) -> None:
    held = catalog.lock("detections", detections)
    change(detections / "key_one/detection.toml", "version = 1", "version = 2")
    faults = catalog.check_lock("detections", detections, held)
    assert [fault.hint for fault in faults] == ["make lock"]
    renewed = catalog.lock("detections", detections, held)
    assert catalog.check_lock("detections", detections, renewed) == []


def test_an_id_that_was_given_once_is_not_given_again(detections: Path) -> None:
    held = catalog.lock("detections", detections)
    shutil.rmtree(detections / "key_one")
    kept = catalog.lock("detections", detections, held)
    assert kept == held
    shutil.copytree(DETECTION, detections / "key_one")
    (detections / "key_one/detect.py").write_text('"""Another."""\n', "utf-8")
    assert [fault.hint for fault in catalog.check_lock("detections", detections, kept)] == [
        "raise its version"
    ]


def test_no_lock_is_written_over_a_change_without_a_new_version(detections: Path) -> None:
    held = catalog.lock("detections", detections)
    shutil.copytree(DETECTION, detections / "key_three")
    change(detections / "key_two/detection.toml", "version = 1", "version = 2")
    assert catalog.find_unraised("detections", detections, held) == []
    (detections / "key_one/detect.py").write_text('"""Another."""\n', "utf-8")
    found = catalog.find_unraised("detections", detections, held)
    assert [fault.where for fault in found] == ["detections/key_one"]


def test_an_item_that_is_not_locked_is_a_fault(detections: Path) -> None:
    held = catalog.lock("detections", detections)
    shutil.copytree(DETECTION, detections / "key_three")
    assert [fault.message for fault in catalog.check_lock("detections", detections, held)] == [
        "the item is not locked"
    ]


def test_compiled_files_are_no_content(detections: Path) -> None:
    held = catalog.lock("detections", detections)
    (detections / "key_one/__pycache__").mkdir()
    (detections / "key_one/__pycache__/detect.pyc").write_bytes(b"x")
    assert catalog.check_lock("detections", detections, held) == []
