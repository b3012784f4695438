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

from ladder_problems import table

pytestmark = pytest.mark.slow
CODE = """
import sys
import msgspec
import numpy as np
from edgewright.training.backend import jax, prepare
prepare()
from edgewright.search.ladder.setup import problem_and_config
from edgewright.search.curves.rung_learner import RungLearner
from edgewright.race.metrics import METRICS
problem, config, _ = problem_and_config(sys.argv[1], {"target": "y"}, by="row")
learner = RungLearner(problem, config, "small_network", METRICS["accuracy"], 3)
fitted = learner._fitted(np.arange(300), 0, 1.0)
answers = fitted.answers(np.arange(300, 400))
print(msgspec.json.encode([jax.devices()[0].platform, learner.judge(1.0, 0), answers.tolist()]).decode())
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
