"""`make bench-anomalies`: NAB and SKAB, with what each detector needs in bytes and microseconds."""

from __future__ import annotations

import csv
import json
import sys
import time

import numpy as np
from numpy.typing import NDArray

from benchmarks.anomalies import fusion, nab, skab
from benchmarks.anomalies.reference import windowed_gaussian
from benchmarks.table import markdown, verdict
from edgewright.pipeline.detect_rows import Stretch
from edgewright.pipeline.detecting import DETECTORS, learn
from edgewright.runtime import catalogue
from edgewright.runtime.detectors import kind
from edgewright.runtime.detectors.union import UnionConfig
from edgewright.runtime.watching import state_bytes

NAB_LEAST, NESTED_LEAST, NAB_BYTES, SKAB_LEAST = 76.0, 64.0, 16_384, 0.84
# The detector, its settings, quantile and margin on SKAB; the first is the one the target is for.
SKAB_RUNS: tuple[tuple[str, dict[str, object], float, float], ...] = (
    ("var", {}, 1.0, 2.0),
    ("pca", {"mean": 20}, 1.0, 4.0),
    ("robust", {"mean": 15}, 1.0, 2.0),
    ("k_means", {}, 1.0, 2.0),
    ("half_space_trees", {}, 1.0, 1.0),
    ("autoencoder", {"mean": 15}, 1.0, 2.0),
)


def main() -> int:
    """Prints the tables; 1 when a target is missed."""
    return max(_nab(), _skab(), _sizes())


def _nab() -> int:
    given, profiles = nab.streams(), nab.profiles()
    standard = profiles["standard"]
    worst = _scorer(given, profiles)
    found = {s.name: fusion.scores(s, UnionConfig()) for s in given}
    ranges = {s.name: fusion.alarms(fusion.scores(s, UnionConfig(bins=0))) for s in given}
    with_rest = {name: fusion.alarms(own) for name, own in found.items()}
    without = {name: own >= 1 for name, own in found.items()}
    reference = json.loads((nab.FOLDER / "reference_scores_this_selection.json").read_text())
    rows = [
        [name, *(f"{nab.benchmark_score(alarms, given, weights)[0]:.1f}" for weights in profiles.values())]
        for name, alarms in (
            ("union, one setting", with_rest),
            ("union without a refractory time", without),
            ("union without the time of day, as in C", ranges),
        )
    ]
    rows += [
        [f"{name} (published)", *(f"{reference[name][profile]:.1f}" for profile in profiles)]
        for name in ("ARTime", "numenta", "contextOSE", "knncad", "windowedGaussian")
    ]
    one = nab.benchmark_score(with_rest, given, standard)[0]
    print(f"NAB, {len(given)} streams; scorer against the published scores: largest difference {worst:.1e}\n")
    print(markdown(["detector", *profiles], rows))
    apart = fusion.nested(given, standard)
    print(
        f"\nstandard profile, one setting for all: {one:.1f}, target {NAB_LEAST:g}: {verdict(one >= NAB_LEAST)}\n"
        f"nested over streams, {apart.settings:,} settings: {apart.mean:.1f} (deviation {apart.deviation:.1f}, least "
        f"{apart.least:.1f} of 20 partitions; halves {apart.halves:.1f}, one stream out {apart.one_out:.1f}, "
        f"best on all {apart.best:.1f}), target {NESTED_LEAST:g}: {verdict(apart.mean >= NESTED_LEAST)}"
    )
    return int(worst > 1e-9 or one < NAB_LEAST or apart.mean < NESTED_LEAST)


def _scorer(given: list[nab.Series], profiles: dict[str, nab.Weights]) -> float:
    """Largest difference to the published scores of the windowed Gaussian, over all streams and profiles."""
    found = {s.name: windowed_gaussian(s.values) >= 1 for s in given}
    worst = 0.0
    for profile, weights in profiles.items():
        with (nab.FOLDER / f"windowedGaussian_{profile}_scores.csv").open(newline="") as file:
            told = {row["File"]: float(row["Score"]) for row in csv.DictReader(file)}
        each = nab.benchmark_score(found, given, weights)[1]
        worst = max(worst, *(abs(each[name] - told[name]) for name in each))
    return worst


def _skab() -> int:
    given = skab.experiments()
    everything = skab.judge([np.ones(len(one.values), np.bool_) for one in given], given)
    results = [("always odd", everything)]
    for name, settings, quantile, margin in SKAB_RUNS:
        if name == "autoencoder":
            called = [_trained(one, settings, quantile, margin) for one in given]
        else:
            called = [skab.flags(one, name, settings, quantile, margin) for one in given]
        told = ", ".join(f"{key} {value}" for key, value in settings.items())
        results.append((f"{name}{f' ({told})' if told else ''}, {margin:g} x largest score", skab.judge(called, given)))
    results.append(("var, settings chosen on the other files (nested)", skab.nested(given)))
    rows = [
        [name, f"{r.f1:.3f} ({r.low:.2f} to {r.high:.2f})", f"{100 * r.false:.1f} %", f"{100 * r.missed:.1f} %"]
        for name, r in results
    ]
    print(f"\nSKAB, {len(given)} files, fitted on the first {skab.FITTED} rows of each, judged on the others\n")
    print(markdown(["detector", "F1 (95 %, files drawn again)", "false alarms", "missed"], rows))
    reached = results[1][1].f1
    print(f"\nvar: F1 {reached:.3f}, target {SKAB_LEAST:g}: {verdict(reached >= SKAB_LEAST)}")
    return int(reached < SKAB_LEAST)


def _trained(one: skab.Experiment, settings: dict[str, object], quantile: float, margin: float) -> NDArray[np.bool_]:
    """As `skab.flags`, for a detector that this project trains elsewhere than in the runtime."""
    part = kind("autoencoder")
    times = np.arange(len(one.values), dtype=np.float64)
    fitted = Stretch(one.name, one.values[: skab.FITTED], times[: skab.FITTED])
    learnt = learn("autoencoder", part.config(**settings), (fitted,))
    found = part.start(learnt).update(one.values, times)
    return np.asarray(np.nan_to_num(found) >= margin * np.nanquantile(found[: skab.FITTED], quantile))


def _sizes() -> int:
    """Bytes and microseconds of every detector, on one channel and on eight."""
    one = skab.experiments()[0]
    rows, over = [], False
    for name in catalogue.listing(DETECTORS, "DETECTOR"):
        cells = []
        for channels in (1, 8):
            values = np.ascontiguousarray(one.values[:, :channels])
            times = np.arange(len(values), dtype=np.float64)
            learnt = learn(name, kind(name).config(), (Stretch("", values, times),))
            running = kind(name).start(learnt)
            running.update(values[:200], times[:200])
            began = time.process_time()
            running.update(values[200:], times[200:])
            taken = (time.process_time() - began) / (len(values) - 200) * 1e6
            state = state_bytes(running.state())
            over |= name == "union" and channels == 1 and state > NAB_BYTES
            cells += [f"{state_bytes(learnt):,}", f"{state:,}", f"{taken:.0f}"]
        rows.append([name, *cells])
    heads = [
        f"{what}, {c}" for c in ("1 channel", "8 channels") for what in ("learnt, bytes", "state, bytes", "µs a row")
    ]
    print("\nWhat a stream needs, Python, processor time\n")
    print(markdown(["detector", *heads], rows))
    return int(over)


if __name__ == "__main__":
    sys.exit(main())
