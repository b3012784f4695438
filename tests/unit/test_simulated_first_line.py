"""'Simulated' stands in the first line of whatever no sensor measured and no device did."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cli_runner import Cli
from edgewright.cli.main import run
from edgewright.core.catalogue import find, listing
from edgewright.data.load import SOURCES, load_data, simulated_title
from edgewright.data.set_files import registered_sources

Capture = pytest.CaptureFixture[str]
TOML = """name = "pump"
refit = false
title = "Does this pump need attention?"
[data]
kind = "machine"
machines = 8
rows = 240
[model]
kind = "linear"
[compression]
int8 = false
"""


def _first(text: str) -> str:
    return next(line for line in text.splitlines() if line.strip())


def test_sources_and_sets_that_nobody_measured_are_marked() -> None:
    marked = {name for name in listing(SOURCES, "SOURCE") if find(SOURCES, name, "SOURCE", "source").simulated}
    marked |= {name for name, part in registered_sources().items() if part.simulated}
    assert marked == {"machine", "plant", "room", "speech", "wearable", "ai4i2020", "cmapss"}
    assert load_data({"kind": "machine", "rows": 40}, seed=0).name == "machine (simulated)"
    assert simulated_title("A title", {"kind": "csv"}) == "A title"


@pytest.mark.slow
def test_a_run_says_so_on_the_terminal_and_on_its_page(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "pump.toml").write_text(TOML, encoding="utf-8")
    assert run(["run", str(tmp_path / "pump.toml"), "--out", str(tmp_path / "runs")]) in (0, 1)
    assert "Simulated data." in _first(capsys.readouterr().out)
    page = (tmp_path / "runs" / "pump" / "trace.html").read_text(encoding="utf-8")
    assert re.search(r"<title>[^<]*Simulated data\.", page)
    assert re.search(r"<h1>[^/]*Simulated data\.", page)


@pytest.mark.slow
def test_a_fleet_says_so_on_the_terminal_and_on_its_page(tmp_path: Path, cli: Cli) -> None:
    assert _first(cli("fleet", "simulate", "20", "--out", tmp_path / "told")).startswith("Simulated: 20 devices")
    page = (tmp_path / "told" / "simulation.html").read_text(encoding="utf-8")
    assert "<title>Simulated: 20 devices" in page
    assert "<h1>Simulated: 20 devices" in page


def test_synthetic_data_say_so(tmp_path: Path, cli: Cli) -> None:
    grammar = tmp_path / "grammar.toml"
    grammar.write_text('[intents.on]\ntemplates = ["(light|lamp) on"]\n')
    shown = cli("synth", "utterances", grammar, "--out", tmp_path / "made.csv", "--count", "2")
    assert _first(shown).startswith("Simulated: ")
