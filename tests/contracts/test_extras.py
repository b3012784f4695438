"""What each extra promises, in an environment that holds the wheel with that extra and nothing else."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import distribution, packages_distributions
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from PIL import Image

from document_blocks import type_page
from edgewright.cli.main import EXTRAS
from edgewright.studio.phone.certificate import local_addresses
from fleet_servers import Server, until
from media_encoders import sounds, word_pair
from picture_folder import shape_picture, trained
from plant import ModbusPlant, OpcuaPlant, free_port
from postgres_database import fresh_database
from small_pipeline import rows, run_small, write_rows, write_toml
from studio_server import started
from support import ROOT
from tiny_language_model import untrained, write_gguf
from wheel_environment import DEVICE, build_wheel, environment_with, linked_environment, requirements_of

pytestmark = pytest.mark.slow
# `gpu` has gigabytes, in no lock; `test_gpu.py` tries it where there is one.
NAMES = sorted(set(distribution("edgewright").metadata.get_all("Provides-Extra") or ()) - {"dev", "gpu"})
Environments = Callable[[str], Path]


RELEASED = Path(os.environ["EDGEWRIGHT_DIST"]) if "EDGEWRIGHT_DIST" in os.environ else None


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return next(RELEASED.glob("edgewright-*.whl")) if RELEASED else build_wheel(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def environments(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environments:
    """Return Python of the environment of an extra."""
    folder = RELEASED / "environments" if RELEASED else tmp_path_factory.mktemp("extras")
    board = environment_with(wheel, folder / "board")

    def environment(extra: str) -> Path:
        python = folder / extra / "bin" / "python"
        if python.exists():
            return python
        return (
            environment_with(wheel, folder / extra, extra)
            if RELEASED
            else linked_environment(board, folder / extra, extra)
        )

    return environment


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return Python of an environment that holds `edgewright-device` and nothing else."""
    if RELEASED:
        return environment_with(next(RELEASED.glob("edgewright_device-*.whl")), RELEASED / "environments" / "gateway")
    folder = tmp_path_factory.mktemp("gateway")
    return environment_with(build_wheel(folder / "dist", DEVICE), folder / "venv")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with rows of three classes, their pipeline and its run."""
    folder = tmp_path_factory.mktemp("desk")
    toml = write_toml(folder / "small.toml", write_rows(folder / "rows.csv", rows(("a", "b", "c"))))
    run_small(toml, folder / "runs", "compression.max_drop=0.9")
    return folder


@pytest.fixture
def folder(desk: Path, tmp_path: Path) -> Path:
    return shutil.copytree(desk, tmp_path / "desk")


def edgewright(python: Path, folder: Path, *words: object, seconds: float = 300) -> str:
    """Run a command there and return what it printed."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(
        [str(python.with_name("edgewright")), *map(str, words)], cwd=folder, env=environment,
        capture_output=True, text=True, timeout=seconds, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_a_missing_library_of_any_extra_names_an_extra_that_has_it() -> None:
    own = distribution("edgewright")
    modules: dict[str, list[str]] = {}
    for module, packages in packages_distributions().items():
        for package in packages:
            modules.setdefault(canonicalize_name(package), []).append(module)
    base = {canonicalize_name(package.metadata["Name"]) for package in requirements_of(own)}
    carried = {
        extra: {canonicalize_name(package.metadata["Name"]) for package in requirements_of(own, extra)}
        for extra in NAMES
    }
    required = {
        canonicalize_name(Requirement(line).name) for line in own.requires or () if line.endswith("extra == 'all'")
    }
    for name in required - base:
        named = {EXTRAS[module] for module in modules[name] if module in EXTRAS}
        assert named, f"no extra is named where {name} is absent"
        assert all(name in carried[extra] for extra in named), name


def test_all_has_what_every_extra_has() -> None:
    own = distribution("edgewright")
    every = {package.metadata["Name"] for package in requirements_of(own, "all")}
    for extra in NAMES:
        assert {package.metadata["Name"] for package in requirements_of(own, extra)} <= every, extra


def test_every_extra_is_tried_here() -> None:
    text = Path(__file__).read_text()
    assert [extra for extra in NAMES if f'"{extra}"' not in text] == []


@pytest.mark.parametrize("extra", ["train", "all"] if RELEASED else ["train"])
def test_an_extra_runs_the_readme_on_own_data(
    extra: str, wheel: Path, environments: Environments, tmp_path: Path
) -> None:
    python = environments(extra) if RELEASED else environment_with(wheel, tmp_path / "venv", extra)
    output = type_page("README.md", tmp_path, seconds=300, python=python)["own-data"]
    assert "wrote pipeline.toml and data.md" in output
    assert (tmp_path / "runs" / "my" / "trace.html").is_file()
    assert (tmp_path / "exported" / "src" / "my.c").is_file()


@pytest.mark.parametrize(
    ("extra", "commands", "printed"),
    [
        ("trace", ["show runs/small --no-open --out page.html"], "page page.html"),
        ("engines", ["predict runs/small --csv rows.csv --engine onnxruntime"], "line 121: "),
        ("accelerators", ["export runs/small --to ethosu"], "compiled by Vela"),
        ("accelerators", ["predict runs/small --csv rows.csv --engine openvino"], "line 121: "),
        ("web", ["export runs/small --to web"], "model.wasm"),
        ("emulator", ["prove runs/small --device cortex-m4"], "Simulated processor among the forms"),
        ("fpga", ["export runs/small --to verilog"], "wrote exported/Makefile"),
        ("demo", ["demo"], "edgewright predict runs/demo"),
        ("language", ["language index a.md --out a.index", "language ask batteries? --index a.index"], "Open the lid"),
    ],
)  # fmt: skip
def test_an_extra_runs_its_commands(
    extra: str, commands: list[str], printed: str, environments: Environments, folder: Path
) -> None:
    (folder / "a.md").write_text("# Power\n\nOpen the lid and change the batteries.\n")
    for command in commands:
        output = edgewright(environments(extra), folder, *command.split())
    assert printed in output


def test_language_trains_slots(environments: Environments, tmp_path: Path) -> None:
    utterances = ROOT / "docs" / "examples" / "vending-utterances.toml"
    model = tmp_path / "a.language"
    edgewright(environments("language"), tmp_path, "language", "train", utterances, "--out", model, "--slots")
    assert model.is_file()


@pytest.mark.heavy  # Yosys is compiled from WebAssembly once a machine: minutes
def test_fpga_builds_a_bitstream(environments: Environments, folder: Path) -> None:
    python = environments("fpga")
    edgewright(python, folder, "export", "runs/small", "--to", "verilog", "--device", "ice40-up5k", "--out", "fpga")
    path = {**os.environ, "PATH": f"{python.parent}:{os.environ['PATH']}"}
    completed = subprocess.run(
        ["make", "-C", "fpga"], cwd=folder, env=path, capture_output=True, text=True, check=False
    )
    assert completed.returncode == 0, completed.stdout + completed.stderr
    assert list((folder / "fpga").glob("*.bin"))


def test_camera_predicts_pictures_of_a_recording(environments: Environments, tmp_path: Path) -> None:
    run = trained(tmp_path, epochs=1)
    frames = [io.BytesIO() for _ in range(5)]
    for number, frame in enumerate(frames):
        Image.fromarray(shape_picture("disc", np.random.default_rng(number))).save(frame, "JPEG")
    (tmp_path / "line.mjpeg").write_bytes(b"".join(frame.getvalue() for frame in frames))
    words = ["device", "run", run, "--source", "camera:line.mjpeg", "--store", "store", "--json"]
    assert edgewright(environments("camera"), tmp_path, *words).count('"label"') >= 1


def test_industry_records_from_a_plant(environments: Environments, tmp_path: Path) -> None:
    record = ["device", "record", "--label", "on", "--person", "1", "--seconds", "1", "--source"]
    opcua, modbus = OpcuaPlant(free_port(), speed=3.0), ModbusPlant(port := free_port(), [100, 200])
    try:
        for source in (
            f"opcua:{opcua.url}?nodes={opcua.nodes}&rate=10",
            f"modbus:127.0.0.1:{port}?registers=a@0&rate=10",
        ):
            assert " rows, " in edgewright(environments("industry"), tmp_path, *record, source)
    finally:
        opcua.stop()
        modbus.stop()


LITERT = """
import sys
import numpy as np
from edgewright.core.engines import get
model = open(sys.argv[1] + "/small.network.tflite", "rb").read()
answers = get("litert").load(model)(np.zeros((1, 2), np.float32))
print([answer.shape for answer in answers.values()] == [(1, 3)])
"""
DRIVING = """
import sys
from pathlib import Path
sys.path.insert(0, str(Path(sys.argv[1])))
from traffic import COLUMNS, Traffic
traffic = Traffic()
traffic.reset(1)
print(len(traffic.step(0)[0]) == len(COLUMNS))
"""
LLM = """
import sys, time
from pathlib import Path
from edgewright.language.language_models.client import LanguageModelClient
from edgewright.language.language_models.client import served
with served(Path(sys.argv[1]) / "tiny.gguf", 60) as running:
    question = [{"role": "user", "content": "yes or no?"}]
    client, grammar = LanguageModelClient(running.address, ""), 'root ::= "yes" | "no"'
    print(client.chat(question, time.monotonic() + 60, max_tokens=8, grammar=grammar).text in ("yes", "no"))
"""

WORKER = """
import sys
from distributed import Client
with Client(sys.argv[1], timeout=60) as client:
    client.wait_for_workers(1, timeout=60)
"""


@pytest.mark.parametrize(
    ("extra", "program"),
    [("engines", LITERT), ("driving", DRIVING), ("llm", LLM)],
    ids=lambda text: text[:8],
)
def test_an_extra_answers_a_program(extra: str, program: str, environments: Environments, folder: Path) -> None:
    python = environments(extra)
    for name in ("environment.toml", "traffic.py"):
        shutil.copy(ROOT / "examples" / "vehicle" / name, folder)
    write_gguf(folder / "tiny.gguf", untrained())
    if extra == "engines":
        edgewright(python, folder, "export", "runs/small", "--to", "tflite", "--out", ".")
    command = [str(python), "-c", program, "."]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


@pytest.mark.parametrize(("extra", "options"), [("studio", []), ("phone", ["--phone", "--phone-port", "0"])])
def test_a_studio_shows_its_pages(extra: str, options: list[str], environments: Environments, folder: Path) -> None:
    python = environments(extra)
    if options and not local_addresses():
        options = [*options, "--phone-address", "127.0.0.1"]
    with started(folder / "runs", *options, python=python) as (address, process):
        for path in ("/", "/flow", "/compare"):
            studio_page = urllib.request.Request(address + path, headers=address.headers)  # noqa: S310 - of this machine
            with urllib.request.urlopen(studio_page, timeout=30) as page:  # noqa: S310
                assert page.status == 200
        if options:
            assert process.stdout is not None
            assert any(line.startswith("phone: https://") for line in process.stdout)


@pytest.mark.parametrize("program", ["edgewright device", "edgewright-device"])
def test_a_device_enrols_with_a_fleet(
    program: str, environments: Environments, folder: Path, request: pytest.FixtureRequest
) -> None:
    operator = environments("fleet")
    device = environments("device") if program == "edgewright device" else request.getfixturevalue("gateway")
    edgewright(operator, folder, "fleet", "init", "yard", "--product", "pump")
    edgewright(operator, folder, "fleet", "publish", "runs/small", "--fleet", "yard")
    output = edgewright(operator, folder, "fleet", "token", "new", "--fleet", "yard")
    (folder / "token.txt").write_text(next(word for word in output.split() if word.startswith("ew1.")))
    words = [*program.split(), "run", "--token-file", "token.txt", "--name", "pump-1", "--store", "one"]
    words += ["--source", "csv:rows.csv", "--poll", "1"]
    with served(operator, folder / "yard") as server:
        agent = subprocess.Popen(
            [str(device.with_name(words[0])), *words[1:], "--fleet", server.address],
            cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        try:
            until(lambda: "pump-1" in edgewright(operator, folder, "fleet", "devices", "--fleet", "yard"))
        finally:
            agent.terminate()
            agent.communicate(timeout=60)


IMPORTS = """
import importlib, pkgutil, edgewright
for module in pkgutil.walk_packages(edgewright.__path__, "edgewright."):
    try:
        importlib.import_module(module.name)
    except ImportError as error:
        print(error.name or error)
"""


def test_a_gateway_has_all_that_its_modules_import(gateway: Path, folder: Path) -> None:
    done = subprocess.run(
        [str(gateway), "-c", IMPORTS], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    missing = {EXTRAS.get(name.split(".")[0], name) for name in done.stdout.split("\n") if name}
    assert missing <= {"engines", "accelerators", "camera", "train", "industry"}


def test_a_gateway_finds_sounds_and_names_its_own_extra_for_pictures(gateway: Path, tmp_path: Path) -> None:
    recordings, leaves = sounds(tmp_path), tmp_path / "leaves"
    leaves.mkdir()
    for colour in ("red", "green"):
        Image.new("RGB", (40, 30), colour).save(leaves / f"{colour}.png")
    media: dict[Literal["picture", "sound"], Path] = {"sound": recordings, "picture": leaves}
    for kind, files in media.items():
        pair, index = word_pair(tmp_path / kind, kind=kind), tmp_path / f"{kind}.index"
        for words in (
            ("index", f"--{kind}s", files, "--encoder", pair, "--out", index),
            ("pack", index, "--encoder", pair, "--licence", "MIT", "--question", "early",
             "--out", tmp_path / f"{kind}.finder"),
        ):  # fmt: skip
            edgewright(Path(sys.executable), tmp_path, "language", *words)
    find = [str(gateway.with_name("edgewright-device")), "find"]
    done = subprocess.run([*find, str(tmp_path / "sound.finder"), "--question", "early"], cwd=tmp_path,
                          capture_output=True, text=True, timeout=120, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.index("early.wav") < done.stdout.index("late.wav")
    done = subprocess.run([*find, str(tmp_path / "picture.finder"), str(leaves / "red.png")], cwd=tmp_path,
                          capture_output=True, text=True, timeout=120, check=False)  # fmt: skip
    assert (done.returncode, "pip install 'edgewright-device[camera]'" in done.stderr) == (2, True), done.stderr


def test_a_gateway_answers_as_the_desk(gateway: Path, folder: Path) -> None:
    answers: list[list[tuple[float, str, float]]] = []
    for command in ([gateway.with_name("edgewright-device")], [sys.executable, "-m", "edgewright", "device"]):
        store = f"store-{len(answers)}"
        words = [*map(str, command), "run", "runs/small", "--source", "replay:rows.csv", "--store", store, "--json"]
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        events = [json.loads(line) for line in done.stdout.splitlines()]
        decisions = [event for event in events if event["kind"] == "decision"]
        answers.append([(event["time"], event["label"], round(event["score"], 4)) for event in decisions])
    assert len(answers[0]) > 9
    assert answers[0] == answers[1]


def test_a_fleet_moves_to_postgres(environments: Environments, tmp_path: Path) -> None:
    python = environments("postgres")
    edgewright(python, tmp_path, "fleet", "init", "yard")
    with fresh_database() as address:
        edgewright(python, tmp_path, "fleet", "database", "yard", "--to", address)
        with served(python, tmp_path / "yard"):
            assert "postgresql://" in edgewright(python, tmp_path, "fleet", "database", "yard")


def test_a_cluster_races(environments: Environments, folder: Path) -> None:
    python, port = environments("cluster"), free_port()
    dask, address = str(python.with_name("dask")), f"127.0.0.1:{port}"
    with ExitStack() as stack:
        for words in (
            ["scheduler", "--host", address, "--no-dashboard"],
            ["worker", address, "--nthreads", "1", "--no-dashboard"],
        ):
            process = subprocess.Popen([dask, *words], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            stack.callback(process.wait, 60)
            stack.callback(process.terminate)
        subprocess.run([str(python), "-c", WORKER, address], cwd=folder, timeout=120, check=True)
        words = ["run", "rows.csv", "--budget", "5s", "--cluster", f"dask://{address}", "--out", "raced"]
        assert "accuracy" in edgewright(python, folder, *words)


@contextmanager
def served(python: Path, folder: Path) -> Iterator[Server]:
    """Provide the server of a fleet that runs in an environment."""
    server = Server(folder, command=(str(python.with_name("edgewright")),)).wait()
    try:
        yield server
    finally:
        server.end()
