"""Room: is anybody there, and should the heating run?"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import edgewright as ew
from edgewright.core.state_machine.machine import Machine
from edgewright.core.state_machine.table import read_table
from edgewright.data.set_files import register_sources
from edgewright.workflows.examples import Target, check_proof, run_example, set_path
from edgewright.workflows.scoring.workflow import evaluation_samples

DATA = ("occupancy",)
TARGETS = {
    "accuracy": Target(
        minimum=0.979,
        source="one threshold of the light reaches 97.9 % of the set's later test file; Candanedo and Feldheim (2016): "
        "95 to 99 %",
    )
}
HERE = Path(__file__).parent
HEATED = ("comfort", "resting", "left")


def heat(run: Path) -> dict[str, float]:
    """Run the heating's state table on the rows that evaluated the model, in their order."""
    predictor, samples = evaluation_samples(run)
    labels = predictor.predict(samples.X).labels.tolist()
    temperature = samples.X[:, [column.name for column in samples.columns].index("temperature")]
    heated = np.zeros(len(labels), bool)
    for session in np.unique(samples.sessions):
        machine, decided = Machine(read_table(HERE / "heating.toml")), ""
        for minute, row in enumerate(np.flatnonzero(samples.sessions == session)):
            machine.sure(60.0 * minute)
            if labels[row] != decided:
                decided = labels[row]
                machine.push("decision", {"decided": decided}, 60.0 * minute)
            machine.push("row", {"temperature": float(temperature[row])}, 60.0 * minute)
            heated[row] = machine.state in HEATED
    occupied = np.asarray(samples.y) == "occupied"
    return {
        "heated_occupied": float(heated[occupied].mean()),
        "heated_empty": float(heated[~occupied].mean()),
    }


def main(data: Path | None, out: Path) -> dict[str, float]:
    """Train one threshold, prove it, and run the heating's state table on the rows of the test split."""
    pipeline = ew.Pipeline.from_toml(HERE / "pipeline.toml", data=set_path("occupancy", data))
    run = pipeline.run(out=out, force=True)
    return {**run.figures, **heat(run.folder), **check_proof(run.folder, device="cortex-m4")}


if __name__ == "__main__":
    register_sources(HERE / "occupancy.py")
    run_example(main, TARGETS, __doc__)
