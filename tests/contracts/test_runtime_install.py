"""What a board gets: the wheel without extras, at most 80 MB, answering offline as the desk does.

It is installed as docs/install.md says for boards, with `--no-compile`: bytecode then exists only for what runs, not
for NumPy's own tests, and it is part of the 80 MB.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from edgewright.core.predictor import load
from small_pipeline import rows, run_small, write_rows, write_toml
from wheel_environment import build_wheel, environment_with

LIMIT = 80 * 10**6
DESK = ("jax", "jaxlib", "optax", "sklearn", "scipy", "onnx", "onnxruntime", "polars", "pandas", "rich", "cbor2")
TOOLS = ("pip", "setuptools", "wheel", "_distutils_hack", "distutils-precedence.pth")

# Whoever opens a socket in this interpreter is refused, name look-ups included.
NO_NETWORK = """
import socket

def refused(*arguments, **options):
    raise PermissionError("no network here")

class Refused(socket.socket):
    __init__ = refused

socket.socket = Refused
for name in ("create_connection", "create_server", "getaddrinfo", "gethostbyname"):
    setattr(socket, name, refused)
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python of an empty environment outside the repository that holds the wheel and what it depends on."""
    folder = tmp_path_factory.mktemp("board")
    return environment_with(build_wheel(folder / "dist"), folder / "venv")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("desk")
    toml = write_toml(folder / "small.toml", write_rows(folder / "rows.csv"))
    result = run_small(toml, folder / "runs", "training.epochs=20", "compression.max_drop=0.2")
    assert result.package is not None
    return result.package


def answer(python: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`edgewright ...` there, away from the repository, with sockets refused."""
    (folder / "sitecustomize.py").write_text(NO_NETWORK)
    env = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "COV"))}
    return subprocess.run(
        [str(python.with_name("edgewright")), *arguments], cwd=folder, env={**env, "PYTHONPATH": str(folder)},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_the_environment_holds_at_most_80_megabytes(board: Path, package: Path, tmp_path: Path) -> None:
    (site,) = (board.parent.parent / "lib").glob("python3*/site-packages")
    assert answer(board, tmp_path, "predict", str(package), "--values", "0.1,0.2").returncode == 0
    assert list((site / "edgewright").rglob("*.pyc"))
    parts = [path for path in site.iterdir() if not path.name.startswith(TOOLS)]
    sizes = {
        part.name: sum(
            file.stat().st_size for file in ([part] if part.is_file() else part.rglob("*")) if file.is_file()
        )
        for part in parts
    }
    assert {"numpy", "msgspec", "click", "edgewright"} <= set(sizes)
    assert sum(sizes.values()) <= LIMIT, sizes
    assert not set(sizes) & set(DESK)


def test_a_package_is_answered_there_offline_as_on_the_desk(board: Path, package: Path, tmp_path: Path) -> None:
    given = rows()[:10]
    write_rows(tmp_path / "new.csv", given)
    here = load(package, engine="numpy").predict([[float(a), float(b)] for a, b, _ in given])
    for arguments in (["--csv", "new.csv", "--json"], ["--csv", "new.csv", "--json", "--engine", "numpy"]):
        completed = answer(board, tmp_path, "predict", str(package), *arguments)
        assert (completed.returncode, completed.stderr) == (0, "")
        there = [json.loads(line) for line in completed.stdout.splitlines()]
        assert [line["label"] for line in there] == list(here.labels)
        assert [line["confidence"] for line in there] == pytest.approx(list(here.confidence), abs=1e-6)


def test_sockets_are_really_refused_there(board: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(NO_NETWORK)
    code = "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9/')"
    done = subprocess.run(
        [str(board), "-c", code], env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "no network here" in done.stderr


def test_the_runtime_loads_no_library_of_the_desk(board: Path, package: Path, tmp_path: Path) -> None:
    code = (
        "import sys, edgewright; p = edgewright.load(sys.argv[1]); p.predict([[1.0, 2.0]]); "
        f"print([name for name in {DESK!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [str(board), "-c", code, str(package)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_commands_that_need_an_extra_say_which(board: Path, tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.csv")
    for arguments in (["run", "activity"], ["demo"], ["check", "rows.csv", "--target", "label"]):
        completed = answer(board, tmp_path, *arguments)
        assert completed.returncode == 2, completed.stderr
        assert completed.stderr.count("\n") == 1
        assert "pip install 'edgewright[train]'" in completed.stderr
        assert not (tmp_path / "runs").exists()
    assert answer(board, tmp_path, "--help").returncode == 0
