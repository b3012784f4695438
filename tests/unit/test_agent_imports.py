"""What a running agent loads: the base install, and of the device's extra what its source and sinks ask for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from agent_example import package, recording, signal

DESK = (
    "jax", "optax", "sklearn", "scipy", "onnx", "polars", "rich", "jinja2", "starlette",
    "uvicorn", "httptools", "sktime",
)  # fmt: skip
UNASKED = ("paho", "serial", "cryptography", "http.server", "http.client", "subprocess", "multiprocessing", "asyncio")
CODE = """
import json, sys
from edgewright.cli.main import run
code = run(sys.argv[1:])
print(json.dumps([code, sorted(sys.modules)]))
"""


@pytest.mark.slow
def test_the_agent_runs_on_the_base_install_and_loads_little(tmp_path: Path) -> None:
    package(tmp_path / "switch.edge")
    rows = recording(tmp_path / "rows.csv", signal(4.0))
    (tmp_path / "device.toml").write_text('[[packages]]\npath = "switch.edge"\nengine = "numpy"\n')
    arguments = ["device", "run", "--quiet", "--config", "device.toml", "--store", "store", "--source"]
    command = [sys.executable, "-c", CODE, *arguments, f"replay:{rows}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    code, modules = json.loads(done.stdout)
    assert code == 0
    loaded = {name.split(".")[0] for name in modules}
    assert not loaded & set(DESK)
    assert not {name for name in UNASKED if name in modules}
