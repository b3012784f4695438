"""`python -m benchmarks.training.accuracy`: processor time to Keras' accuracy with the same normalised convolutions.

Keras trains for 20 epochs; its accuracy is the highest of these on the samples that test. Edgewright trains until it
has as much, for at most 60. Both begin in a new process, the second and third with compiled programs on disk. Three
convolutions of 16, 32 and 64 filters with stride 2 and batch normalisation, the mean over all places, Adam at 0.001,
batches of 64.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.default.__main__ import _own_windows
from benchmarks.default.content import Items
from benchmarks.default.sets import SETS
from benchmarks.table import ROOT, markdown, median, python, verdict
from benchmarks.training.__main__ import THREADS
from benchmarks.training.environments import interpreter, script, versions

DATA = Path(os.environ.get("EDGEWRIGHT_SHARED", ROOT.parent / "shared")) / "data"
# The first was among those that chose; the others were not.
NAMES, SIDE = ("digit-pictures", "wisdm-watch", "grocery"), 32
SEEDS = range(int(os.environ.get("BENCH_REPEATS", "3")))


def samples(name: str) -> dict[str, NDArray[Any]]:
    """Return both sides of a set, standardised by the training samples; pictures as 32 x 32 pixels."""
    content = SETS[name].read(DATA)
    if isinstance(content, Items):
        X = np.stack([_small(picture) for picture in content.X])
        sides = {"train": ~content.test, "test": content.test}
        arrays = {f"{side}_X": X[rows] for side, rows in sides.items()}
        arrays |= {f"{side}_y": content.y[rows] for side, rows in sides.items()}
    else:
        arrays = _own_windows(content)
    train = arrays["train_X"]
    axes = (0, *range(2, train.ndim))
    mean, spread = train.mean(axes, keepdims=True), train.std(axes, keepdims=True) + 1e-6
    classes = np.unique(arrays["train_y"])
    scaled = {f"{side}_X": ((arrays[f"{side}_X"] - mean) / spread).astype(np.float32) for side in ("train", "test")}
    return {**scaled, **{f"{side}_y": np.searchsorted(classes, arrays[f"{side}_y"]) for side in ("train", "test")}}


def _small(picture: NDArray[Any]) -> NDArray[np.float32]:
    image = Image.fromarray(np.asarray(picture, np.uint8)).resize((SIDE, SIDE), Image.Resampling.BOX)
    return np.asarray(image, np.float32).transpose(2, 0, 1) / np.float32(255)


def epochs_of(tool: str, command: str, file: Path, seed: int, epochs: int, until: float) -> list[tuple[float, float]]:
    """Return processor seconds so far and accuracy after each epoch of a new process.

    Args:
        tool: name of the script.
        command: its Python.
        file: arrays of the set.
        seed: of the weights and of the order.
        epochs: maximum.
        until: accuracy with which it ends.
    """
    message = json.dumps({"file": str(file), "seed": seed, "epochs": epochs, "until": until})
    environment = {**os.environ, **THREADS, "JAX_COMPILATION_CACHE_DIR": f"{file}-{tool}"}
    run = [command, script(f"{tool}_accuracy"), message]
    done = subprocess.run(run, check=True, capture_output=True, text=True, env=environment, cwd=ROOT)
    return [(second, share) for second, share in json.loads(done.stdout.splitlines()[-1])]


def reached(epochs: list[tuple[float, float]], target: float) -> tuple[int, float]:
    """Return the first epoch of at least an accuracy, from 1, and processor seconds until then; infinite for none."""
    return next(((n, second) for n, (second, share) in enumerate(epochs, 1) if share >= target), (0, float("inf")))


def main() -> int:
    """Print the table; 1 when a set takes longer than Keras."""
    keras, rows, whole = interpreter("Keras"), [], True
    with tempfile.TemporaryDirectory() as folder:
        for name in NAMES:
            file = Path(folder) / f"{name}.npz"
            np.savez(file, **samples(name))  # type: ignore[arg-type]
            targets, theirs, ours = [], [], []
            for seed in SEEDS:
                peer = epochs_of("keras", keras, file, seed, 20, 2.0)
                targets.append(max(share for _, share in peer))
                theirs.append(reached(peer, targets[-1]))
                ours.append(reached(epochs_of("edgewright", python(), file, seed, 60, targets[-1]), targets[-1]))
                print(f"{name}, seed {seed}: {targets[-1]:.3f} {theirs[-1]} {ours[-1]}", file=sys.stderr)
            times = [median([second for _, second in tool]) for tool in (ours, theirs)]
            whole = whole and times[0] <= times[1]
            text = [
                f"{time:.1f} ({', '.join(str(n) for n, _ in tool)})"
                for time, tool in zip(times, (ours, theirs), strict=True)
            ]
            rows.append(
                [name, f"{median(targets):.3f}", *text, f"{times[0] / times[1]:.2f}", verdict(times[0] <= times[1])]
            )
    print(
        markdown(["set", "Keras' accuracy", "Edgewright, CPU-s (epochs)", "Keras, CPU-s (epochs)", "ratio", ""], rows)
    )
    known = {**versions(python(), ["edgewright", "jax"]), **versions(keras, ["keras"])}
    print(f"\n`python -m benchmarks.training.accuracy` with {', '.join(f'{n} {v}' for n, v in known.items())}.")
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())
