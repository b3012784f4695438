"""Every target of `export`, found by listing the folder: files, refusals, sizes, and the same bytes each time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from cli_runner import Cli
from denoiser_example import random_denoiser
from edgewright.cli.main import run
from edgewright.core.errors import InputError, UnknownNameError
from edgewright.core.records.network import Graph
from edgewright.export._extension.build import can_build
from edgewright.export.contract import Subject, find_target, target_names
from edgewright.export.cores import zig_command
from edgewright.export.targets.native import SYSTEMS
from edgewright.export.vela import is_installed
from edgewright.export.write import LIST
from edgewright.graph.onnx_writer import to_onnx
from edgewright.graph.restoration import write_restorer
from integer_networks import small
from runtime_example import classifier, regressor
from support import left_out

SUBJECTS: dict[str, Callable[[], Graph]] = {"rows": classifier, "windows": regressor, "int8": lambda: small("pools")}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep compiled modules out of the cache that predictions of other tests look into."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


SLOW = dict.fromkeys(("ethosu", "native", "web"), pytest.mark.slow)


@pytest.fixture(params=[pytest.param(name, marks=SLOW.get(name, ())) for name in target_names()])
def target(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the name of a target that can write on this machine."""
    if request.param == "native":
        if not zig_command():
            left_out("ziglang (pip install 'edgewright[web]')")
        # One system stands for all.
        for name in set(SYSTEMS) - {"linux-riscv64"}:
            monkeypatch.delitem(SYSTEMS, name)
    if request.param == "extension" and not can_build():
        left_out("a C compiler")
    if request.param == "ethosu" and not is_installed():
        left_out("ethos-u-vela")
    return str(request.param)


@pytest.fixture
def sample_graph(target: str) -> Graph:
    """Return a small model of a form that the target takes."""
    return classifier() if "float" in find_target(target).forms else small("logistic")


@pytest.mark.slow
@pytest.mark.parametrize("kind", SUBJECTS)
def test_files_have_plain_names_and_the_same_bytes_each_time(kind: str, target: str) -> None:
    chosen, subject = find_target(target), Subject("model", SUBJECTS[kind]())
    if subject.form not in chosen.forms:
        with pytest.raises(InputError):
            chosen.files(subject)
        return
    files = chosen.files(subject)
    assert chosen.description
    assert files
    assert files == chosen.files(Subject("model", SUBJECTS[kind]()))
    assert all(data and all(part == Path(part).name for part in name.split("/")) for name, data in files.items())
    assert all(name.count("/") <= 1 for name in files)
    assert isinstance(chosen.notes(subject), str)


def test_the_command_reports_each_file_with_its_size(
    target: str, sample_graph: Graph, tmp_path: Path, cli: Cli
) -> None:
    model = tmp_path / "model.onnx"
    model.write_bytes(to_onnx(sample_graph))
    files = cli.json("export", model, "--to", target, "--out", tmp_path / "out")["files"]
    paths = [path for path in (tmp_path / "out").rglob("*") if path.is_file() and path.name != LIST]
    written = {str(path): path.stat().st_size for path in paths}
    assert {file["path"]: file["bytes"] for file in files} == written


def test_a_model_with_an_unknown_operator_is_written_or_refused(target: str) -> None:
    graph = classifier()
    odd = msgspec.structs.replace(graph.nodes[0], op="Cobol")
    subject = Subject("model", msgspec.structs.replace(graph, nodes=(odd, *graph.nodes[1:])))
    try:
        assert find_target(target).files(subject)
    except InputError as error:
        assert "Cobol" in str(error) or subject.form not in find_target(target).forms


def test_nothing_is_written_where_one_file_is_in_the_way(
    target: str, sample_graph: Graph, tmp_path: Path, cli: Cli
) -> None:
    model, out = tmp_path / "model.onnx", tmp_path / "out"
    model.write_bytes(to_onnx(sample_graph))
    last = max(find_target(target).files(Subject("model", sample_graph)))
    (out / last).parent.mkdir(parents=True)
    (out / last).write_text("mine")
    assert cli("export", model, "--to", target, "--out", out, code=2).count("\n") == 1
    there = {str(path.relative_to(out)): path.read_text() for path in out.rglob("*") if path.is_file()}
    assert there == {last: "mine"}


def test_detectors_of_a_package_are_written_or_reported(target: str, sample_graph: Graph) -> None:
    chosen, subject = find_target(target), Subject("model", sample_graph, detectors={"odd": b""})
    if not chosen.watches:
        assert "odd" in chosen.notes(subject)


def test_a_denoiser_is_written_or_refused_by_the_names_of_those_that_write_it(target: str, tmp_path: Path) -> None:
    chosen, denoiser = find_target(target), random_denoiser()
    path = tmp_path / "tiny.denoiser"
    write_restorer(path, denoiser)
    code = run(["export", str(path), "--to", target, "--out", str(tmp_path / "out")])
    assert code == (0 if chosen.networks or "denoiser" in chosen.writers else 2)
    assert (tmp_path / "out").exists() == (code == 0)
    if code:
        with pytest.raises(UnknownNameError, match="c99"):
            find_target(target, "denoiser", network=True)


def test_an_unknown_target_is_refused_by_the_names_of_all() -> None:
    with pytest.raises(UnknownNameError) as caught:
        find_target("cobol")
    assert set(caught.value.known) == set(target_names())
