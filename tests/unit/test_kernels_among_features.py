"""The candidates of the race with kernels among features: their pipelines, and their exported forms."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from c99_stages import need_compiler
from edgewright.core.records.config import PipelineConfig
from edgewright.export.c99_graph.graph import plan_graph
from edgewright.export.c99_graph.recognition import KERNELS
from edgewright.graph.builder import Builder
from edgewright.graph.stage import emit
from edgewright.pipeline.config import checked
from edgewright.pipeline.fitting import fit_stages
from edgewright.pipeline.plan import parts
from edgewright.pipeline.run import run_pipeline
from edgewright.race.pipeline_end import Entrant, entrants_of
from edgewright.race.problem import Problem, problem_of_pipeline
from edgewright.workflows.proof.workflow import prove_place

PEOPLE, ROWS = 6, 768


def movements(path: Path) -> PipelineConfig:
    """Write people's readings at 20 Hz, who sit, walk slowly or walk fast, and return a pipeline of their windows."""
    rng, lines = np.random.default_rng(0), ["person,x,y,z,label"]
    for person in range(PEOPLE):
        for label, pace in (("sits", 0.0), ("strolls", 0.8), ("hurries", 1.9)):
            time = np.arange(ROWS) / 20.0
            swing = np.sin(2 * np.pi * pace * time) * (pace > 0)
            values = np.column_stack([swing, 0.5 * swing**3, 9.81 + swing]) + rng.normal(0.0, 0.2, (ROWS, 3))
            lines += [f"{person},{x:.4f},{y:.4f},{z:.4f},{label}" for x, y, z in values]
    path.write_text("\n".join(lines) + "\n")
    table = {
        "name": "movements",
        "data": {"kind": "csv", "path": str(path), "target": "label", "group": "person", "rate": 20.0},
        "window": {"samples": 64, "step": 64}, "split": {"by": "group", "test": 0.34}, "model": {"kind": "linear"},
        "refit": False,
    }  # fmt: skip
    return checked(table, "movements")


def series(path: Path) -> PipelineConfig:
    """Write rows of 60 values whose place of a bump or number of waves differs, and return a pipeline of them."""
    rng = np.random.default_rng(0)
    lines = [",".join([*(f"t{n}" for n in range(60)), "label"])]
    for row in range(90):
        values = np.sin(np.arange(60) * (0.2 + 0.25 * (row % 3))) + rng.normal(0.0, 0.3, 60)
        lines.append(",".join([*(f"{value:.4f}" for value in values), "abc"[row % 3]]))
    path.write_text("\n".join(lines) + "\n")
    return checked({"name": "series", "data": {"kind": "csv", "path": str(path), "target": "label"},
                    "model": {"kind": "linear"}, "refit": False}, "series")  # fmt: skip


def giants(path: Path) -> PipelineConfig:
    """Write the rows of `series`, every ninth of which is a million times as large, and return a pipeline."""
    config = series(path)
    header, *rows = path.read_text().splitlines()
    cells = [row.split(",") for row in rows]
    for number in range(0, len(cells), 9):
        cells[number][:60] = [f"{1e6 * float(cell):.1f}" for cell in cells[number][:60]]
    path.write_text("\n".join([header, *(",".join(row) for row in cells)]) + "\n")
    return config


def entrants_at(config: PipelineConfig) -> tuple[dict[str, Entrant], Problem]:
    problem = problem_of_pipeline(config)
    return {entrant.name: entrant for entrant in entrants_of(problem, config)}, problem


def test_kernels_on_the_channels_that_arrive_stand_among_the_features_and_c_counts_in_integers(tmp_path: Path) -> None:
    entrants, problem = entrants_at(movements(tmp_path / "rows.csv"))
    entrant = entrants["remounted_kernels"]
    assert entrants["features_and_kernels"].config.stages == entrant.config.stages
    *before, union, scale = entrant.config.stages
    assert [stage["kind"] for stage in (*before, scale)] == ["fill", "gravity", "scale"]
    assert union["parts"][-1] == {"kind": "kernels", "channels": ["x", "y", "z"]}
    rows = np.arange(len(problem.y))
    stages = parts(entrant.config.stages, "movements")
    flow = fit_stages(problem.samples, rows, stages, "classification", 0, None, lambda card: None)
    builder = Builder("stages", problem.samples.X.shape[1:])
    value = builder.input
    for _, estimator in flow.steps:
        value = emit(estimator, builder, value)
    graph = builder.finish({"output": (value, "float32", flow.X.shape[1:])})
    assert KERNELS in {node.op for node in plan_graph(graph, False).before}


def test_a_series_has_features_beside_kernels_unless_its_values_have_giants(tmp_path: Path) -> None:
    entrants, _ = entrants_at(series(tmp_path / "rows.csv"))
    *before, union, _ = entrants["features_and_kernels"].config.stages
    assert [stage["kind"] for stage in before] == ["impute", "series"]
    kinds = ["statistics", "spectral", "unsteadiness", "statistics", "kernels"]
    assert [part["kind"] for part in union["parts"]] == kinds
    entrants, _ = entrants_at(giants(tmp_path / "giants.csv"))
    assert "kernels" in entrants
    assert "features_and_kernels" not in entrants


def test_a_series_without_any_value_changes_no_stage(tmp_path: Path) -> None:
    config = series(tmp_path / "rows.csv")
    stages = entrants_at(config)[0]["features_and_kernels"].config.stages
    with (tmp_path / "rows.csv").open("a") as file:
        file.write("," * 60 + "a\n")
    assert entrants_at(config)[0]["features_and_kernels"].config.stages == stages


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make_config", "name"),
    [(movements, "remounted_kernels"), (movements, "features_and_kernels"), (series, "features_and_kernels")],
)
def test_every_form_of_the_pipeline_agrees(
    make_config: Callable[[Path], PipelineConfig], name: str, tmp_path: Path
) -> None:
    need_compiler()
    config = entrants_at(make_config(tmp_path / "rows.csv"))[0][name].config
    training = msgspec.structs.replace(config.training, epochs=4)
    result = run_pipeline(msgspec.structs.replace(config, training=training), out=tmp_path / "runs")
    record = prove_place(str(result.folder))
    assert record.passed
    assert any("C99" in form.name for form in record.forms)
