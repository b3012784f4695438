"""Features of sounds in the race."""

from __future__ import annotations

import wave
from pathlib import Path

import msgspec
import numpy as np

from edgewright.pipeline.config import checked
from edgewright.race.pipeline_end import entrants_of
from edgewright.race.problem import problem_of_pipeline
from edgewright.race.race import Race

RATE, ROWS, EACH = 8000, 4000, 20


def write_sweeps(folder: Path) -> None:
    """Write tones that rise, and the same tones backwards."""
    rng = np.random.default_rng(0)
    for number in range(EACH):
        low, high = rng.uniform(300, 500), rng.uniform(1500, 2500)
        phase = 2 * np.pi * np.cumsum(np.linspace(low, high, ROWS)) / RATE
        rising = 8000 * np.sin(phase) + rng.normal(0, 200, ROWS)
        for label, values in (("rises", rising), ("falls", rising[::-1])):
            (folder / label).mkdir(parents=True, exist_ok=True)
            with wave.open(str(folder / label / f"{number}.wav"), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(RATE)
                file.writeframes(values.astype("<i2").tobytes())


def test_a_sound_that_rises_is_told_from_one_that_falls(tmp_path: Path) -> None:
    write_sweeps(tmp_path / "sweeps")
    table = {
        "name": "sweeps", "data": {"kind": "folder", "path": str(tmp_path / "sweeps")}, "window": {"samples": ROWS},
        "model": {"kind": "linear"},
    }  # fmt: skip
    config = msgspec.structs.replace(checked(table, "sweeps"), stages=())
    problem = problem_of_pipeline(config)
    entrants = [entrant for entrant in entrants_of(problem, config) if entrant.name == "linear_features"]
    score = Race(problem, entrants, "cortex-m4").run().entrants[0].score
    assert score is not None
    assert score.value > 0.9
