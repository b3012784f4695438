"""Pure noise: no model, no package, no export command, and the majority is never recommended."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cli_runner import Cli
from edgewright.core.package import read_package
from edgewright.trace.page_model import read_trace
from edgewright.trace.sentences.readiness import NO_MODEL, state_of


def write_noise(folder: Path, rows: int = 200) -> Path:
    """Write readings that say nothing of their label, six in ten of them 'b'."""
    rng = np.random.default_rng(1)
    lines = ["temperature,humidity,label"]
    for a, b in rng.normal(20, 3, (rows, 2)):
        lines.append(f"{a:.3f},{b:.3f},{'b' if rng.random() < 0.6 else 'a'}")
    path = folder / "noise.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.slow
def test_a_run_on_noise_has_no_model(cli: Cli, tmp_path: Path) -> None:
    file = write_noise(tmp_path)
    cli("run", file, "--target", "label", "--out", tmp_path / "runs", code=1)
    printed = cli.out
    assert cli.err.endswith(f"See {tmp_path / 'runs' / 'noise'}\n")
    assert "no model for cortex-m4: nothing beats chance (" in " ".join(printed.split())
    assert "`edgewright check`" in printed
    assert "export" not in printed
    folder = tmp_path / "runs" / "noise"
    assert not list(folder.rglob("*.edge"))
    assert state_of(read_trace(folder / "trace.json").verdict) == NO_MODEL
    page = (folder / "trace.html").read_text(encoding="utf-8")
    assert '<p class="verdict bad">no model for cortex-m4: ' in page
    assert "Nothing beats chance" in page
    assert "cannot tell a and b apart" in page
    assert "edgewright export" not in page
    assert "got none: the run was refused" in cli("predict", folder, "--values", "20,20", code=2)


@pytest.mark.slow
def test_advice_on_noise_is_to_look_at_the_data(cli: Cli, tmp_path: Path) -> None:
    file = write_noise(tmp_path)
    words = ("advise", file, "--target", "label", "--out", tmp_path / "advice")
    record = cli.json(*words, code=1)
    assert (record["choice"], record["met"]) == (NO_MODEL, False)
    assert "`edgewright check`" in record["choice_why"]
    assert [line.split()[1] for line in record["commands"]] == ["check"]
    assert record["race"]["beats_chance"] is False
    text = (tmp_path / "advice" / "advice.md").read_text(encoding="utf-8")
    assert "# noise: no model" in text
    assert "export" not in text


@pytest.mark.slow
def test_what_is_told_apart_has_a_model(cli: Cli, tmp_path: Path) -> None:
    file = write_noise(tmp_path)
    lines = file.read_text(encoding="utf-8").splitlines()
    lines_with_labels = [
        f"{line.rpartition(',')[0]},{'b' if float(line.split(',')[0]) > 20 else 'a'}" for line in lines[1:]
    ]
    file.write_text("\n".join([lines[0], *lines_with_labels]) + "\n", encoding="utf-8")
    cli("run", file, "--target", "label", "--out", tmp_path / "runs")
    package = next((tmp_path / "runs" / "noise").glob("*.edge"))
    assert read_package(package).manifest.labels == ("a", "b")
