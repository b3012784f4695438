"""How long a parse takes, the whole of it: intent, confidence, rules and why, one utterance after the other."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

import numpy as np

from benchmarks.language.intents import SIZE, utterances
from benchmarks.language.row import Row
from edgewright.language.intents.train import How
from edgewright.language.training import train
from edgewright.language.utterances import Labelled
from edgewright.language.utterances.checks import without_contradictions
from edgewright.runtime.utterance.parse import Understanding

MOST, PASSES, COUNT = 100.0, 7, 3000
TASK = "parse of a SNIPS utterance, p50 / p99"


def rows() -> list[Row]:
    """The student alone and the whole parse; of several passes over different utterances, the least disturbed."""
    given, _ = without_contradictions(utterances())
    made = train(Labelled(given[::4]), How(size=SIZE), name="snips")
    understanding = Understanding(made.spec, made.arrays)
    texts = [one.text for one in given[1::4]][:COUNT]
    whole, alone = _spent(understanding.parse, texts), _spent(understanding.intent, texts)
    return [
        Row(TASK, "int8 student, rules and why", _told(whole), f"{SIZE // 1000} kB", "p99 100 µs", whole[1] <= MOST),
        Row(TASK, "intent alone", _told(alone), f"{SIZE // 1000} kB"),
    ]


def _spent(parse: Callable[[str], object], texts: list[str]) -> tuple[float, float]:
    """Wall-clock microseconds, median and 99th percentile of the pass in which other processes disturbed least."""
    passes = []
    gc.collect()
    for _ in range(PASSES):
        found = np.empty(len(texts))
        for number, text in enumerate(texts):
            started = time.perf_counter_ns()
            parse(text)
            found[number] = time.perf_counter_ns() - started
        passes.append((float(np.quantile(found, 0.5)) / 1000, float(np.quantile(found, 0.99)) / 1000))
    return min(passes, key=lambda one: one[1])


def _told(spent: tuple[float, float]) -> str:
    return f"{spent[0]:.0f} / {spent[1]:.0f} µs"
