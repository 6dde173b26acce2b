"""Programs: builds differ as builds do, and a proxy's users differ in everything but the TLS library."""

import re
from hashlib import sha256

import pytest

from chatelaine.core.play import program
from chatelaine.core.play.chance import Chance
from chatelaine.model.exchange import Network


@pytest.mark.parametrize("name", program.NAMES)
def test_a_program_looks_as_a_gate_would_record_it(name: str) -> None:
    one = program.program(name, 3)
    assert re.fullmatch(r"t13d\d{4}h[12]_[0-9a-f]{12}_[0-9a-f]{12}", one.ja4)
    # The gate's own hash over the names: core/exchange/context.py.
    assert one.header_hash == sha256(one.header_names.encode()).hexdigest()[:12]
    assert len({header.lower() for header in one.header_names.split(",")}) == one.header_names.count(",") + 1


@pytest.mark.parametrize("name", program.NAMES)
def test_another_build_has_another_agent(name: str) -> None:
    assert program.program(name, 1).agent != program.program(name, 2).agent


def test_a_build_that_moves_everything_moves_agent_headers_and_tls() -> None:
    before, after = program.program("openai-python", 2), program.program("openai-python", 17)
    assert before.header_hash == after.header_hash, "17 and 2 send the same optional headers"
    assert before.ja4 != after.ja4


def test_programs_of_one_stack_and_build_share_their_tls() -> None:
    assert program.program("requests", 4).ja4 == program.program("litellm", 4).ja4
    assert program.program("requests", 4).ja4 != program.program("go", 4).ja4


def test_a_proxys_users_share_one_tls_stack_and_one_header_order() -> None:
    users = program.proxied(Chance(3), 1, 40)
    assert len({user.ja4 for user in users}) == len({user.header_hash for user in users}) == 1
    assert len({user.agent for user in users}) > 20
    assert all(("origin", "") in user.sdk for user in users)


def test_a_program_that_was_recorded_is_played_as_it_was() -> None:
    client = program.program("curl", 1).on(Network("127.0.0.1"))
    assert program.recorded(client).on(client.network) == client


def test_an_unknown_program_is_refused() -> None:
    with pytest.raises(KeyError, match="telnet"):
        program.program("telnet", 1)
