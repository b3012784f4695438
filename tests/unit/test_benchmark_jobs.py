"""The benchmark of jobs beside peers: its figures by hand, and the samples that peers get of a real job."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.jobs.__main__ import table_row
from benchmarks.jobs.problems import PROBLEMS, Own, Samples, named, samples_of

from support import shared_data


def test_a_row_counts_the_answers_and_keeps_groups_whole() -> None:
    truth = np.array(["a", "a", "b", "b", "a", "b"])
    samples = Samples({}, truth, np.array([1, 1, 1, 2, 2, 2]), Own(truth, 1.0, 1.0, 1.0))
    row = table_row("job", "model", samples, np.array(["a", "b", "b", "b", "a", "b"]), 1234.0, 2.0, 0.0005)
    assert row[:2] == ["job", "model"]
    assert row[2].startswith("0.833 (")
    assert row[3].startswith("0.829 (")
    assert row[4:] == ["1,234", "2.0", "0.5"]


def test_jobs_are_named_by_a_part_of_their_name() -> None:
    assert [problem.name for problem in named(["watch"])] == ["activity, watch"]
    assert named([]) == list(PROBLEMS)
    assert named(["pluto"]) == []


@pytest.mark.slow
def test_peers_get_the_samples_of_the_runs_own_split() -> None:
    shared_data("occupancy")
    samples = samples_of(named(["room"])[0])
    sides = {side: samples.arrays[f"{side}_X"] for side in ("train", "validation", "test")}
    assert {len(side.shape) for side in sides.values()} == {2}
    assert len(sides["test"]) == len(samples.truth) == len(samples.own.answers) == 2162
    assert len(sides["train"]) > len(sides["validation"]) > 0
    assert "train_W" not in samples.arrays
    assert (samples.own.answers == samples.truth).mean() > 0.9
    assert 0 < samples.own.size_bytes < 5000
