"""`prove` replays what a package learns: Python, compiled C and an emulated processor, state included."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from adaptation_data import write_worn
from c99_examples import need
from edgewright.core.records.proof import ProofRecord
from edgewright.export.emulator import missing_tools
from edgewright.pipeline.config import read_config
from edgewright.pipeline.run import run_pipeline
from edgewright.workflows.proof.anomalies import adaptation_proof
from edgewright.workflows.proof.subject import choose_rows, read_subject

pytestmark = pytest.mark.usefixtures("children_call_c")


@pytest.fixture(scope="module", params=["output", "prototypes"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    return run_pipeline(read_config(str(write_worn(folder, request.param))), out=folder / "runs").folder


def proven(run: Path, *, device: str = "", planted: tuple[str, str] = ("", "")) -> ProofRecord:
    subject = read_subject(run, device)

    def change(files: Mapping[str, str]) -> dict[str, str]:
        if not planted[0]:
            return dict(files)
        assert any(planted[0] in text for text in files.values())
        return {name: text.replace(*planted) for name, text in files.items()}

    proof = adaptation_proof(subject, str(run), choose_rows(subject, run, None, 120, 0), change)
    assert proof is not None
    return proof


@pytest.mark.slow
def test_c_and_an_emulated_core_learn_as_python(run: Path) -> None:
    need("gcc")
    device = "" if missing_tools("cortex-m4") else "cortex-m4"
    proof = proven(run, device=device)
    assert proof.passed
    assert int(proof.notes[0].split()[5]) > 10
    assert len(proof.pairs) >= 1 + bool(device)
    assert all(stage.differing == 0 for pair in proof.pairs for stage in pair.stages)


@pytest.mark.slow
@pytest.mark.parametrize(
    "planted",
    [
        ("state->kept < 8", "state->kept < 40"),
        ("INT64_C(1) <<", "INT64_C(0) <<"),
        ("right ? 128 : 0", "right ? 0 : 128"),
        ("- factory_right;", "+ factory_right;"),
    ],
)
def test_a_planted_fault_is_found(run: Path, planted: tuple[str, str]) -> None:
    need("gcc")
    proof = proven(run, planted=planted)
    assert not proof.passed
    assert proof.breaks is not None


def test_a_package_that_does_not_learn_has_no_replay(small: Path) -> None:
    plain = run_pipeline(read_config(str(small)), out=small.parent / "runs").folder
    subject = read_subject(plain, "")
    assert adaptation_proof(subject, str(plain), choose_rows(subject, plain, None, 50, 0)) is None
