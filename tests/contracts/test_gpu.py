"""Training and races on an NVIDIA GPU against those on the processor; skipped where JAX finds no GPU."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import msgspec
import numpy as np
import pytest

from race_problems import table

pytestmark = pytest.mark.slow
CODE = """
import sys
import msgspec
import numpy as np
from edgewright.training.backend import jax, prepare
prepare()
from edgewright.race.heats import Heats
from edgewright.race.pipeline_end import entrants_of
from edgewright.race.problem import problem_of_pipeline
from edgewright.race.stage_outputs import StageOutputs
from edgewright.core.records.config import PipelineConfig
config = PipelineConfig(name="race", data={"kind": "csv", "path": sys.argv[1], "target": "y"})
problem = problem_of_pipeline(config)
(network,) = [entrant for entrant in entrants_of(problem, config) if entrant.name == "small_network"]
heats = Heats(StageOutputs(problem), 0, count=3)
fold = heats.every[0]
answers = heats.fit(fold, network).answers(fold.test)
right = float((np.asarray(problem.classes)[answers.argmax(axis=1)] == problem.y[fold.test]).mean())
print(msgspec.json.encode([jax.devices()[0].platform, 1 - right, answers[:100].tolist()]).decode())
"""


@cache
def _missing() -> str:
    """Return why no test can run on a GPU; empty where one can."""
    if shutil.which("nvidia-smi") is None:
        return "no NVIDIA driver (nvidia-smi) on this machine"
    code = "import jax; assert jax.devices()[0].platform == 'gpu'"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "JAX_PLATFORMS": "cuda"}, capture_output=True, check=False
    )
    return "" if done.returncode == 0 else "JAX finds no GPU: pip install 'edgewright[gpu]'"


def _trained(path: Path, platform: str) -> tuple[str, float, np.ndarray]:
    """Train in a process of its own: JAX chooses its device once."""
    settings = {**os.environ, "JAX_PLATFORMS": platform}
    done = subprocess.run([sys.executable, "-c", CODE, str(path)], env=settings, capture_output=True, check=True)
    device, error, answers = msgspec.json.decode(done.stdout.splitlines()[-1])
    return device, error, np.array(answers)


def _compare(path: Path, platform: str) -> str:
    """Compare a network of a platform with one of the processor, and return the device that trained the first."""
    _, error, answers = _trained(path, "cpu")
    device, there, answers_there = _trained(path, platform)
    # The same seed draws the same weights and batches; sums round differently.
    assert abs(there - error) <= 0.02
    assert np.mean(answers.argmax(axis=1) == answers_there.argmax(axis=1)) >= 0.97
    assert np.abs(answers - answers_there).max() < 0.1
    return device


def test_a_network_trained_on_a_gpu_answers_as_one_of_the_processor(tmp_path: Path) -> None:
    if reason := _missing():
        pytest.skip(reason)
    assert _compare(table(tmp_path / "rows.csv"), "cuda") == "gpu"


def test_the_comparison_itself_runs_on_the_processor(tmp_path: Path) -> None:
    assert _compare(table(tmp_path / "rows.csv"), "cpu") == "cpu"
