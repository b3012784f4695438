"""Notes of native libraries are held back; errors and everything else reach stderr."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from edgewright.core.engines import get
from edgewright.core.engines.litert import without_notes
from edgewright.core.errors import EngineFailedError
from edgewright.export.targets.tflite import to_tflite
from edgewright.graph.extract import float_network
from runtime_example import classifier

_RUN = """
import sys
import numpy as np
from edgewright.core.engines import get
model = open(sys.argv[1], "rb").read()
run = get("litert").load(model)
print(len(run(np.zeros((2, *map(int, sys.argv[2:])), np.float32))))
"""


def test_notes_are_kept_and_the_rest_goes_through(capfd: pytest.CaptureFixture[str]) -> None:
    with without_notes() as notes:
        os.write(2, b"INFO: a delegate\nERROR: a node failed\n")
        os.write(2, b"no line end")
    assert notes == ["INFO: a delegate"]
    assert capfd.readouterr().err == "ERROR: a node failed\nno line end"


def test_what_fails_inside_is_told_and_stderr_is_back(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ZeroDivisionError), without_notes():
        os.write(2, b"last words\n")
        raise ZeroDivisionError
    os.write(2, b"afterwards\n")
    assert capfd.readouterr().err == "last words\nafterwards\n"


def test_threads_do_not_lose_lines(capfd: pytest.CaptureFixture[str]) -> None:
    def work(number: int) -> None:
        for turn in range(20):
            with without_notes():
                os.write(2, f"INFO: {number}\n{number} {turn}\n".encode())

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = capfd.readouterr().err.splitlines()
    assert sorted(lines) == sorted(f"{number} {turn}" for number in range(4) for turn in range(20))


def test_a_closed_stderr_is_no_obstacle() -> None:
    uses = "from edgewright.core.engines.litert import without_notes"
    code = f"import os; os.close(2)\n{uses}\nwith without_notes(): print('in')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "in\n")


def test_litert_runs_without_a_word(tmp_path_factory: pytest.TempPathFactory) -> None:
    network = float_network(classifier())
    path = tmp_path_factory.mktemp("quiet") / "model.tflite"
    path.write_bytes(to_tflite(network))
    shape = [str(length) for length in network.values[network.input].shape]
    done = subprocess.run([sys.executable, "-c", _RUN, str(path), *shape], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")


def test_a_damaged_model_is_told_as_before() -> None:
    with pytest.raises(EngineFailedError):
        get("litert").load(b"\x00\x00\x00\x00TFL3" + bytes(40))
