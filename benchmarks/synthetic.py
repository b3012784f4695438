"""What synthetic data is worth where few real people train: the judgement of `edgewright synth`, for each kind of data.

Test groups are left out: people 26 to 30 of HAPT, repetitions 0 to 4 of FSDD, the official tests of SNIPS and of the
groceries. The target, set before the first measurement: in each kind one method gains two points, with an interval
above zero.

    python -m benchmarks.synthetic [keywords sentences signals pictures]
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np

from benchmarks.table import ROOT, markdown
from edgewright.data.load import load_data
from edgewright.language.synthesis.grammar import read_grammar, sentences
from edgewright.language.synthesis.judgement import Measured, Utility, judge
from edgewright.language.synthesis.learners import (
    PICTURES,
    answer_pictures,
    answer_sentences,
    answer_windows,
    measured_sentences,
    measured_windows,
    picture_copies,
    sentence_chunk,
    sentence_copies,
    signal_copies,
    spoken_chunks,
    windows_of,
)
from edgewright.language.synthesis.pictures import measured_pictures
from edgewright.language.synthesis.speech import VOICES, speak
from edgewright.language.utterances.read import read
from edgewright.schema.data import DataSet, Samples

DATA = Path(os.environ.get("EDGEWRIGHT_SHARED", ROOT.parent / "shared")) / "data"
AMOUNTS = (1, 4)
TARGET = 0.02
_SPEAKERS, _SNIPS_EACH, _GRAMMAR_EACH = 20, 100, 100
_TEST_PEOPLE = tuple(str(person) for person in range(26, 31))


def _windows(real: Measured, samples: Samples, methods: tuple[str, ...], people: int, folds: int) -> Iterator[Utility]:
    rate, names = float(samples.rate or 0), [column.name for column in samples.columns]
    for name in methods:
        makes = signal_copies(real, name, {}, rate, names, 0)
        yield judge(real, name, {}, makes, answer_windows(rate), amounts=AMOUNTS, people=people, folds=folds)


def _digits() -> DataSet:
    """Return the spoken digits without the repetitions of the official test."""
    data = load_data({"kind": "fsdd"}, seed=0, path=str(DATA / "fsdd"))
    kept = tuple(r for r in data.recordings if int(Path(r.name).stem.rpartition("_")[2]) >= 5)
    return msgspec.structs.replace(data, recordings=kept)


def keywords() -> Iterator[tuple[str, Utility]]:
    """Ten digits, 2 of 6 speakers train: voices of espeak-ng, and changed copies."""
    data = _digits()
    samples = windows_of(data, 8000, 5)
    real = measured_windows(samples, "speaker")
    with tempfile.TemporaryDirectory() as folder:
        words = [str(digit) for digit in range(10)]
        spoken = speak(words, VOICES, max(AMOUNTS), 0, Path(folder), speakers=_SPEAKERS, rate=8000, recorded=True)
    chunks = spoken_chunks(spoken, 8000, max(AMOUNTS))
    for people in (1, 2, 4):
        setting = f"FSDD, {people} of 6 speakers train"
        yield setting, judge(real, f"{_SPEAKERS} voices of espeak-ng", {}, lambda _, amount: chunks[:amount],
                             answer_windows(8000.0), amounts=AMOUNTS, people=people, folds=6)  # fmt: skip
    for utility in _windows(real, samples, ("time_warp", "scaling", "noise", "room"), 2, 6):
        yield "FSDD, 2 of 6 speakers train", utility


def sentences_of_people() -> Iterator[tuple[str, Utility]]:
    """Seven intents of SNIPS, 3 to 10 sentences of each train: a grammar of twelve lines an intent at most."""
    entries = []
    for file in sorted((DATA / "snips").glob("train_*_full.json")):
        utterances = read(file).utterances
        order = np.random.default_rng(0).permutation(len(utterances))[:_SNIPS_EACH]
        entries += [utterances[number] for number in order]
    real = measured_sentences(entries)
    grammar = read_grammar(ROOT / "benchmarks" / "language" / "snips-grammar.toml")
    generated = sentences(grammar, _GRAMMAR_EACH, 0, "snips")[0]
    chunk = sentence_chunk(generated, set(real.y.tolist()))
    for each in (3, 10, 50):
        yield f"SNIPS, about {each} sentences an intent train", judge(
            real, "grammar", {}, sentence_copies(real, chunk), answer_sentences, people=7 * each, folds=10
        )  # fmt: skip


def signals() -> Iterator[tuple[str, Utility]]:
    """Six activities of HAPT, 2 of 16 people train: changed copies."""
    data = load_data({"kind": "hapt"}, seed=0, path=str(DATA / "har-hapt"))
    samples = windows_of(data, 128, 2)
    real = measured_windows(samples).without(_TEST_PEOPLE)
    methods = ("jitter", "scaling", "rotation", "time_warp", "dropout", "noise", "generate")
    for utility in _windows(real, samples, methods, 2, 8):
        yield "HAPT, 2 of 16 people train", utility
    for utility in _windows(real, samples, ("scaling", "noise"), 0, 8):
        yield "HAPT, all others train", utility


def pictures() -> Iterator[tuple[str, Utility]]:
    """Groceries on photographs, one of ten runs of neighbouring pictures trains: changed copies."""
    data = load_data(
        {"kind": "grocery", "part": "train", "height": 48, "width": 48}, seed=0, path=str(DATA / "grocery")
    )
    real = measured_pictures(data)[0]
    for name in PICTURES:
        yield (
            "groceries, 1 of 10 runs of pictures trains",
            judge(
                real, name, {}, picture_copies(real, name, {}, 0), answer_pictures, amounts=AMOUNTS, people=1, folds=5
            ),
        )


KINDS = {"keywords": keywords, "sentences": sentences_of_people, "signals": signals, "pictures": pictures}


def main() -> int:
    """Print a table of the kinds that are named, all by default."""
    for kind in sys.argv[1:] or KINDS:
        rows, reached = [], False
        for setting, utility in KINDS[kind]():
            gain = utility.gain
            reached |= gain.low > 0 and gain.value >= TARGET
            span = f"{100 * gain.value:+.1f} ({100 * gain.low:+.1f} to {100 * gain.high:+.1f})"
            shown = f"**{span}**" if utility.helps else span
            rows.append([setting, utility.method, str(utility.amount), f"{100 * utility.without.value:.1f} %", shown])
            print(*rows[-1], flush=True)
        print(markdown((kind, "method", "amount", "right without", "points gained (95 %)"), rows))
        print(f"{kind}: two points and an interval above zero: {'reached' if reached else 'missed'}\n", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
