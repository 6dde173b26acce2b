"""Rows of a generated month, as sightings; all that a detection may look at, and nothing else."""

from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

import numpy as np
import polars as pl

from chatelaine.model.detection import Phase, Sighting
from chatelaine.model.exchange import NetworkClass, Operation

BEGIN = 1_780_000_000 // 86_400 * 86_400
NANO = 1_000_000_000
MODELS = ("small", "mid", "large", "top", "image")
PRICE_IN = np.array([0.15, 1, 3, 15, 0])
PRICE_OUT = np.array([0.6, 4, 15, 75, 0])
PRICE_IMAGE = 0.04
COLUMNS = "ts key ip asn cc net sdk ja4 hdr ua model op itok otok cap stream status blocked chain turn sys user".split()


class Words(dict[int, str]):
    """Texts for numbers, each made once."""

    def __init__(self, form: str) -> None:
        super().__init__()
        self.form = form

    def __missing__(self, number: int) -> str:
        text = self[number] = self.form.format(number)
        return text


class Prefixes(dict[int, str]):
    """The /24 of an address without its last byte."""

    def __missing__(self, top: int) -> str:
        text = self[top] = f"{top >> 16}.{top >> 8 & 255}.{top & 255}.0/24"
        return text


KEYS, SDKS, JA4S, HDRS, AGENTS, COUNTRIES = (
    Words(f) for f in ("k{:08d}", "sdk{}", "t{}", "h{}", "ua/{}", "c{}")
)
TEXTS, PREFIXES, CONTEXTS = Words("{}"), Prefixes(), {}
NETS = [NetworkClass(bits) for bits in range(16)]
OPERATIONS = (Operation.CHAT, Operation.LIST)


def costs(frame: pl.DataFrame) -> np.ndarray:
    """Return what each row cost in billionths of a dollar."""
    model = frame["model"].to_numpy()
    text = (frame["itok"].to_numpy() * PRICE_IN[model] + frame["otok"].to_numpy() * PRICE_OUT[model]) / 1e6
    usd = np.where(model == 4, PRICE_IMAGE, text) * (frame["status"].to_numpy() < 400)
    return (usd * NANO).astype(np.int64)


def sightings(path: Path, *, step: int = 200_000) -> Iterator[Sighting]:
    """Yield a month's rows in the order of time."""
    frame = pl.read_parquet(path, columns=list(COLUMNS))
    for begin in range(0, len(frame), step):
        part = frame.slice(begin, step)
        lists = [part[name].to_list() for name in COLUMNS]
        yield from map(sighting, range(begin, begin + len(part)), costs(part).tolist(), zip(*lists))


def sighting(number: int, cost: int, row: tuple) -> Sighting:
    """Return one row as a sighting."""
    (
        ts,
        key,
        ip,
        asn,
        cc,
        net,
        sdk,
        ja4,
        hdr,
        ua,
        model,
        op,
        itok,
        otok,
        cap,
        stream,
        status,
        blocked,
        chain,
        turn,
        system,
        user,
    ) = row
    prefix = PREFIXES[ip >> 8]
    where = (ip >> 8, ja4, hdr)
    context = CONTEXTS.get(where)
    if context is None:
        context = CONTEXTS[where] = f"{len(CONTEXTS):016x}"
    return Sighting(
        at=int((BEGIN + ts) * NANO),
        phase=Phase.WHOLE,
        exchange=str(number),
        key=KEYS[key],
        owner=KEYS[key],
        context=context,
        ip=str(ip),
        prefix=prefix,
        asn=asn,
        country=COUNTRIES[cc],
        network=NETS[net & 15],
        ja4=JA4S[ja4],
        header_hash=HDRS[hdr],
        agent=AGENTS[ua],
        agent_family=SDKS[sdk],
        operation=OPERATIONS[op],
        model=MODELS[model],
        stream=bool(stream),
        cap=cap or None,
        end_user="" if user < 0 else str(user),
        system_hash="" if system == 0 else str(system),
        chain=str(chain),
        turn=turn,
        status=status,
        blocked=bool(blocked),
        input_tokens=itok,
        output_tokens=otok,
        images=int(model == 4),
        cost=cost,
    )
