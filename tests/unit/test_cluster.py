"""Engines: every batch comes back, a worker that dies costs its batch only."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

import engine_work
from edgewright.cluster.mapping import BatchError, Progress, each, engine_for, on_engine, outcomes
from edgewright.core.errors import ClusterError, OutputError, UnknownNameError
from engine_work import assert_a_death_costs_its_batch


def test_a_death_costs_its_batch_which_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    with on_engine(engine_for("local:2")):
        assert str(os.getpid()).encode() not in assert_a_death_costs_its_batch(tmp_path)


def test_processes_stay_for_the_next_run_of_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    with on_engine(engine_for("local:2")):
        first = list(each(engine_work.work, b"x", [b"a", b"a"]))
        again = list(each(engine_work.work, b"x", [b"a"]))
        other = list(each(engine_work.work, b"y", [b"a"]))
    pids = {answer[2:] for answer in first}
    for (answer,), shared in ((again, b"xa"), (other, b"ya")):
        assert answer[:2] == shared
        assert answer[2:] in pids
    for pid in pids:  # and nobody is left when the engine ends
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)


def test_an_idle_process_that_died_costs_no_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    with on_engine(engine_for("local:2")):
        (first,) = each(engine_work.work, b"x", [b"a"])
        os.kill(int(first[2:]), signal.SIGKILL)
        again = list(each(engine_work.work, b"x", [b"a", b"a"]))
    assert all(answer[2:] != first[2:] for answer in again)
    assert len(again) == 2


@pytest.mark.slow
def test_an_interrupt_is_heard_while_workers_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    code = (
        "import engine_work, signal, sys; from edgewright.cluster.mapping import each, engine_for, on_engine\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "with on_engine(engine_for('local:2')):\n"
        "    list(each(engine_work.work, b'x', [word.encode() for word in sys.argv[1:]]))\n"
    )
    begun = [tmp_path / "one", tmp_path / "two"]
    words = [sys.executable, "-c", code, *(f"wait {path}" for path in begun)]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    try:
        until = time.monotonic() + 120
        while not all(path.exists() for path in begun):
            assert time.monotonic() < until and process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        # Neither batch ever ends: without hearing it the process would not either.
        message = process.communicate(timeout=60)[1]
    finally:
        process.kill()
        process.wait()
    assert message.rstrip().endswith("KeyboardInterrupt")


def test_an_error_that_names_a_file_of_odd_bytes_ends_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    with on_engine(engine_for("local:2")) as engine:
        (failed,) = outcomes(engine_work.work, b"x", [b"fail caf\xe9.csv"])
    assert isinstance(failed, BatchError) and failed.reason == "ValueError: no good caf\\udce9.csv"
    assert engine.retried == 0


def test_one_worker_is_this_process() -> None:
    with on_engine(engine_for("local:1")):
        assert list(each(engine_work.work, b"x", [b"a"])) == [b"xa" + str(os.getpid()).encode()]


def test_what_is_no_engine_is_refused_by_name() -> None:
    with pytest.raises(UnknownNameError, match="no cluster 'loca'"):
        engine_for("loca")
    for address in ("local:0", "local:two", "local://", "local:99999"):
        with pytest.raises(ClusterError):
            engine_for(address)


def test_results_come_in_order_of_tasks_here_and_on_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    started, ahead = 0, 0

    def tasks() -> Iterator[int]:
        nonlocal started
        for number in range(60):
            started += 1
            yield number

    here = list(each(engine_work.add, 5, range(60)))
    seen: list[Progress] = []
    with on_engine(engine_for("local:2"), seen.append):
        there = []
        for result in each(engine_work.add, 5, tasks()):
            there.append(result)
            ahead = max(ahead, started - len(there))
        chunks = list(each(engine_work.add, 5, range(60), chunk=7))
    assert here == there == chunks == [5 + number for number in range(60)]
    # The first task takes longest: others wait for it, and do not come without limit.
    assert 12 <= ahead <= 20
    assert (seen[-1].done, seen[-1].retried, seen[-1].workers) == (120, 0, 2)


def test_an_error_of_a_task_is_the_same_here_and_on_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    with pytest.raises(UnknownNameError) as here:
        list(each(engine_work.refuse, "a", ["b"]))
    with on_engine(engine_for("local:2")):
        with pytest.raises(UnknownNameError) as there:
            list(each(engine_work.refuse, "a", ["b"]))
        with pytest.raises(OutputError, match="finish a task, got ValueError: no good"):
            list(each(engine_work.fail, 1, ["b"]))
        (lost,) = outcomes(engine_work.fail, 1, ["b"])
    assert isinstance(lost, BatchError)
    assert (str(there.value), there.value.known) == (str(here.value), here.value.known)


def test_a_task_computes_with_one_thread_here_and_on_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    with threadpool_limits(2):
        assert engine_work.threads(None, 0) == 2
        assert list(each(engine_work.threads, None, range(2))) == [1, 1]
        with on_engine(engine_for("local:1")):
            assert list(each(engine_work.threads, None, range(2))) == [1, 1]
        assert engine_work.threads(None, 0) == 2


def test_work_within_other_work_gets_its_own_results(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    with on_engine(engine_for("local:2")):
        outer, inner = [], []
        with closing(outcomes(engine_work.add, 5, range(6))) as results:
            for number, result in enumerate(results):
                outer.append(result)
                if number == 0:
                    inner = list(each(engine_work.add, 70, range(4)))
        again = list(each(engine_work.add, 70, range(4)))
    assert outer == [5, 6, 7, 8, 9, 10]
    assert inner == again == [70, 71, 72, 73]
