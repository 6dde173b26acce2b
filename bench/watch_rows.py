"""Rows of a generated month as sightings: all that a detection may look at, and nothing else."""

from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
import polars as pl

from chatelaine.model.detection import Phase, Sighting
from chatelaine.model.exchange import NetworkClass, Operation
from chatelaine.model.words import ContextId, ExchangeId, Instant, KeyId, NanoUsd, OwnerId

BEGIN = 1_780_000_000 // 86_400 * 86_400
"""Seconds since 1970 at which every month is said to begin: a midnight."""
NANO = 1_000_000_000
MODELS = ("small", "mid", "large", "top", "image")
PRICE_IN = np.array([0.15, 1, 3, 15, 0])
PRICE_OUT = np.array([0.6, 4, 15, 75, 0])
PRICE_IMAGE = 0.04
IMAGE = 4
COLUMNS = [
    *("ts", "key", "ip", "asn", "cc", "net", "sdk", "ja4", "hdr", "ua", "model", "op", "itok", "otok"),
    *("cap", "stream", "status", "blocked", "chain", "turn", "sys", "user"),
]
STEP = 100_000


class Words(dict[int, str]):
    """Texts for numbers, each made once."""

    def __init__(self, form: str) -> None:
        super().__init__()
        self.form = form

    def __missing__(self, number: int) -> str:
        """Make the text of a number."""
        text = self[number] = self.form.format(number)
        return text


class Prefixes(dict[int, str]):
    """The /24 of an address without its last byte."""

    def __missing__(self, top: int) -> str:
        """Make the text of a prefix."""
        text = self[top] = f"{top >> 16}.{top >> 8 & 255}.{top & 255}.0/24"
        return text


KEYS, SDKS, JA4S = Words("k{:08d}"), Words("sdk{}"), Words("t{}")
HEADERS, AGENTS, COUNTRIES = Words("h{}"), Words("agent/{}"), Words("c{}")
PREFIXES = Prefixes()
CONTEXTS: dict[tuple[int, int, int], ContextId] = {}
NETWORKS = [NetworkClass(bits) for bits in range(16)]
OPERATIONS = (Operation.CHAT, Operation.LIST)


def costs(frame: pl.DataFrame) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Return what each row cost in billionths of a dollar."""
    model = frame["model"].to_numpy()
    text = (frame["itok"].to_numpy() * PRICE_IN[model] + frame["otok"].to_numpy() * PRICE_OUT[model]) / 1e6
    usd = np.where(model == IMAGE, PRICE_IMAGE, text) * (frame["status"].to_numpy() < 400)
    return (usd * NANO).astype(np.int64)


def sightings(path: Path, keys: Collection[int] | None = None) -> Iterator[Sighting]:
    """Yield a month's rows, of all keys or of these, in order of time; an exchange is named for its row."""
    frame = pl.read_parquet(path, columns=COLUMNS).with_row_index("row")
    if keys is not None:
        frame = frame.filter(pl.col("key").is_in(list(keys)))
    for begin in range(0, len(frame), STEP):
        part = frame.slice(begin, STEP)
        lists = [part[name].to_list() for name in COLUMNS]
        yield from map(sighting, part["row"].to_list(), costs(part).tolist(), zip(*lists, strict=True))


def context(place: tuple[int, int, int]) -> ContextId:
    """Return the id of a client context: prefix, JA4 and header order."""
    known = CONTEXTS.get(place)
    if known is None:
        known = CONTEXTS[place] = ContextId(f"{len(CONTEXTS):016x}")
    return known


def sighting(number: int, cost: int, row: tuple[float, ...]) -> Sighting:
    """Return one row as a sighting."""
    (ts, key, ip, asn, cc, net, sdk, ja4, hdr, ua, model, op, itok, otok) = row[:14]
    (cap, stream, status, blocked, chain, turn, system, user) = row[14:]
    name, top = KEYS[key], ip >> 8
    return Sighting(
        at=Instant(int((BEGIN + ts) * NANO)),
        phase=Phase.WHOLE,
        exchange=ExchangeId(str(number)),
        key=KeyId(name),
        owner=OwnerId(name),
        context=context((top, ja4, hdr)),
        ip=str(ip),
        prefix=PREFIXES[top],
        asn=asn,
        country=COUNTRIES[cc],
        network=NETWORKS[net & 15],
        ja4=JA4S[ja4],
        header_hash=HEADERS[hdr],
        agent=AGENTS[ua],
        agent_family=SDKS[sdk],
        operation=OPERATIONS[op],
        model=MODELS[model],
        stream=stream > 0,
        cap=cap or None,
        end_user="" if user < 0 else str(user),
        system_hash="" if system == 0 else str(system),
        chain=str(chain),
        turn=turn,
        status=status,
        blocked=blocked > 0,
        input_tokens=itok,
        output_tokens=otok,
        images=1 if model == IMAGE else 0,
        cost=NanoUsd(cost),
    )
