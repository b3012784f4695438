"""One look at the people who evaluate: the shipped pipeline as `edgewright run hapt` runs it, from its run folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import HAPT
from benchmarks.hapt.answers import Answers, Text
from benchmarks.hapt.crossvalidation import Changes
from benchmarks.hapt.network_file import network_file
from edgewright.compression.weights import weight_bytes
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.records.trace import RobustnessRecord
from edgewright.pipeline.config import read_config
from edgewright.pipeline.material import prepare
from edgewright.pipeline.package.variants import answering
from edgewright.pipeline.pipeline import Pipeline
from edgewright.pipeline.plan import data_plan
from edgewright.pipeline.run import run_pipeline


@dataclass(frozen=True)
class Look:
    """What was seen.

    Attributes:
        forms: answers of 'float' and 'int8', by ONNX Runtime from raw windows.
        network_bytes: of the int8 network as an ONNX file of its own.
        weight_bytes: of its weights, biases, scales and zero points.
        agreement: how float ONNX compares with Python on the test windows, in the run's words.
        robustness: int8 under disturbances.
        refused: why there is no package; empty when there is one.
    """

    forms: dict[str, Answers]
    network_bytes: int
    weight_bytes: int
    agreement: str
    robustness: tuple[RobustnessRecord, ...]
    refused: str


def look(data: str, out: Path, changes: Changes = ()) -> Look:
    """Run the pipeline and ask its models.

    Args:
        data: folder of the set.
        out: folder of runs.
        changes: of the shipped pipeline, as with `--set`.
    """
    config = read_config(HAPT, (*changes, "refit=false"))
    result = run_pipeline(config, data=data, out=out, force=True, command="python -m benchmarks.hapt")
    material = prepare(data_plan(config), data)
    test = material.sides.test
    truth, people = np.asarray(material.samples.y[test]), np.asarray(material.samples.groups)[test]
    forms = {}
    for name, file in (("float", "model.onnx"), ("int8", "model.int8.onnx")):
        model = (result.folder / file).read_bytes()
        labels = np.asarray(read_onnx(model).labels)
        answer: Text = labels[np.argmax(answering(model)(material.samples.X[test]), axis=1)]
        forms[name] = Answers(truth, answer, people)
    small = read_onnx((result.folder / "model.int8.onnx").read_bytes())
    compression = result.trace.compression
    notes = compression.notes if compression is not None else ()
    return Look(
        forms=forms,
        network_bytes=len(network_file(small, Pipeline.load(result.folder)[-1].n_features_in_)),
        weight_bytes=weight_bytes(small),
        agreement=next((note for note in notes if note.startswith("float ONNX")), ""),
        robustness=compression.robustness if compression is not None else (),
        refused=result.refused,
    )
