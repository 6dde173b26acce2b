"""What the evidence engine is measured against, each with the best threshold for the very month.

An hourly rule is said to have found a key where an hour with foreign requests raises its alarm, at the last.
"""

from math import log

import numpy as np
import polars as pl

from rig import say
from watch_month import DAY, FROM, Alarms, Floats, Ints, Month

try:
    from sklearn.ensemble import IsolationForest
except ImportError:  # whoever only writes alarms needs no rivals
    IsolationForest = None

HOUR = 3600
WEEK_HOURS = 168
ELASTIC = 500
"""Successful calls an hour: elastic/detection-rules, "AWS Bedrock … high volume"."""
MEASURES = ("requests", "tokens", "usd", "failed", "prefixes", "agents", "models", "dear")


def hours(month: Month) -> pl.DataFrame:
    """Return the hours of all keys: measures, and the last row, a foreign one where there is any."""
    rows = month.frame.with_row_index("row").with_columns(hour=(pl.col("ts") // HOUR).cast(pl.Int64))
    foreign = pl.col("row").filter(pl.col("att") > 0).max()
    return (
        rows.group_by("key", "hour")
        .agg(
            pl.len().alias("requests"),
            (pl.col("itok") + pl.col("otok")).sum().alias("tokens"),
            pl.col("usd").sum(),
            (pl.col("status") >= 400).sum().alias("failed"),
            (pl.col("ip") // 256).n_unique().alias("prefixes"),
            pl.col("ua").n_unique().alias("agents"),
            pl.col("model").n_unique().alias("models"),
            (pl.col("model") == 3).sum().alias("dear"),
            (pl.col("status") < 400).sum().alias("served"),
            pl.coalesce(foreign, pl.col("row").max()).alias("row"),
        )
        .sort("key", "hour")
    )


def zscores(table: pl.DataFrame) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
    """Return how far each measure of an hour lies above the key's last 168 active ones, in deviations."""
    measures = [pl.col(name).cast(pl.Float64).log1p() for name in MEASURES]
    logs = table.select("key", *measures)
    past = [pl.col(name).shift(1).over("key") for name in MEASURES]
    before = logs.with_columns(past)
    mean = before.select(pl.col(n).rolling_mean(WEEK_HOURS, min_samples=12).over("key") for n in MEASURES)
    spread = before.select(pl.col(n).rolling_std(WEEK_HOURS, min_samples=12).over("key") for n in MEASURES)
    z = (logs.select(MEASURES).to_numpy() - mean.to_numpy()) / (spread.to_numpy() + 0.1)
    return np.nan_to_num(z)


def ordered(month: Month, rows: Ints, scores: Floats) -> Alarms:
    """Return alarms in the order of their rows."""
    order = np.argsort(rows, kind="stable")
    return Alarms(month, rows[order], scores[order])


def elastic(month: Month, table: pl.DataFrame) -> Alarms:
    """Return alarms of the rule of so many served calls an hour."""
    hit = table.filter(pl.col("served") >= ELASTIC)
    return ordered(month, hit["row"].to_numpy().astype(np.int64), np.ones(len(hit)))


def deviation(month: Month, table: pl.DataFrame) -> Alarms:
    """Return alarms of the largest deviation of a key's hour from its own past."""
    scores = zscores(table).max(axis=1)
    return ordered(month, table["row"].to_numpy().astype(np.int64), scores)


def forest(month: Month, table: pl.DataFrame) -> Alarms:
    """Return alarms of an isolation forest over the same deviations, grown on the warm-up."""
    if IsolationForest is None:
        say("  scikit-learn is missing: no isolation forest")
        return ordered(month, np.zeros(0, np.int64), np.zeros(0))
    z = zscores(table)
    warm = (table["hour"].to_numpy() * HOUR >= FROM // 2) & (table["hour"].to_numpy() * HOUR < FROM)
    grown = IsolationForest(n_estimators=100, random_state=1).fit(
        z[warm][:: max(1, int(warm.sum()) // 50_000)]
    )
    late = np.flatnonzero(~warm & (table["hour"].to_numpy() * HOUR >= FROM - DAY))
    rows = table["row"].to_numpy().astype(np.int64)[late]
    return ordered(month, rows, -grown.score_samples(z[late]))


def first_request(month: Month) -> Alarms:
    """Return alarms of Freeman's likelihood ratio on the first request of each new source of a key.

    Smoothing as in the paper: a value a key never showed gets the population's share, weighed by one request.
    """
    frame = month.frame.with_row_index("row")
    named = ("asn", "cc", "ua")
    source = frame.select("row", "key", *named).unique(("key", *named), keep="first", maintain_order=True)
    sizes = {name: frame[name].value_counts() for name in named}
    shares = {
        n: dict(zip(c[n].to_list(), (c["count"] / len(frame)).to_list(), strict=True))
        for n, c in sizes.items()
    }
    seen: dict[tuple[int, str], dict[int, int]] = {}
    total: dict[int, int] = {}
    rows, scores = [], []
    for row, key, *values in source.iter_rows():
        n = total[key] = total.get(key, 0) + 1
        ratio = 0.0
        for name, value in zip(named, values, strict=True):
            counts = seen.setdefault((key, name), {})
            share = shares[name][value]
            ratio += log(share / ((counts.get(value, 0) + share) / n))
            counts[value] = counts.get(value, 0) + 1
        rows.append(row)
        scores.append(ratio)
    return ordered(month, np.array(rows), np.array(scores))
