"""Cold start: what the owner of a key declared when it was issued is the key's own from the first."""

import ipaddress
from typing import Final

from chatelaine.core.context import prefix_of
from chatelaine.model.detection import Dimension
from chatelaine.model.key import Grant, HourSpan

_HOUR: Final = 60
_DAY: Final = 24 * _HOUR
_MOST_PREFIXES: Final = 16
"""A block of more /24s than these says too little of each."""
_V4_BITS: Final = 24
_V6_BITS: Final = 48


def declared(grant: Grant) -> list[tuple[Dimension, str]]:
    """Return the values of habit that a grant names: networks, models, operations, modalities and hours."""
    prefixes = [(Dimension.PREFIX, prefix) for block in grant.networks for prefix in _prefixes(block)]
    models = [(Dimension.MODEL, model) for model in grant.models if not model.endswith("*")]
    operations = [(Dimension.OPERATION, one.value) for one in grant.operations]
    modalities = [(Dimension.MODALITY, one.value) for one in grant.modalities]
    hours = sorted({hour for span in grant.hours for hour in _hours(span)})
    return [*prefixes, *models, *operations, *modalities, *((Dimension.HOUR, f"{one:02}") for one in hours)]


def _prefixes(block: str) -> list[str]:
    network = ipaddress.ip_network(block)
    bits = _V4_BITS if isinstance(network, ipaddress.IPv4Network) else _V6_BITS
    if network.prefixlen >= bits:
        return [prefix_of(str(network.network_address))]
    if 1 << (bits - network.prefixlen) > _MOST_PREFIXES:
        return []
    return [prefix_of(str(one.network_address)) for one in network.subnets(new_prefix=bits)]


def _hours(span: HourSpan) -> list[int]:
    end = span.to_minute if span.to_minute > span.from_minute else span.to_minute + _DAY
    return [minute // _HOUR % 24 for minute in range(span.from_minute // _HOUR * _HOUR, end, _HOUR)]
