"""Files to start a Dask cluster from: valid as they stand, and run here with local processes in place of machines."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from benchmarks.dask_machines import free_port

from edgewright.cluster.contract import engine_for
from edgewright.schema.errors import InputError
from ladder_problems import table
from support import ROOT

FOLDER = ROOT / "deploy" / "cluster"
SCRIPTS = ("ssh.sh", "slurm.sbatch")
TESTS = str(Path(__file__).parents[1])
# Stands for ssh: drops the options and the machine.
SSH = '#!/bin/bash\nwhile [[ $1 == -* ]]; do shift; done\nshift\nexec bash -c "$*"\n'
# Stands for srun: as many processes as tasks.
SRUN = """#!/bin/bash
for word in "$@"; do
    case $word in --ntasks=*) tasks=${word#*=}; shift;; --*) shift;; *) break;; esac
done
trap 'kill $(jobs -p)' EXIT
for ((n = 0; n < tasks; n++)); do "$@" & done
wait
"""


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_are_whole_and_shellcheck_has_nothing_to_say(name: str) -> None:
    subprocess.run(["bash", "-n", str(FOLDER / name)], check=True)
    if shellcheck := shutil.which("shellcheck"):
        subprocess.run([shellcheck, str(FOLDER / name)], check=True)


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_without_words_say_how_they_are_used(name: str) -> None:
    done = subprocess.run(["bash", str(FOLDER / name)], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"deploy/cluster/{name} " in done.stdout
    assert all(line.startswith("#") for line in done.stdout.splitlines())


def test_parts_of_kubernetes_find_each_other() -> None:
    parts = list(yaml.safe_load_all((FOLDER / "kubernetes.yaml").read_text(encoding="utf-8")))
    deployments = {part["metadata"]["name"]: part["spec"] for part in parts if part["kind"] == "Deployment"}
    (service,) = (part for part in parts if part["kind"] == "Service")
    labels = {name: spec["template"]["metadata"]["labels"] for name, spec in deployments.items()}
    for name, spec in deployments.items():
        assert spec["selector"]["matchLabels"] == labels[name]
    assert labels[service["metadata"]["name"]] == service["spec"]["selector"]
    scheduler, worker = (deployments[f"edgewright-{name}"] for name in ("scheduler", "worker"))
    port = service["spec"]["ports"][0]["port"]
    assert _words(scheduler)[:4] == ["dask", "scheduler", "--port", str(port)]
    assert _words(worker)[:5] == ["dask", "worker", f"{service['metadata']['name']}:{port}", "--nthreads", "1"]
    (policy,) = (part for part in parts if part["kind"] == "NetworkPolicy")
    (expression,) = policy["spec"]["podSelector"]["matchExpressions"]
    assert sorted(expression["values"]) == sorted(deployments)


def _words(deployment: Any) -> list[str]:  # noqa: ANN401 - YAML
    (container,) = deployment["template"]["spec"]["containers"]
    return [str(word) for word in container["args"]]


def test_settings_of_dask_are_ones_that_it_has() -> None:
    distributed = pytest.importorskip("distributed")
    own = yaml.safe_load((FOLDER / "dask.yaml").read_text(encoding="utf-8"))
    usual = yaml.safe_load((Path(distributed.__file__).parent / "distributed.yaml").read_text(encoding="utf-8"))

    def assert_known(mine: dict[str, Any], theirs: dict[str, Any]) -> None:
        for key, value in mine.items():
            assert key in theirs
            if isinstance(value, dict):
                assert_known(value, theirs[key])
            else:
                assert value != theirs[key]

    assert_known(own, usual)


def _program(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    """Provide the environment of scripts, whose machines are this one."""
    pytest.importorskip("distributed")
    venv = str(Path(sys.executable).parents[1])
    path = f"{tmp_path}:{os.environ['PATH']}"
    return {**os.environ, "EDGEWRIGHT_VENV": venv, "DASK_CONFIG": str(FOLDER / "dask.yaml"), "PYTHONPATH": TESTS,
            "PATH": path}  # fmt: skip


@pytest.mark.slow
@pytest.mark.heavy
def test_a_cluster_over_ssh_works_until_it_is_interrupted(tmp_path: Path, settings: dict[str, str]) -> None:
    port = free_port()
    settings |= {"EDGEWRIGHT_SSH": str(_program(tmp_path / "ssh", SSH)), "PORT": str(port)}
    words = ["bash", str(FOLDER / "ssh.sh"), "127.0.0.1", "first", "second"]
    script = subprocess.Popen(words, env=settings, cwd=tmp_path, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        results = dict(_run_when_ready(f"dask://127.0.0.1:{port}", 2))
        assert len({answer[2:] for answer in results.values()}) == 2
        script.send_signal(signal.SIGTERM)
        script.wait(timeout=30)
        with pytest.raises(InputError, match="no answer"):
            engine_for(f"dask://127.0.0.1:{port}").__enter__()
    finally:
        with suppress(ProcessLookupError):  # all of them have ended, as they should
            os.killpg(script.pid, signal.SIGKILL)


def _run_when_ready(address: str, workers: int) -> Any:  # noqa: ANN401 - results
    until = time.monotonic() + 120
    while True:
        try:
            with engine_for(address) as engine:
                if engine.workers == workers:
                    return list(engine.run("engine_work:work", b"x", [b"a"] * 40))
        except InputError:
            assert time.monotonic() < until
        time.sleep(0.5)


@pytest.mark.slow
@pytest.mark.heavy
def test_a_command_runs_within_a_job_of_slurm(tmp_path: Path, settings: dict[str, str]) -> None:
    _program(tmp_path / "srun", SRUN)
    settings |= {"SLURM_NTASKS": "4", "SLURM_SUBMIT_DIR": str(tmp_path)}
    rows = table(tmp_path / "rows.csv", 200)
    command = [
        "bash",
        str(FOLDER / "slurm.sbatch"),
        "curve",
        str(rows),
        "--target",
        "y",
        "--by",
        "row",
        "--rung",
        "tree",
    ]
    done = subprocess.run(command, env=settings, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "tasks done on 2 workers" in done.stderr
    assert not list(tmp_path.glob("edgewright-*"))
