"""The shipped pipeline of a watch: proven on windows of people it has not seen, and small as a whole program."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks import WATCH

from edgewright.cli.main import run
from edgewright.core.errors import CheckFailedError
from edgewright.pipeline.config import read_config
from edgewright.profiles.catalogue import load_profile
from edgewright.workflows.estimation import estimate_place
from edgewright.workflows.proof.workflow import prove_place
from support import left_out, shared_data

# A short training: neither the proof nor the program depends on how long it was.
SHORT = ("training.epochs=2", "training.augment=[]", "compression.max_drop=0.2")
# Asked of the whole program on a Cortex-M4, the caller's window apart.
FLASH_BYTES, RAM_BYTES = 34_000, 10_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("watch")
    changes = [part for change in SHORT for part in ("--set", change)]
    assert run(["run", WATCH, "--data", str(shared_data("har-wisdm-watch")), "--out", str(out), *changes]) == 0
    return out / "watch"


def test_people_who_evaluate_are_named() -> None:
    config = read_config(WATCH)
    assert len(config.split.test_groups) == 9
    assert config.device.profile == "cortex-m4"


@pytest.mark.slow
@pytest.mark.heavy
@pytest.mark.needs_data
def test_every_form_is_proven_on_people_never_seen(folder: Path) -> None:
    record = prove_place(str(folder), data=str(shared_data("har-wisdm-watch")), rows=400)
    assert record.passed, record.breaks
    assert record.samples == 400 and len(record.forms) > 6


@pytest.mark.slow
@pytest.mark.heavy
@pytest.mark.needs_data
def test_the_whole_program_fits(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    try:
        footprint = estimate_place(folder, load_profile("cortex-m4"), compiled=True)[0].footprint
    except CheckFailedError as error:
        left_out(str(error))
    window = read_config(WATCH).window
    assert window is not None
    assert footprint.flash.how == "compiled" and footprint.flash.value <= FLASH_BYTES
    assert footprint.ram.value - 3 * 4 * window.samples <= RAM_BYTES
