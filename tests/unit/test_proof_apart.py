"""Compiled code that crashes or does not end is a form that stopped; what only ties and flags show is found."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading
from collections.abc import Mapping

import numpy as np
import pytest

from c99_stages import need_compiler
from edgewright.core.errors import StoppedError
from edgewright.core.records.proof import ProofRecord
from edgewright.export.c99_host import host
from edgewright.models.forest import Forest
from edgewright.pipeline.pipeline import Pipeline
from edgewright.proof.tolerance import FLAGS, PROBABILITIES
from edgewright.workflows.proof.adversarial import with_constructed
from edgewright.workflows.proof.comparison import prove_subject
from edgewright.workflows.proof.forms import Subject
from edgewright.workflows.proof.forms.c99 import c_form
from edgewright.workflows.proof.forms.graphs import FORMS as GRAPHS
from edgewright.workflows.proof.subject import Chosen, subject_of

pytestmark = pytest.mark.usefixtures("children_call_c")


def _endless() -> None:
    while True:
        pass


def test_a_result_comes_back_and_a_crash_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    assert np.array_equal(host.run_apart(lambda: np.arange(3)), [0, 1, 2])
    with pytest.raises(StoppedError, match="the compiled C crashed"):
        host.run_apart(lambda: ctypes.string_at(0))
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        host.run_apart(lambda: 1 // 0)
    monkeypatch.setattr(host, "LIMIT_S", 1)
    with pytest.raises(StoppedError, match="did not end within 1 s of processor time"):
        host.run_apart(_endless)
    monkeypatch.setattr(host, "_WAIT_S", 0.5)
    with pytest.raises(StoppedError, match="gave no answer"):
        host.run_apart(threading.Event().wait)


def test_where_no_copy_of_the_process_can_be_made_the_call_runs_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> int:
        raise BlockingIOError("no process left")

    monkeypatch.setattr(os, "fork", full)
    assert host.run_apart(os.getpid) == os.getpid()


_IN_ANOTHER = """
import os, resource, sys, time
from edgewright.export.c99_host.host import run_apart
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
print(run_apart(lambda: resource.getrlimit(resource.RLIMIT_CPU)), flush=True)
run_apart(lambda: (print(os.getpid(), flush=True), time.sleep(300)))
"""


def test_a_child_keeps_a_lower_limit_and_ends_with_its_parent() -> None:
    with subprocess.Popen([sys.executable, "-c", _IN_ANOTHER], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "(60, 60)\n"
        assert int(process.stdout.readline()) != process.pid
        process.kill()
        # The output ends when the child does, which sleeps for longer.
        assert not process.communicate(timeout=60)[0]


@pytest.fixture(scope="module")
def trees() -> tuple[Subject, Chosen]:
    need_compiler()
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(120, 3)).astype(np.float32)
    pipeline = Pipeline([("model", Forest(trees=4, size_bytes=900))])
    pipeline.fit(rows, np.array(list("abc"))[np.digitize(rows[:, 0] + rows[:, 1], [-0.5, 0.5])])
    subject = subject_of("trees", {"float": pipeline.graph((3,), "trees")}, pipeline=pipeline)
    return subject, with_constructed(subject, Chosen(rows, tuple(f"row {i}" for i in range(120)), "drawn rows"))


def proven(trees: tuple[Subject, Chosen], old: str, new: str) -> ProofRecord:
    """Return the proof of trees whose generated C is changed in one place."""

    def change(files: Mapping[str, str]) -> Mapping[str, str]:
        assert old in files["model.c"]
        return {**files, "model.c": files["model.c"].replace(old, new, 1)}

    subject, chosen = trees
    others = [form for form in GRAPHS.make(subject) if form.name == "float ONNX in NumPy"]
    return prove_subject(subject, "trees", chosen, [*others, c_form(subject, "float", "changed C", change)])


def test_rows_stand_on_the_splits_of_trees(trees: tuple[Subject, Chosen]) -> None:
    assert proven(trees, "n = v <= ", "n = v <= ").passed
    record = proven(trees, "n = v <= ", "n = v < ")
    assert not record.passed and record.breaks is not None and record.breaks.stage == PROBABILITIES
    assert record.breaks.origin.startswith("comparison ")


def test_flags_of_an_answer_are_compared(trees: tuple[Subject, Chosen]) -> None:
    record = proven(trees, "flags |= MODEL_MISSING | MODEL_UNSURE", "flags |= MODEL_UNSURE")
    assert record.breaks is not None and (record.breaks.stage, record.breaks.first, record.breaks.second) == (
        FLAGS,
        12,
        8,
    )


def test_code_that_crashes_is_a_form_that_stopped(trees: tuple[Subject, Chosen]) -> None:
    record = proven(trees, "    unsigned flags = 0u;", "    unsigned flags = *(volatile unsigned *)8;")
    (absent,) = (form for form in record.absent if form.name == "changed C")
    assert not record.passed and absent.needed and record.failed == ("changed C",)
    assert absent.reason.startswith("the compiled C crashed: Segmentation fault")
