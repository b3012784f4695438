"""Prints label flips of every engine against our reference, the first layer that differs, and what Vela placed."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from benchmarks.accelerators.models import Floats, models
from benchmarks.table import markdown
from edgewright.core.records.network import Graph
from edgewright.export.contract import Subject as Exported
from edgewright.profiles.catalogue import load_profile
from edgewright.proof.tolerance import OUTPUT, Form, Stages
from edgewright.workflows.estimation import accelerators
from edgewright.workflows.proof.forms import graphs, integers
from edgewright.workflows.proof.stages import boundary_value
from edgewright.workflows.proof.subject import subject_of

_DEVICE, _WANTED, _PLAIN = "cortex-m55", 20, "default options"


def main() -> int:
    """Print the table; 1 where a label flips without a layer that differs, or our rules and Vela differ."""
    rows, good, count = [], True, 0
    for name, graph, samples in models():
        flips = [*find_flips(name, graph, samples)]
        placed, agreed = find_placement(name, graph)
        rows.append((name, str(len(samples)), *flips, placed, "yes" if agreed else "NO"))
        good = good and agreed and all("unexplained" not in text for text in flips)
        count += 1
    head = ("model", "samples", "ONNX Runtime: flips", "OpenVINO: flips", "Vela, ethos-u55-128", "our rules agree")
    sys.stdout.write(markdown(head, rows) + "\n")
    return 0 if good and count >= _WANTED else 1


def find_flips(name: str, graph: Graph, samples: Floats) -> Sequence[str]:
    """Return what each engine does, in words: its flips, and the first layer with other bytes."""
    subject = subject_of(name, {"int8" if name.endswith("int8") else "float": graph})
    forms = [*integers.FORMS.make(subject), *graphs.FORMS.make(subject)]
    boundary = boundary_value(graph, samples)
    reference = next(form for form in forms if "reference" in form.name or "NumPy" in form.name)
    wanted = reference.run(samples, boundary)
    theirs = [form for form in forms if "NumPy" not in form.name and form is not reference]
    return [_compared(form, wanted, form.run(samples, boundary)) for form in theirs if _PLAIN not in form.name]


def _compared(form: Form, wanted: Stages, got: Stages) -> str:
    flips = int(np.count_nonzero(_labels(wanted) != _labels(got)))
    if not flips:
        return "0"
    for stage, values in wanted.items():
        if stage in got and values.dtype == np.int8 and not np.array_equal(values, got[stage]):
            far = int(np.abs(values.astype(int) - got[stage]).max())
            return f"{flips}; {stage} first, by {far} step{'s' * (far > 1)}"
    return f"{flips}, unexplained"


def _labels(stages: Stages) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    last = stages["label"] if "label" in stages else stages.get(OUTPUT, next(reversed(stages.values())))
    rows = last.reshape(len(last), -1)
    return np.asarray(rows[:, 0] if rows.shape[1] == 1 else rows.argmax(axis=1), np.int64)


def find_placement(name: str, graph: Graph) -> tuple[str, bool]:
    """Return what Vela placed where, and whether our rules say the same of every operator."""
    (checked,) = accelerators(load_profile(_DEVICE), Exported(name, graph))
    report = next((note for note in checked.notes if "operators on" in note), "; ".join(checked.notes))
    return report.replace(" on ethos-u55-128", "").replace(" modelled", ""), not any(
        "our rules" in note for note in checked.notes
    )


if __name__ == "__main__":
    sys.exit(main())
