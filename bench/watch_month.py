"""Months of the stolen-key benchmark: made with its generator, kept in build/, and what is true of them."""

import json
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from rig import HERE, say
from watch_rows import costs

DAY, FROM, DAYS = 86_400, 14 * 86_400, 28
CACHE = HERE.parent / "build" / "watch"
KEYS, ACTORS = 1200, 7
SHIFT = 100
"""A key-day is numbered key × 100 + day."""

Ints = np.ndarray[tuple[int], np.dtype[np.int64]]
Floats = np.ndarray[tuple[int], np.dtype[np.float64]]
NEVER = 1e18


def generator() -> Path:
    """Return where the generator lies: beside this repository or above its worktree."""
    for above in HERE.parents:
        if (found := above / "shared" / "tools" / "theft" / "generate.py").exists():
            return found
    raise SystemExit("bench: shared/tools/theft is missing; the generator is not part of a user's clone")


def made(seed: int, drift: float, folder: Path = CACHE) -> Path:
    """Return a month's file, made first where it is not there."""
    name = f"s{seed}" if drift == 1 else f"s{seed}-d{drift:g}".replace(".", "")
    path = folder / f"{name}.parquet"
    if path.exists() and path.with_suffix(".json").exists():
        return path
    say(f"  making {name}: a minute or two")
    folder.mkdir(parents=True, exist_ok=True)
    ask = ["--seed", str(seed), "--drift", str(drift), "--keys", str(KEYS), "--actors", str(ACTORS)]
    program = generator()
    subprocess.run([sys.executable, str(program), *ask, "--out", str(path)], check=True, cwd=program.parent)
    return path


@dataclass
class Month:
    """What is true of a month: for judging alarms, never for raising them."""

    path: Path

    @cached_property
    def frame(self) -> pl.DataFrame:
        """Its rows, with what each cost and the number and the loss of each foreign one on its key."""
        named = [
            "ts",
            "key",
            "ip",
            "ja4",
            "hdr",
            "ua",
            "sdk",
            "asn",
            "cc",
            "model",
            "itok",
            "otok",
            "status",
            "att",
        ]
        frame = pl.read_parquet(self.path, columns=named)
        return frame.with_columns(usd=pl.Series(costs(frame) / 1e9)).with_columns(
            nth=(pl.col("att") > 0).cast(pl.Int32).cum_sum().over("key"),
            lost=(pl.col("usd") * (pl.col("att") > 0)).cum_sum().over("key"),
        )

    @cached_property
    def truth(self) -> dict[int, dict[str, float | str]]:
        """The stolen keys: family and time of the first foreign request."""
        return {int(one["key"]): one for one in self._facts["truth"]}

    @cached_property
    def kinds(self) -> list[str]:
        """The kind of owner of each key."""
        owners = self._facts["owners"]
        return [owners.get(str(key), {}).get("kind", "idle") for key in range(KEYS)]

    @cached_property
    def _facts(self) -> dict[str, dict]:  # type: ignore[type-arg] - a file of the generator's making
        return json.loads(self.path.with_suffix(".json").read_text())

    @cached_property
    def first(self) -> Floats:
        """When each key is stolen; far ahead where it never is."""
        return np.array([float(self.truth[k]["first"]) if k in self.truth else NEVER for k in range(KEYS)])

    @cached_property
    def key_days(self) -> Ints:
        """All days after the warm-up on which a key that is not yet stolen was used by its owner."""
        own = self.frame.filter((pl.col("att") == 0) & (pl.col("ts") >= FROM))
        days = own.select(
            pl.col("key").cast(pl.Int64) * SHIFT + (pl.col("ts") // DAY).cast(pl.Int64)
        ).unique()
        found = days.to_series().to_numpy()
        return found[(found % SHIFT + 1) * DAY <= self.first[found // SHIFT]]

    @cached_property
    def days_lived(self) -> Ints:
        """For each key, on how many days it was used before the warm-up ended."""
        early = self.frame.filter(pl.col("ts") < FROM)
        found = early.group_by("key").agg((pl.col("ts") // DAY).n_unique().alias("days"))
        lived = np.zeros(KEYS, np.int64)
        lived[found["key"].to_numpy()] = found["days"].to_numpy()
        return lived


@dataclass
class Alarms:
    """Alarms of one detector on one month, the earliest first."""

    month: Month
    rows: Ints
    scores: Floats

    @cached_property
    def events(self) -> pl.DataFrame:
        """The rows at which they were raised, with their scores."""
        return self.month.frame[self.rows].with_columns(score=pl.Series(self.scores, dtype=pl.Float64))

    @cached_property
    def false(self) -> pl.DataFrame:
        """The strongest false alarm of each key-day that has one."""
        stolen = pl.Series(self.month.first[self.events["key"].to_numpy()])
        own = (pl.col("att") == 0) & (pl.col("ts") >= FROM) & (pl.col("ts") < stolen)
        day = pl.col("key").cast(pl.Int64) * SHIFT + (pl.col("ts") // DAY).cast(pl.Int64)
        return self.events.filter(own).group_by(day.alias("day")).agg(pl.col("score").max()).sort("day")

    def false_rate(self, threshold: float) -> float:
        """Return the false alarms per 1,000 key-days."""
        return 1000 * int((self.false["score"] >= threshold).sum()) / max(1, len(self.month.key_days))

    def threshold(self, budget: float) -> float:
        """Return the smallest threshold that keeps a budget on this very month."""
        ranked = np.sort(self.false["score"].to_numpy())[::-1]
        allowed = int(budget * len(self.month.key_days) / 1000)
        return float(ranked[allowed]) + 1e-9 if len(ranked) > allowed else -1e9

    def found(self, threshold: float) -> pl.DataFrame:
        """Return for each stolen key that is found: requests, minutes and dollars until then."""
        hits = self.events.filter((pl.col("att") > 0) & (pl.col("score") >= threshold))
        first = pl.Series(self.month.first[hits["key"].to_numpy()], dtype=pl.Float64)
        hits = hits.with_columns(minutes=(pl.col("ts") - first) / 60)
        return hits.sort("nth").group_by("key", maintain_order=True).first()
