"""The table of the suite in Markdown, and whether its limits are reached."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.default.content import halves
from benchmarks.default.sets import SETS
from benchmarks.table import markdown

Record = Mapping[str, Any]
# What issue 47 asks: of each set, and of the mean of a half.
RATIO, MEAN_RATIO, CALIBRATION = 0.97, 1.0, 0.05
FLASH_KB, RAM_KB, MEDIAN_FLASH_KB = 256.0, 64.0, 32.0
# Processor seconds up to so many training samples, and above.
FEW, FEW_S, MANY_S = 10_000, 120.0, 360.0
_SHORT = {"average_precision": "AP", "macro_f1": "macro-F1", "rmse": "RMSE", "accuracy": "accuracy"}


def report(records: Mapping[str, Record]) -> tuple[str, bool]:
    """Return the tables of all sets and of both halves, with misses in bold, and whether nothing is missed.

    Args:
        records: of the sets that ran, by name.
    """
    half, reached, rows = halves(SETS), True, []
    for name, record in records.items():
        row, within = _row(name, half[name], record)
        rows.append(row)
        reached &= within
    heads = ["set", "half", "metric", "train", "test", "model", "`init --yes` + `run` (95 % CI)",
             "peer chosen by folds", "ratio", "highest peer", "ratio", "flash, kB", "RAM, kB", "CPU-s",
             "ECE"]  # fmt: skip
    summary = []
    for title, names in {
        "half A": [name for name in records if half[name] == "A"],
        "half B": [name for name in records if half[name] == "B"],
        "all": list(records),
    }.items():
        if not names:
            continue
        row, within = _summary(title, [records[name] for name in names])
        summary.append(row)
        reached &= within
    more = ["sets", "number", "without an answer", "mean ratio", "of those with an answer", "to the highest peer",
            "below .97 (†)", "median flash, kB"]  # fmt: skip
    problems = [f"- {name}: {problem}" for name, record in records.items() for problem in record["problems"]]
    parts = [markdown(heads, rows), markdown(more, summary)]
    return "\n\n".join([*parts, *(["\n".join(problems)] if problems else [])]), reached


def _number(value: float | None, digits: int) -> str:
    """Return a number without the zero before its point, as the documents write it."""
    text = f"{value or 0:.{digits}f}"
    return text.removeprefix("0") if digits and text.startswith("0.") else text


def _row(name: str, half: str, record: Record) -> tuple[list[str], bool]:
    """Return the row of a set, and whether everything is within its limit."""
    product, peers, misses = record["product"], record["peers"], 0

    def limited(value: float | None, text: str, within: Callable[[float], bool]) -> str:
        nonlocal misses
        if value is None:
            return ""
        missed = not within(value)
        misses += missed
        return f"**{text}**" if missed else text

    seconds, allowed = product.get("cpu_s"), FEW_S if record["train"] <= FEW else MANY_S
    flash, ram = (product[f"{key}_bytes"] / 1000 if f"{key}_bytes" in product else None for key in ("flash", "ram"))
    ece = product.get("calibration_error")
    chance = f" ({_number(product['calibration_chance'], 3)})" if "calibration_chance" in product else ""
    by_folds = max(peers, key=lambda peer: peer["cv"], default=None)
    highest = max(peers, key=lambda peer: _better(record["metric"], peer), default=None)
    ratios = [limited(record.get(key), _number(record.get(key), 3), lambda value: value >= RATIO)
              for key in ("ratio", "ratio_highest")]  # fmt: skip
    model = ", ".join(dict.fromkeys(product.get("model", ())))
    if _is_sure(record):
        ratios[0] += " †"
    answer = "**no answer**" if "score" not in product else _score(product["score"], interval=True)
    cells = [
        name, half, _SHORT[record["metric"]], f"{record['train']:,}", f"{record['test']:,}", model, answer,
        _peer(by_folds), ratios[0], _peer(highest), ratios[1],
        limited(flash, _number(flash, 1), lambda value: value <= FLASH_KB),
        limited(ram, _number(ram, 1), lambda value: value <= RAM_KB),
        limited(seconds, _number(seconds, 0), lambda value: value <= allowed),
        limited(ece, _number(ece, 3), lambda value: value <= CALIBRATION) + chance,
    ]  # fmt: skip
    return cells, misses == 0 and "score" in product


def _is_sure(record: Record) -> bool:
    """Return whether a ratio is below its limit and the 95 % CI of the paired difference lies below 0."""
    return bool(record.get("ratio", 1.0) < RATIO and record.get("difference", {"high": 0.0})["high"] < 0)


def _better(metric: str, peer: Mapping[str, Any]) -> float:
    value = float(peer["score"]["value"])
    return -value if metric == "rmse" else value


def _score(score: Mapping[str, float], *, interval: bool = False) -> str:
    digits = 3 if score["value"] < 1.5 else 2
    value, low, high = (_number(score[key], digits) for key in ("value", "low", "high"))
    return f"{value} ({low} to {high})" if interval else value


def _peer(peer: Mapping[str, Any] | None) -> str:
    return "" if peer is None else f"{peer['name']} {_score(peer['score'])}"


def _summary(title: str, records: Sequence[Record]) -> tuple[list[str], bool]:
    """Return means over sets; a set without an answer counts as a ratio of 0."""
    with_peers = [record for record in records if record["peers"]]
    missing = [record for record in with_peers if "ratio" not in record]
    means = [float(np.mean([record.get(key, 0.0) for record in with_peers])) if with_peers else 0.0
             for key in ("ratio", "ratio_highest")]  # fmt: skip
    answered = [float(record["ratio"]) for record in with_peers if "ratio" in record]
    below = sum(record.get("ratio", 0.0) < RATIO for record in with_peers)
    losses = f"{below} ({sum(map(_is_sure, records))})"
    flash = [record["product"]["flash_bytes"] / 1000 for record in records if "flash_bytes" in record["product"]]
    median = float(np.median(flash)) if flash else 0.0
    within = means[0] >= MEAN_RATIO and below == 0 and median <= MEDIAN_FLASH_KB
    first = _number(means[0], 3) if means[0] >= MEAN_RATIO else f"**{_number(means[0], 3)}**"
    mean = _number(float(np.mean(answered)), 3) if answered else ""
    cells = [
        title, f"{len(records)}", f"{len(missing)}", first, mean, _number(means[1], 3), losses, _number(median, 1),
    ]  # fmt: skip
    return cells, within
