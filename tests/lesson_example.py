"""Records for the tests of lessons: a regression, one without compression, and one whose names are hostile."""

from __future__ import annotations

import msgspec

import trace_example as example
from edgewright.core.records.trace import EvaluationRecord, PredictionRecord, Trace

HOSTILE = ('<script>alert("x")</script>', "[bold red]b[/bold red]", "two\nlines and\ta tab " + 90 * "long")
CONFIG: dict[str, object] = {
    "name": "activity",
    "seed": 7,
    "data": {"kind": "wearable", "rows": 10_000},
    "stages": [{"kind": "select", "k": 10}],
    "model": {"kind": "network", "layers": [{"kind": "dense", "units": 64}, {"kind": "dense", "units": 64}]},
    "training": {"epochs": 20, "patience": 5},
    "compression": {"int8": True},
    "scaling": None,
    "architecture": "",
}


def classifier() -> Trace:
    return msgspec.structs.replace(example.trace(), config=CONFIG)


def overfitted() -> Trace:
    return msgspec.structs.replace(example.trace(80), config=CONFIG, scaling=example.scaling())


def uncompressed() -> Trace:
    return msgspec.structs.replace(classifier(), compression=None, device=None)


def regression() -> Trace:
    evaluation = EvaluationRecord(samples=400, split_by="time", regression={"mae": 1.5, "rmse": 2.25, "r2": 0.91})
    one = example.prediction()
    traced = msgspec.structs.replace(one, probabilities=(), answer="21.5", truth="20.9", right=None, confidence=1.0)
    return msgspec.structs.replace(
        classifier(), task="regression", evaluation=evaluation, predictions=(traced,), compression=None, stages=()
    )


def hostile() -> Trace:
    trace = classifier()
    assert trace.evaluation is not None
    groups = tuple(
        msgspec.structs.replace(g, group=name) for g, name in zip(trace.evaluation.groups, HOSTILE, strict=False)
    )
    evaluation = msgspec.structs.replace(trace.evaluation, labels=HOSTILE, groups=groups)
    stages = tuple(
        msgspec.structs.replace(s, name=f"{s.name} {HOSTILE[0]}", dropped=tuple((n, n) for n in HOSTILE))
        for s in trace.stages
    )
    return msgspec.structs.replace(
        trace,
        name=HOSTILE[0],
        title=HOSTILE[1],
        evaluation=evaluation,
        stages=stages,
        predictions=(_hostile(trace.predictions[0]),),
        config={**CONFIG, "title": '"""\nraise SystemExit\n"""', "data": {"kind": HOSTILE[0]}},
    )


def _hostile(record: PredictionRecord) -> PredictionRecord:
    shares = tuple((name, p) for name, (_, p) in zip(HOSTILE, record.probabilities, strict=True))
    return msgspec.structs.replace(record, probabilities=shares, answer=HOSTILE[2], input_names=HOSTILE * 7)


RECORDS = {
    "classifier": classifier,
    "overfitted": overfitted,
    "uncompressed": uncompressed,
    "regression": regression,
    "hostile": hostile,
}
