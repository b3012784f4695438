"""How long a parse takes, the whole of it: intent, confidence, rules and why, one utterance after the other."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from benchmarks.language.intents import SIZE, utterances
from benchmarks.language.row import Row
from edgewright.language.intents.train import How
from edgewright.language.training import train
from edgewright.language.utterances import Labelled
from edgewright.language.utterances.checks import without_contradictions
from edgewright.nlp.utterance.parse import Understanding

MAX_MS, PASSES, COUNT = 100.0, 7, 3000
TASK = "parse of a SNIPS utterance, p50 / p99"


def rows() -> list[Row]:
    """Return the whole parse and the student alone."""
    given, _ = without_contradictions(utterances())
    trained = train(Labelled(given[::4]), How(size=SIZE), name="snips")
    understanding = Understanding(trained.spec, trained.arrays)
    texts = [one.text for one in given[1::4]][:COUNT]
    whole, alone = _spent(understanding.parse, texts), _spent(understanding.intent, texts)
    return [
        Row(TASK, "int8 student, rules and why", _summary(whole), f"{SIZE // 1000} kB", "p99 100 µs",
            bool(np.quantile(whole.min(axis=0), 0.99) <= MAX_MS)),
        Row(TASK, "intent alone", _summary(alone), f"{SIZE // 1000} kB"),
    ]  # fmt: skip


def _spent(parse: Callable[[str], object], texts: list[str]) -> NDArray[np.float64]:
    """Wall-clock microseconds, shape (passes, texts); nothing of an utterance is kept from pass to pass."""
    durations = np.empty((PASSES, len(texts)))
    gc.collect()
    for times in durations:
        for number, text in enumerate(texts):
            started = time.perf_counter_ns()
            parse(text)
            times[number] = (time.perf_counter_ns() - started) / 1000
    return durations


def _summary(spent: NDArray[np.float64]) -> str:
    """Over utterances, each by its least disturbed pass: other processes share the machine. Then over all parses."""
    middle, maximum = np.quantile(spent.min(axis=0), (0.5, 0.99))
    return f"{middle:.0f} / {maximum:.0f} µs (p99 as disturbed {np.quantile(spent, 0.99):.0f})"
