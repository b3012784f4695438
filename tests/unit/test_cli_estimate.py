"""`edgewright estimate` and `edgewright profiles NAME`, as a person uses them, wrong input included."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.estimate.subjects import hapt_subjects

from cli_runner import Cli
from edgewright.cli.main import run
from edgewright.graph.onnx_writer import to_onnx
from edgewright.profiles.footprint import amount

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    subject = list(hapt_subjects(4, 5))[-1]
    assert subject.small is not None
    path = tmp_path_factory.mktemp("estimate") / "waist.onnx"
    path.write_bytes(to_onnx(subject.small))
    return str(path)


def test_what_a_person_reads(model: str, capsys: Capture) -> None:
    assert run(["estimate", model, "--device", "nrf52840", "--no-compile"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.startswith("waist, int8, on nrf52840: Nordic nRF52840")
    for word in ("flash", "RAM", "instructions", "latency", "energy"):
        assert f"  {word}" in out
    assert "unverified on silicon" in out
    assert "programs of a cortex-m4, cross-validated" in out


def test_a_budget_that_is_met_and_one_that_is_not(model: str, cli: Cli) -> None:
    common = ["estimate", model, "--device", "cortex-m4", "--no-compile"]
    cli(*common, "--budget", "flash=1MB,ram=100kB,latency=1s")
    err = cli(*common, "--budget", "flash=1kB,latency=1us", code=1)
    assert "flash" in err
    assert "beyond 1.00 kB" in err
    assert "holds" in err


def test_json_has_everything(model: str, cli: Cli) -> None:
    record = cli.json("estimate", model, "--device", "coral-edge-tpu")
    assert record["found"]["flash"]["unit"] == "B"
    assert record["found"]["latency_us"]["low"] < record["found"]["latency_us"]["value"]
    assert record["accelerators"][0]["how"] == "checked by rule, not run"
    assert {"operator", "place", "supported", "why"} == set(record["accelerators"][0]["verdicts"][0])
    assert record["parts"][0]["name"] == "scale"


def test_a_board_of_ones_own(model: str, tmp_path: Path, cli: Cli) -> None:
    path = tmp_path / "board.toml"
    path.write_text('name = "board"\ninherits = "stm32l4"\n', encoding="utf-8")
    assert "8.00 ms, measured" in cli("estimate", model, "--device", path, "--measured", "latency=8ms", "--no-compile")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--device", "cortex-m44"], "Did you mean 'cortex-m4'"),
        (["--device", "cortex-m4", "--budget", "flash=64"], "one of the units"),
        (["--device", "cortex-m4", "--measured", "speed=3"], "latency=8ms or energy=2mJ"),
        (["--device", "x86-64", "--compile"], "a microcontroller"),
        (["--device", "esp32-s3", "--compile"], "an emulated core"),
        (["--device", "cortex-m4", "--shape", "3,x"], "lengths separated by commas"),
    ],
)
def test_mistakes(model: str, arguments: list[str], message: str, capsys: Capture) -> None:
    assert run(["estimate", model, *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err


def test_nothing_there(cli: Cli) -> None:
    assert "no such file" in cli("estimate", "absent", "--device", "cortex-m4", code=2)


def test_profiles_with_a_name_print_every_source(cli: Cli) -> None:
    out = cli("profiles", "stm32h7")
    for word in ("inherits         cortex-m7", "480 MHz", "DTCM", "DS12110", "assumption:"):
        assert word in out
    (record,) = cli.json("profiles", "coral-edge-tpu")
    assert record["accelerators"][0]["rules"] == "edge-tpu"
    assert "flash            1 TB" in cli("profiles", "server-gpu")
    assert "Known: coral-edge-tpu" in cli("profiles", "coral", code=2)


def test_the_size_of_a_model_is_stated_apart_from_that_of_an_engine(model: str, cli: Cli) -> None:
    text = cli("estimate", model, "--device", "phone-arm64")
    figures = cli.json("estimate", model, "--device", "phone-arm64")["found"]["flash"]
    model_bytes = figures["value"] - 4_000_000
    assert 0 < model_bytes < 100_000
    lines = {line.split()[0]: line for line in text.splitlines()[1:]}
    assert lines["model"].split()[1:] == amount(model_bytes, "B").split()
    assert "flash" not in lines and "with" in lines
