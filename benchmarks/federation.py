"""Learning across a fleet on WISDM's watches: people as devices, with drop-outs, poisoners and noise.

python -m benchmarks.federation --data FOLDER leaves people out: six times five of the thirty training people are those
that the factory's model is fitted on, five others are judged, and twenty are devices. With --look the factory's models
are the same, all other training people are devices, and the nine test people are judged, by whom nothing was chosen.
With --turned everybody wears the watch the other way round, x and y negative: the factory's layer is wrong, and what
the fleet learns matters. With --sizes the table is of group sizes and shares of attackers, with the worst attack of
each.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks.table import markdown
from edgewright.core.federation.rounds import epsilon_of
from edgewright.core.package import read_package
from edgewright.core.predictor import package_path
from edgewright.data.load import load_data
from edgewright.data.samples import cut
from edgewright.pipeline.config import read_config
from edgewright.pipeline.run import run_pipeline
from edgewright.schema.data import Samples
from edgewright.schema.federation import FederationSettings
from edgewright.training.metrics import group_interval
from edgewright.workflows.adaptation.federation import (
    FederationPlan,
    People,
    central_labels,
    kept_of,
    labels_of,
    learned,
    people_of,
)
from edgewright.workflows.adaptation.local_fleet import ATTACKS, Faults

FOLDS, NOISE, DELTA = 6, 2.0, 1e-3
SETTINGS = FederationSettings()
CASES = {
    "federated": (SETTINGS, Faults()),
    "20 % drop-outs": (SETTINGS, Faults(dropouts=0.2)),
    **{f"10 % poisoners, {name}": (SETTINGS, Faults(0.0, 0.1, name)) for name in ATTACKS},
    "20 % drop-outs, 10 % poisoners, bounded": (SETTINGS, Faults(0.2, 0.1, "bounded")),
    f"noise {NOISE:g}": (msgspec.structs.replace(SETTINGS, noise=NOISE, clip=0.02), Faults()),
}
SIZES, SHARES = (3, 5, 8, 10, 20), (0.05, 0.1, 0.2)
SIZED = {
    f"{size} {share:g} {name}": (msgspec.structs.replace(SETTINGS, group=size), Faults(0.0, share, name))
    for size in SIZES
    for share, name in ((0.0, "flip"), *itertools.product(SHARES, ATTACKS))
}


def main() -> int:
    """Print a table with the mean over people, its interval, the worst person, and the bytes of a device and round."""
    argument_parser = argparse.ArgumentParser(description=__doc__)
    argument_parser.add_argument("--data", required=True, help="folder har-wisdm-watch")
    argument_parser.add_argument("--look", action="store_true", help="judge the test people")
    argument_parser.add_argument("--turned", action="store_true", help="the watch is worn the other way round")
    argument_parser.add_argument("--sizes", action="store_true", help="group sizes and shares of attackers")
    argument_parser.add_argument("--folds", type=int, default=FOLDS, help="of six")
    options = argument_parser.parse_args()
    config = read_config("watch")
    test = list(config.split.test_groups)
    samples = cut(load_data({"kind": "wisdm_watch"}, seed=config.seed, path=options.data), config.window)
    everybody = sorted(set(np.asarray(samples.groups).tolist()))
    train = [name for name in everybody if name not in test]
    folds = [train[start::FOLDS] for start in range(FOLDS)]
    accuracies: dict[str, list[tuple[str, float]]] = {}
    largest = [0, 0]
    worn = _turned(samples) if options.turned else samples
    for number, fitted in enumerate(folds[: options.folds]):
        people = _people(worn, [name for name in everybody if name not in fitted], options.data)
        tested = test if options.look else folds[number - 1]
        names = [name for name in train if name not in fitted and name not in tested]
        for case, right in _cases(people, names, number, largest, SIZED if options.sizes else CASES):
            accuracies.setdefault(case, []).extend((one, float(right[people.names == one].mean())) for one in tested)
            print(f"{number} {case}: {right[np.isin(people.names, tested)].mean():.3f}", file=sys.stderr, flush=True)
    if options.sizes:
        print(
            markdown(["devices in a group", "no attacker", *(f"{share:.0%}" for share in SHARES)], _sizes(accuracies))
        )
        return 0
    print(
        markdown(["layer", "accuracy", "95 %", "worst person"], [_row(case, rows) for case, rows in accuracies.items()])
    )
    print(f"\na device and round: at most {largest[0]:,} bytes up, {largest[1]:,} down")
    print(f"noise {NOISE:g}: epsilon {epsilon_of(NOISE, SETTINGS.rounds, DELTA):.1f} at delta {DELTA:g}")
    return 0


def _people(samples: Samples, others: list[str], data: str) -> People:
    """Return all people but those that a model is fitted on, as its last layer receives them."""
    with tempfile.TemporaryDirectory() as room:
        changes = ("adapt.layer=output", "refit=false", f"split.test_groups={json.dumps(others)}")
        run = run_pipeline(read_config("watch", changes), data=data, out=room).folder
        return people_of(read_package(package_path(run)), samples)


def _turned(samples: Samples) -> Samples:
    X = np.array(samples.X[:], np.float32)
    X[:, :2] *= -1
    return msgspec.structs.replace(samples, X=X)


def _cases(
    people: People, names: list[str], seed: int, largest: list[int],
    cases: Mapping[str, tuple[FederationSettings, Faults]],
) -> list[tuple[str, NDArray[np.bool_]]]:  # fmt: skip
    devices = {name: kept_of(people, name) for name in names}
    layers_of_cases = [("factory", people.given), ("central", central_labels(devices, people))]
    for case, (settings, faults) in cases.items():
        layer, _, fleet = learned(people.factory, devices, FederationPlan(settings, faults, seed=seed))
        largest[0], largest[1] = max(largest[0], *fleet.bytes_up), max(largest[1], *fleet.bytes_down)
        layers_of_cases.append((case, labels_of(people, layer)))
    return [(case, answers == people.truth) for case, answers in layers_of_cases]


def _sizes(accuracies: dict[str, list[tuple[str, float]]]) -> list[list[str]]:
    """Return accuracy without attackers, and for each share of them the lowest one as a share of it."""
    mean = {case: float(np.mean([share for _, share in rows])) for case, rows in accuracies.items()}
    table = []
    for size in SIZES:
        clean, cells = mean[f"{size} 0 flip"], list[str]()
        for share in SHARES:
            worst = min(ATTACKS, key=lambda name: mean[f"{size} {share:g} {name}"])
            cells.append(f"{mean[f'{size} {share:g} {worst}'] / clean:.3f} ({worst})")
        table.append([str(size), f"{clean:.3f}", *cells])
    return table


def _row(case: str, rows: list[tuple[str, float]]) -> list[str]:
    """Return mean and interval over people; several models judge each of them."""
    names = sorted({name for name, _ in rows})
    shares = np.array([np.mean([share for one, share in rows if one == name]) for name in names])
    interval = group_interval(np.arange(len(names)), lambda resampled: float(shares[resampled].mean()), by="person")
    return [case, f"{interval.value:.3f}", f"{interval.low:.3f} to {interval.high:.3f}", f"{shares.min():.3f}"]


if __name__ == "__main__":
    sys.exit(main())
