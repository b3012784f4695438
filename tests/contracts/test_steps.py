"""Every kind of step of a job: keys that are described, and a name under which a job finds it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from edgewright.core.catalogue import find, listing
from edgewright.jobs.steps import Step, StepConfig
from edgewright.jobs.workflow import run_job
from edgewright.pipeline.run_folder.listener import Listener
from edgewright.schema.errors import InputError
from support import check_settings

STEPS = listing("edgewright.jobs.steps", "STEP")


def step(kind: str) -> Step[StepConfig]:
    """Return the step of a file."""
    part: Step[StepConfig] = find("edgewright.jobs.steps", kind, "STEP", "kind of step")
    return part


@pytest.mark.parametrize("kind", STEPS)
def test_keys_are_described_and_typed(kind: str) -> None:
    own = step(kind)
    assert issubclass(own.config, StepConfig) and own.title[:1].isupper()
    check_settings(own.config)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"kind": kind, "no such key": 1}, own.config)


@pytest.mark.parametrize("kind", STEPS)
def test_a_job_finds_it_by_its_file(kind: str, tmp_path: Path) -> None:
    toml = tmp_path / "job.toml"
    toml.write_text(f'title = "One?"\nshows = "A step."\n[[steps]]\nkind = "{kind}"\nno_such_key = 1\n')
    with pytest.raises(InputError, match="no_such_key"):
        run_job(tmp_path, data=None, out=tmp_path / "runs", listener=Listener())
