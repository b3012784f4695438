"""Batches on a Dask cluster: a worker that dies costs its batch only, and a scheduler that is gone is named."""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("distributed")
pytestmark = [pytest.mark.slow, pytest.mark.heavy]

import msgspec  # noqa: E402
from benchmarks.dask_machines import Machines, kill_at_random, lying_copy, machines, stop  # noqa: E402
from dask import config  # noqa: E402
from distributed import Client, LocalCluster  # noqa: E402
from distributed.client import AllExit  # noqa: E402

import engine_work  # noqa: E402
from cluster_stories import OWN_PROFILE, STORIES, in_small_pieces, package  # noqa: E402
from edgewright.cluster import dask  # noqa: E402
from edgewright.cluster.contract import engine_for  # noqa: E402
from edgewright.cluster.mapping import Progress, on_engine, outcomes  # noqa: E402
from edgewright.schema.errors import InputError, OutputError  # noqa: E402
from edgewright.workflows.scoring.rows import ScoreRequest  # noqa: E402
from edgewright.workflows.scoring.workflow import score_package  # noqa: E402
from engine_work import assert_a_death_costs_its_batch  # noqa: E402
from ladder_problems import table  # noqa: E402
from storage_servers import http_server  # noqa: E402

TESTS = str(Path(__file__).parents[1])


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """Two worker processes that know the work of tests, and are started again when they die."""
    with machines(tmp_path_factory.mktemp("cluster"), nanny=True, PYTHONPATH=TESTS) as running:
        yield running


def test_a_death_costs_its_batch_and_a_failure_is_told(cluster: Machines, tmp_path: Path) -> None:
    with engine_for(cluster.address) as engine:
        assert engine.workers == 2
        assert_a_death_costs_its_batch(engine, tmp_path)


def test_a_worker_that_forgot_the_shared_bytes_for_other_clients_gets_them_again(cluster: Machines) -> None:
    with engine_for(cluster.address) as engine:
        assert isinstance(engine, dask.DaskEngine)

        def batches() -> Iterator[bytes]:
            for number in range(6):
                if number == 3:
                    for other in range(4):  # as many runs of other clients as a worker keeps
                        engine.client.run(dask.keep, f"other {other}", b"")
                yield b"a"

        results = dict(engine.run("engine_work:work", b"x", batches()))
    assert sorted(results) == [0, 1, 2, 3, 4, 5]
    assert all(isinstance(answer, bytes) and answer[:2] == b"xa" for answer in results.values())


def test_shared_bytes_are_sent_once_for_all_heats(cluster: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    with engine_for(cluster.address) as engine:
        assert isinstance(engine, dask.DaskEngine)
        real, sent = engine.client.run, []

        def run(function: Callable[..., Any], *given: Any, **more: Any) -> Any:  # noqa: ANN401 - as Dask's
            if function is dask.keep:
                sent.extend(more["workers"])
            return real(function, *given, **more)

        monkeypatch.setattr(engine.client, "run", run)
        for _ in range(3):
            assert len(dict(engine.run("engine_work:work", b"of all heats", [b"a"] * 4))) == 4
    assert 1 <= len(sent) == len(set(sent))


def test_a_moment_without_a_ready_worker_loses_no_batch(cluster: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = dask.DaskEngine._ready, []

    def ready(engine: dask.DaskEngine, digest: str, shared: bytes, has: set[str]) -> set[str]:
        calls.append(digest)
        return real(engine, digest, shared, has) if len(calls) > 1 else set()

    monkeypatch.setattr(dask.DaskEngine, "_ready", ready)
    with engine_for(cluster.address) as engine:
        assert len(dict(engine.run("engine_work:work", b"x", [b"a"] * 4))) == 4


def test_a_fetch_that_dask_gave_up_leaves_no_traceback(cluster: Machines, caplog: pytest.LogCaptureFixture) -> None:
    with engine_for(cluster.address):
        for error in (AllExit(), ValueError("of somebody else")):
            future: Any = asyncio.Future(loop=asyncio.new_event_loop())
            future.set_exception(error)
            future.get_loop().close()
            del future
            gc.collect()
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [ValueError]


def test_another_version_on_a_worker_is_refused_by_name(cluster: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    real = version("edgewright")
    # Workers are asked with `_ask`, which stays the real one.
    monkeypatch.setattr(dask, "version", lambda _: "99")
    with pytest.raises(InputError, match=f"expected edgewright 99 .*, got edgewright {real} - at worker tcp://"):
        engine_for(cluster.address).__enter__()


def test_an_interrupt_leaves_nothing_on_the_cluster(cluster: Machines) -> None:
    def batches() -> Iterator[bytes]:
        yield b"a"
        yield b"b"
        raise KeyboardInterrupt

    with engine_for(cluster.address) as engine:
        with pytest.raises(KeyboardInterrupt):
            list(engine.run("engine_work:work", b"x", batches()))
        until = time.monotonic() + 10
        while (left := _tasks(engine)) and time.monotonic() < until:
            time.sleep(0.05)
        assert not left


def test_a_batch_that_runs_is_ended_where_its_client_no_longer_wants_it(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    with machines(tmp_path, PYTHONPATH=TESTS) as running, engine_for(running.address) as engine:
        with closing(engine.run("engine_work:work", b"x", [b"spin " + str(begun).encode(), b"a"])) as going:
            assert next(going)[0] == 1
            _wait_for(begun)
        _wait_for(tmp_path / "begun.ended")
        # The worker goes on with other batches.
        assert len(dict(engine.run("engine_work:work", b"x", [b"a"] * 4))) == 4


def test_a_worker_that_stands_still_costs_time_and_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask, "SLOW_S", 0.5)
    with machines(tmp_path, PYTHONPATH=TESTS) as running, on_engine(engine_for(running.address)):
        results = outcomes(engine_work.add, 0, range(1, 41))
        came = [next(results)]
        stop(running.workers[0])
        came.extend(results)
    assert came == list(range(1, 41))


def test_nobody_waits_for_a_worker_that_stands_still_with_a_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask, "SLOW_S", 0.5)
    real, stopped = dask._Attempt.fetch, list[float]()

    def fetch(attempt: Any, done: Any) -> None:  # noqa: ANN401 - as of the engine
        if not stopped and attempt.future.status == "finished":
            stopped.append(time.monotonic())
            number = attempt.future.client.run(os.getpid, workers=[attempt.worker])[attempt.worker]
            stop(next(worker for worker in running.workers if worker.pid == number))
        real(attempt, done)

    monkeypatch.setattr(dask._Attempt, "fetch", fetch)
    with machines(tmp_path, PYTHONPATH=TESTS) as running, on_engine(engine_for(running.address)):
        assert list(outcomes(engine_work.add, 0, range(1, 21))) == list(range(1, 21))
        assert time.monotonic() - stopped[0] < dask.FETCH_SECONDS


def test_a_slow_worker_costs_no_more_time_than_a_task_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask, "SLOW_S", 0.5)
    with machines(tmp_path, 1, PYTHONPATH=TESTS) as running:
        running.add(PYTHONPATH=TESTS, PACE_S="100")
        running.wait(2)
        with on_engine(engine_for(running.address)):
            began = time.monotonic()
            # Others wait for the result of the slow one, which stands in the middle of more tasks than may wait.
            assert list(outcomes(engine_work.at_its_pace, 0, range(60))) == list(range(60))
            assert time.monotonic() - began < 60


def test_a_worker_that_lies_about_its_version_is_refused_by_name(tmp_path: Path) -> None:
    liar = str(lying_copy(tmp_path / "copy"))
    with (
        machines(tmp_path / "work", 1, PYTHONPATH=liar) as running,
        pytest.raises(InputError, match=r"got files of edgewright \w{12} \(here \w{12}\) - at worker tcp://127"),
    ):
        engine_for(running.address).__enter__()


def test_workers_killed_at_random_moments_cost_no_result_and_none_counts_twice(tmp_path: Path) -> None:
    with machines(tmp_path, PYTHONPATH=TESTS) as running, on_engine(engine_for(running.address)):
        tasks = list(range(1, 13))
        results = outcomes(engine_work.slowly, 0, tasks)
        came = [next(results)]
        for _ in range(2):
            time.sleep(0.3)
            running.kill(running.workers[0])
            running.add(PYTHONPATH=TESTS)
        came.extend(results)
    assert came == tasks


def test_workers_that_are_killed_while_they_read_files_change_no_score(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_small_pieces(monkeypatch.setattr)
    run, seen = package(tmp_path), list[Progress]()
    here = STORIES["score"](tmp_path, run)
    with machines(tmp_path, PYTHONPATH=TESTS) as running, on_engine(engine_for(running.address), seen.append):
        # Long enough apart that a worker that takes another one's place can join.
        killing = Thread(target=kill_at_random, args=(running, 4, 3, (0.2, 2.0)), kwargs={"PYTHONPATH": TESTS})
        killing.start()
        scores = [STORIES["score"](tmp_path, run)]
        while killing.is_alive():
            scores.append(STORIES["score"](tmp_path, run))
        killing.join()
    assert all(score == here for score in scores)
    assert seen[-1].done > 3


def _without(running: Machines, hidden: Path, **environment: str) -> None:
    """Start a worker that sees nothing in a folder, as one on another machine does."""
    words = ["unshare", "-rm", "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"', str(hidden)]
    dask_words = [sys.executable, "-m", "dask", "worker", f"127.0.0.1:{running.port}", "--nthreads", "1"]
    settings = {**os.environ, "PYTHONPATH": TESTS, "DASK_CONFIG": running.settings, **environment}
    with (running.folder / "log").open("ab") as log:
        more = ["--no-nanny", "--no-dashboard"]
        worker = subprocess.Popen(
            [*words, *dask_words, *more], cwd=running.folder, env=settings, stdout=log, stderr=log
        )
    running.workers.append(worker)
    running.wait(1)


@pytest.mark.skipif(
    shutil.which("unshare") is None or subprocess.run(["unshare", "-rm", "true"], check=False).returncode != 0,
    reason="needs the right to hide a folder from a process",
)
def test_a_worker_that_does_not_see_a_file_is_named_and_an_address_serves_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("aiohttp")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "here"))
    run = package(tmp_path)
    here = STORIES["score"](tmp_path, run)
    with machines(tmp_path / "work", 0) as running, http_server(tmp_path) as address:
        _without(running, tmp_path / "files", XDG_CACHE_HOME=str(tmp_path / "there"))
        with on_engine(engine_for(running.address)):
            where = rf"{tmp_path}/files/0\.csv on {socket.gethostname()}"
            with pytest.raises(InputError, match=f"the file on every worker, got no such file - at {where}.*--cluster"):
                STORIES["score"](tmp_path, run)
            there = score_package(run, ScoreRequest(data=f"{address}files/", target="label"))
    assert msgspec.structs.replace(there, data="files", name="") == msgspec.structs.replace(here, data="files", name="")  # type: ignore[type-var]
    copies = [sorted(path.name for path in (tmp_path / name).rglob("*.csv")) for name in ("here", "there")]
    assert copies[0] == copies[1] == [f"{number}.csv" for number in range(6)]


def _wait_for(path: Path) -> None:
    until = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < until, path
        time.sleep(0.05)


def _tasks(engine: Any) -> int:  # noqa: ANN401 - a `DaskEngine`
    return int(engine.client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)))


def test_ctrl_c_ends_a_command_and_its_tasks_on_the_workers(cluster: Machines, tmp_path: Path) -> None:
    rows = table(tmp_path / "rows.csv", 2000)
    words = ["curve", str(rows), "--target", "y", "--by", "row", "--rung", "boosting", "--cluster", cluster.address]
    command = subprocess.Popen([sys.executable, "-m", "edgewright", *words], stderr=subprocess.PIPE, text=True)
    try:
        with Client(f"tcp://127.0.0.1:{cluster.port}", timeout=60, set_as_default=False) as client:  # type: ignore[no-untyped-call]
            _until(lambda: len(_running(client)) == 2)
            command.send_signal(signal.SIGINT)
            message = command.communicate(timeout=60)[1]
            _until(lambda: not _running(client))
    finally:
        command.kill()
        command.wait()
    assert command.returncode == 130
    assert f"cluster {cluster.address}: 2 workers" in message
    assert message.rstrip().endswith("edgewright: interrupted; no partial files were left")
    assert "Traceback" not in message


def test_only_a_dashboard_that_is_there_is_named(cluster: Machines) -> None:
    with engine_for(cluster.address) as engine:
        # The scheduler has no bokeh, or no dashboard, and Dask gives an address all the same.
        assert isinstance(engine, dask.DaskEngine) and "8787" in engine.client.dashboard_link
        assert engine.title == cluster.address
        engine.client.close()
        with ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as server:
            Thread(target=server.serve_forever, daemon=True).start()
            link = f"http://127.0.0.1:{server.server_port}/"
            engine.client = SimpleNamespace(dashboard_link=link, run_on_scheduler=lambda *_: "3.0")
            assert engine._dashboard() == link
            server.shutdown()
        engine.client = None


def _running(client: Client) -> list[object]:
    return [task for tasks in client.processing().values() for task in tasks]  # type: ignore[no-untyped-call]


def _until(holds: Callable[[], bool]) -> None:
    limit = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < limit
        time.sleep(0.1)


@pytest.mark.parametrize("name", STORIES)
def test_what_spreads_has_the_results_of_one_machine(
    name: str, cluster: Machines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # workers are in another folder
    (tmp_path / "own.toml").write_text(OWN_PROFILE)
    in_small_pieces(monkeypatch.setattr)
    run = package(tmp_path)
    here, seen = STORIES[name](tmp_path, run), list[Progress]()
    with on_engine(engine_for(cluster.address), seen.append):
        there = STORIES[name](tmp_path, run)
    assert here == there
    assert seen[-1].done > 3


def test_a_scheduler_that_ends_in_the_middle_is_named_and_what_came_is_kept() -> None:
    came = []
    quick = {"distributed.comm.timeouts.connect": "1s"}
    with (
        config.set(quick),
        LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=1, threads_per_worker=1, protocol="tcp", processes=False, dashboard_address="127.0.0.1:0"
        ) as scheduler,
        engine_for(str(scheduler.scheduler_address).replace("tcp://", "dask://")) as engine,
    ):
        going = engine.run("engine_work:work", b"x", (b"%d" % n for n in range(1_000_000)))
        came.append(next(going))
        came.append(next(going))
        scheduler.sync(scheduler.scheduler.close)
        with pytest.raises(
            OutputError, match=r"scheduler stopped responding - at --cluster dask://.*--cluster local:N"
        ):
            came.extend(going)
    assert all(isinstance(answer, bytes) for _, answer in came)


def test_a_scheduler_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask, "CONNECT_SECONDS", 1.0)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"dask://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(InputError, match=f"no answer - at --cluster {address}.*--cluster local:N"):
        engine_for(address).__enter__()
    with pytest.raises(InputError, match="dask://HOST:PORT"):
        engine_for("dask://somewhere")
