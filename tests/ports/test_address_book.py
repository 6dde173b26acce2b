"""The contract of the address book, for every adapter."""

import pytest

from chatelaine.adapters.geo import AddressTables, MemoryAddresses
from chatelaine.model.exchange import Network, NetworkClass
from chatelaine.model.settings import AddressSettings
from chatelaine.ports import AddressBook

GOOGLE = Network("8.8.8.8", 15169, "US", NetworkClass.HOSTING | NetworkClass.BIG_CLOUD)


@pytest.fixture(params=["embedded", "memory"])
def book(request: pytest.FixtureRequest) -> AddressBook:
    if request.param == "memory":
        return MemoryAddresses(GOOGLE)
    return AddressTables(AddressSettings())


def test_a_known_address_comes_back_with_its_network(book: AddressBook) -> None:
    assert book.find("8.8.8.8") == GOOGLE


@pytest.mark.parametrize(
    "ip", ["127.0.0.1", "10.0.0.1", "2001:db8::1", "", "unknown", "8.8.8.8.8", "8.8.8", "x" * 5000, "\0"]
)
def test_an_unknown_address_and_what_is_none_come_back_bare(book: AddressBook, ip: str) -> None:
    assert book.find(ip) == Network(ip)


def test_the_same_question_has_the_same_answer(book: AddressBook) -> None:
    assert [book.find("8.8.8.8") for _ in range(3)] == [GOOGLE] * 3
