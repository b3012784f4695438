"""Synthetic recordings of `training.synthetic`: they train beside the training samples and evaluate nothing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from edgewright.data.load import load_data
from edgewright.data.samples import cut_in_parts
from edgewright.data.synthetic import is_synthetic
from edgewright.data.targets import encode_target
from edgewright.schema.config import PipelineConfig
from edgewright.schema.data import Floats, Samples
from edgewright.schema.errors import InputError

_KEY = "[training] synthetic"


def synthetic_samples(config: PipelineConfig, samples: Samples, task: str) -> tuple[Floats, Any]:
    """Read the folder, and cut it as the data were cut.

    Args:
        config: its `training.synthetic` names a folder.
        samples: of the data.
        task: as the data are understood.

    Returns:
        Samples of the data's shape, and their targets as the model takes them.

    Raises:
        InputError: no such folder, recordings that nobody made, another rate, other channels, or another label.
    """
    path = config.training.synthetic
    if not Path(path).is_dir():
        raise InputError("a folder of synthetic recordings", f"no folder {path!r}", _KEY,
                         "Make it, for words with `edgewright synth speech`")  # fmt: skip
    dataset = load_data({"kind": "folder"}, seed=config.seed, path=path, where=_KEY)
    # They may have one label: the data have the others.
    [made] = cut_in_parts(dataset, config.window, sys.maxsize)
    measured = np.flatnonzero(~is_synthetic(made.sessions))
    if len(measured):
        raise InputError("synthetic recordings alone", f"the measured {made.sessions[measured[0]]!r}", f"{_KEY} {path}",
                         "Put measured recordings into [data]: a split keeps them from the test")  # fmt: skip
    if samples.groups is not None and made.groups is not None:
        for person in np.intersect1d(samples.groups, made.groups):
            raise InputError("recordings of nobody in the data", f"some of {str(person)!r}", f"{_KEY} {path}",
                             "Copies of people belong into [data]: a split keeps them from the test")  # fmt: skip
    if made.rate != samples.rate or made.X.shape[1:] != samples.X.shape[1:]:
        wanted, got = (f"{s.X.shape[1]} channels at {s.rate or 0:g} Hz" for s in (samples, made))
        raise InputError(wanted, got, f"{_KEY} {path}", "Make them at the rate of the data (--rate)")
    y = encode_target(made.y, task)
    if task == "classification":
        for label in np.setdiff1d(y, samples.y):
            raise InputError("labels of the data", repr(str(label)), f"{_KEY} {path}", "Label them as the data are")
    return np.asarray(made.X, np.float32), y
