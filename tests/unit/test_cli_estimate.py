"""`edgewright estimate` and `edgewright profiles NAME`, as a person uses them, wrong input included."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from benchmarks.estimate.subjects import hapt_subjects

from edgewright.cli.main import run
from edgewright.graph.onnx_writer import to_onnx

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
    assert "past estimates of a cortex-m4" in out


def test_a_budget_that_is_met_and_one_that_is_not(model: str, capsys: Capture) -> None:
    common = ["estimate", model, "--device", "cortex-m4", "--no-compile"]
    assert run([*common, "--budget", "flash=1MB,ram=100kB,latency=1s"]) == 0
    capsys.readouterr()
    assert run([*common, "--budget", "flash=1kB,latency=1us"]) == 1
    err = capsys.readouterr().err
    assert "flash" in err
    assert "beyond 1.00 kB" in err
    assert "holds" in err


def test_json_has_everything(model: str, capsys: Capture) -> None:
    assert run(["estimate", model, "--device", "coral-edge-tpu", "--json"]) == 0
    told = msgspec.json.decode(capsys.readouterr().out)
    assert told["found"]["flash"]["unit"] == "B"
    assert told["found"]["latency_us"]["low"] < told["found"]["latency_us"]["value"]
    assert told["accelerators"][0]["how"] == "checked by rule, not run"
    assert {"operator", "place", "supported", "why"} == set(told["accelerators"][0]["verdicts"][0])
    assert told["parts"][0]["name"] == "scale"


def test_a_board_of_ones_own(model: str, tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "board.toml"
    path.write_text('name = "board"\ninherits = "stm32l4"\n', encoding="utf-8")
    assert run(["estimate", model, "--device", str(path), "--measured", "latency=8ms", "--no-compile"]) == 0
    assert "8.00 ms, measured" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--device", "cortex-m44"], "Did you mean 'cortex-m4'"),
        (["--device", "cortex-m4", "--budget", "flash=64"], "one of the units"),
        (["--device", "cortex-m4", "--measured", "speed=3"], "latency=8ms or energy=2mJ"),
        (["--device", "x86-64", "--compile"], "a microcontroller"),
        (["--device", "esp32-s3", "--compile"], "an emulated core"),
        (["--device", "cortex-m4", "--shape", "3,x"], "lengths separated by commas"),
    ],
)
def test_mistakes(model: str, arguments: list[str], said: str, capsys: Capture) -> None:
    assert run(["estimate", model, *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err


def test_nothing_there(capsys: Capture) -> None:
    assert run(["estimate", "absent", "--device", "cortex-m4"]) == 2
    assert "no such file" in capsys.readouterr().err


def test_profiles_with_a_name_print_every_source(capsys: Capture) -> None:
    assert run(["profiles", "stm32h7"]) == 0
    out = capsys.readouterr().out
    for word in ("inherits        cortex-m7", "480 MHz", "region DTCM", "DS12110", "assumption:"):
        assert word in out
    assert run(["profiles", "coral-edge-tpu", "--json"]) == 0
    (told,) = msgspec.json.decode(capsys.readouterr().out)
    assert told["accelerators"][0]["rules"] == "edge-tpu"
    assert run(["profiles", "server-gpu"]) == 0
    assert "flash           1 TB" in capsys.readouterr().out
    assert run(["profiles", "coral"]) == 2
    assert "Known: coral-edge-tpu" in capsys.readouterr().err
