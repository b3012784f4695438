"""`export --to web`: the module in wasmtime equals the C to the bit; the app is small, strict and whole."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cli_runner import Cli
from edgewright.core.errors import CheckFailedError, ExportError, MissingExtraError
from edgewright.core.records.data import Column
from edgewright.export import cores
from edgewright.export.c99_host.probe import CStream
from edgewright.export.contract import read_subject
from edgewright.export.web import module
from edgewright.export.web import module as runner
from edgewright.export.web.module import about_of, sensed
from proof_example import samples
from web_example import app_of, compiled, many_rows, motion_subject, need_web, written_c

ROWS = 2000


@pytest.fixture(scope="module")
def app() -> dict[str, bytes]:
    """Return the app of windows."""
    need_web()
    return app_of(motion_subject())


def test_the_module_gives_the_bits_of_the_c(app: dict[str, bytes]) -> None:
    X = np.concatenate([samples().samples * np.float32(scale) for scale in np.geomspace(0.1, 12.0, 17)])[:ROWS]
    assert len(X) == ROWS
    flags, outputs = runner.WasmModel(app["model.wasm"]).predict(X)
    answer = compiled(motion_subject()).predict(X)
    assert np.array_equal(outputs["given"], answer.outputs["probabilities"])
    assert np.array_equal(outputs["label"], answer.outputs["label"])
    assert np.array_equal(outputs["confidence"], answer.outputs["confidence"])
    assert np.array_equal(flags, answer.flags)
    assert len(set(outputs["label"].tolist())) == 3
    assert flags.any()


def test_the_stream_gives_the_events_of_the_c(app: dict[str, bytes]) -> None:
    rows = many_rows(ROWS)
    lost = np.zeros(len(rows), np.int64)
    lost[700] = 5
    mine = runner.WasmModel(app["model.wasm"]).run(rows, lost)
    stream = CStream(written_c(motion_subject()), "motion", (), 3, "")
    theirs = stream.run(rows, lost, np.arange(len(rows)) / 25.0)
    assert mine.events == theirs.events
    assert np.array_equal(mine.means, theirs.means)
    assert len(mine.events) > 10
    assert {event["kind"] for _, event in mine.events} == {1, 2}


def test_the_app_is_small_strict_and_complete(app: dict[str, bytes]) -> None:
    page = app["index.html"].decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'; script-src 'self' 'wasm-unsafe-eval';")
    assert "unsafe-inline" not in policy[1]
    assert "http" not in re.sub(
        r'http-equiv|xmlns="[^"]+"', "", "".join(app[n].decode() for n in app if n[-4:] != "wasm")
    )
    named = json.loads(app["worker.js"].decode().split("FILES = ")[1].split(";")[0])
    assert set(named) == {"./", *app} - {"worker.js"}
    size = sum(map(len, app.values()))
    print(f"app of {size:,} bytes, {len(app['model.wasm']):,} of them the module")
    assert size < 60_000


@pytest.mark.parametrize(
    ("name", "unit", "sense"),
    [
        ("acc_x", "g", ("acceleration", "x", "g")),
        ("body_acceleration.z", "m/s²", ("acceleration", "z", "m/s²")),
        ("gyro_y", "rad/s", ("rotation", "y", "rad")),
        ("rotation_x", "°/s", ("rotation", "x", "°/s")),
        ("acceleration_spread", "g", None),
        ("x", "m/s²", ("acceleration", "x", "m/s²")),
        ("wrist_z", "rad/s", ("rotation", "z", "rad")),
        ("x", "", None),
        ("x", "mm", None),
    ],
)
def test_columns_are_sensed_by_their_names_and_units(name: str, unit: str, sense: object) -> None:
    assert sensed(Column(name=name, unit=unit)) == sense


@pytest.mark.parametrize(("places", "sensor"), [(["wrist"], "motion"), (["wrist", "hip"], "")])
def test_a_phone_stands_for_one_place_of_the_body(places: list[str], sensor: str) -> None:
    columns = tuple(Column(name=f"{sensor}_{axis}", unit="g") for sensor in places for axis in "xyz")
    assert about_of(replace(motion_subject(), columns=columns))["sensor"] == sensor


def test_a_missing_compiler_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "zig_command", lambda: ())
    with pytest.raises(MissingExtraError, match=r"ziglang.*pip install 'edgewright\[web\]'"):
        module.compile_wasm({}, "model")


def test_code_that_does_not_compile_is_one_line() -> None:
    need_web()
    broken = {
        name: text.replace("#include <math.h>", "#error no") for name, text in written_c(motion_subject()).items()
    }
    with pytest.raises(CheckFailedError, match=r"could not compile the C of motion to WebAssembly: .*error: no"):
        module.compile_wasm(broken, "motion")


@pytest.mark.parametrize("content", [b"", b"\0asm\x01\0\0\0", b"no module at all"])
def test_what_is_no_module_of_ours_is_refused(content: bytes) -> None:
    need_web()
    with pytest.raises(ExportError, match="WebAssembly"):
        runner.WasmModel(content)


@pytest.mark.slow
def test_a_run_is_exported_and_proven(lesson: Callable[..., Any], tmp_path: Path, cli: Cli) -> None:
    need_web()
    run = lesson("activity")
    folder = tmp_path / "activity"
    shutil.copytree(run.folder, folder)
    size = sum(file["bytes"] for file in cli.json("export", folder, "--to", "web", "--out", folder / "web")["files"])
    assert size < 60_000
    record = cli.json("prove", folder, "--rows", ROWS)
    pairs = {pair["first"]: pair for pair in record["pairs"] if pair["second"] == "web/model.wasm in wasmtime"}
    assert pairs["int8 C99 by gcc"]["verdict"] == "bit-exact"
    form = next(form for form in record["forms"] if form["name"] == "web/model.wasm in wasmtime")
    assert form["samples"] >= ROWS
    assert "scale" in form["stages"]
    cost = re.search(r"([\d.]+) µs a sample", form["note"])
    assert cost is not None
    print(f"{form['note']}; app of {size:,} bytes")
    assert float(cost[1]) < 50
    altered = folder / "web" / "model.wasm"
    module_bytes = bytearray(altered.read_bytes())
    weights = len(module_bytes) - 500
    module_bytes[weights : weights + 40] = bytes(40)
    altered.write_bytes(bytes(module_bytes))
    assert cli("prove", folder, "--rows", 200, code=1)


@pytest.mark.slow
def test_rows_of_a_shipped_pipeline_keep_their_bits(lesson: Callable[..., Any]) -> None:
    need_web()
    run = lesson("activity")
    chosen = read_subject(run.folder)
    columns = [
        (-20.0 if c.minimum is None else c.minimum, 20.0 if c.maximum is None else c.maximum) for c in chosen.columns
    ]
    low, high = np.array(columns).T
    X = np.random.default_rng(3).uniform(low, high, (ROWS, len(low))).astype(np.float32)
    _, outputs = runner.WasmModel(app_of(chosen)["model.wasm"]).predict(X)
    assert np.array_equal(outputs["given"], compiled(chosen).predict(X).outputs["probabilities"])
