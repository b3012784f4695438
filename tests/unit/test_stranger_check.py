"""A folder whose labels and people stand in the names of its files can be checked before it is used."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgewright.pipeline.check import check_data


def test_labels_and_people_from_the_names_of_files(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for label, level in (("sit", 0.0), ("run", 3.0)):
        for person in ("anna", "bert", "carl", "dora"):
            rows = [f"{i / 50:.2f},{v:.3f}" for i, v in enumerate(level + rng.normal(size=200))]
            (tmp_path / f"{label}_{person}.csv").write_text("\n".join(["time,ax", *rows]) + "\n", encoding="utf-8")
    found = check_data(str(tmp_path), time="time", window=50, pattern="{label}_{person}")
    assert found.task == "classification"
    assert found.quality.classes == {"run": 800, "sit": 800}
    assert (found.quality.groups, found.quality.rate, found.quality.columns) == (4, 50.0, 1)
    assert any(finding.kind == "same-group" for finding in found.leakage)
    rate = next(finding.sentence for finding in found.quality.findings if finding.kind == "rate")
    assert "e-" not in rate
