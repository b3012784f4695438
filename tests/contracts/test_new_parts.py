"""A part that is added as one file passes the contracts of its room; no test and no list names it.

The files of `new_parts` lie where a new part would lie in the package. They are copied into a copy of the package, and
the contracts run there in a process of their own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from support import ROOT

PARTS = Path(__file__).parent / "new_parts"
FILES = sorted(path.relative_to(PARTS) for path in PARTS.rglob("*") if path.suffix in (".py", ".toml"))
# The contract of each room.
CONTRACTS = {
    "cli/commands": "tests/unit/test_cli_help.py",
    "core/measures": "tests/contracts/test_measures.py",
    "core/operators": "tests/contracts/test_operators.py",
    "data/noises": "tests/contracts/test_noises.py",
    "data/sources": "tests/contracts/test_sources.py",
    "device/sinks": "tests/contracts/test_sinks.py",
    "device/sources": "tests/contracts/test_streams.py",
    "export/targets": "tests/contracts/test_export_targets.py",
    "features": "tests/contracts/test_stages.py",
    "models/nn": "tests/contracts/test_layers.py",
    "monitor/detectors": "tests/contracts/test_detectors.py",
    "preprocessing": "tests/contracts/test_stages.py",
    "profiles": "tests/unit/test_profiles_catalogue.py",
    "studio/pages": "tests/contracts/test_page_parts.py",
    "trace/modes": "tests/contracts/test_record_parts.py",
    "trace/questions": "tests/contracts/test_record_parts.py",
    "trace/sections": "tests/contracts/test_record_parts.py",
    "training/optimisers": "tests/contracts/test_optimisers.py",
    "workflows/proof/provers": "tests/contracts/test_provers.py",
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Run the contracts with all new parts in place; give each test's failure by its name, '' where it passed."""
    folder = tmp_path_factory.mktemp("package")
    shutil.copytree(ROOT / "src" / "edgewright", folder / "edgewright")
    for file in FILES:
        shutil.copy(PARTS / file, folder / "edgewright" / file)
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    subprocess.run([sys.executable, ROOT / "tools" / "make_migration.py"], env=environment, timeout=60, check=True)
    report = folder / "report.xml"
    chosen = " or ".join(["every_module", "lists_every", *(file.stem for file in FILES)])
    command = [sys.executable, "-m", "pytest", f"--junitxml={report}", "-k", chosen, "-m", "not needs_data"]
    subprocess.run(
        [*command, *sorted(set(CONTRACTS.values()))],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        timeout=600,
        check=False,
    )
    return {
        case.attrib["name"]: "".join(str(mark.attrib.get("message")) for mark in case if mark.tag != "skipped")
        for case in ElementTree.parse(report).iter("testcase")  # noqa: S314 - pytest wrote it
        if not any(mark.tag == "skipped" for mark in case)
    }


@pytest.mark.slow
@pytest.mark.parametrize("file", FILES, ids=str)
def test_a_new_part_of_one_file_passes_the_contract_of_its_room(file: Path, outcomes: dict[str, str]) -> None:
    assert file.parent.as_posix() in CONTRACTS
    named = {name: failure for name, failure in outcomes.items() if file.stem in name}
    assert named
    assert not {name: failure for name, failure in named.items() if failure}


@pytest.mark.slow
def test_the_rooms_find_the_new_parts_among_the_others(outcomes: dict[str, str]) -> None:
    assert {str(file.parent) for file in FILES} <= set(CONTRACTS)
    assert not {name: failure for name, failure in outcomes.items() if failure}
