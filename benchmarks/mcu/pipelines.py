"""The shipped pipeline `hapt` on an emulated Cortex-M4, from samples to an event: the code that `export` writes."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import HAPT
from benchmarks.table import ONE_THREAD, ROOT, python
from edgewright.export.emulator import DeviceRun, Entry, run_on_device

_CHANNELS, _SAMPLES, _DEVICE = 6, 128, "cortex-m4"
EVENT = "samples to event"
# The answer to a window that lies in memory of the caller.
_WINDOW = "static hapt_context context; hapt_predict(&context, (const float *)in, (hapt_answer *)out);"
# All rows of a window, one by one, up to the event; the window lies in the context.
_EVENT = f"""static hapt_stream_context context;
hapt_event event = {{0}};
const float (*rows)[{_CHANNELS}] = in;
int found = 0;
hapt_init(&context);
for (int i = 0; i < {_SAMPLES}; ++i) {{
    found |= hapt_push(&context, rows[i], &event);
}}
((int32_t *)out)[0] = found ? event.label : -1;"""


def whole_programs() -> dict[str, DeviceRun]:
    """Train `hapt`, export it for the core and run a window of a person; nothing without the public set."""
    data = Path(os.environ.get("EDGEWRIGHT_SHARED", ROOT.parent / "shared")) / "data" / "har-hapt"
    if not data.is_dir():
        print("left out: no public data set 'har-hapt' beside the repository", file=sys.stderr)
        return {}
    with tempfile.TemporaryDirectory() as location:
        run, code = Path(location) / "runs", Path(location) / "code"
        _edgewright("run", HAPT, "--data", str(data), "--out", str(run))
        _edgewright("export", str(run / "hapt"), "--to", "c99", "--device", _DEVICE, "--out", str(code))
        files = {path.name: path.read_text("utf-8") for path in code.iterdir() if "self_test" not in path.name}
    with gzip.open(data / "exp01_user01.csv.gz", "rt") as file:
        rows = np.loadtxt(file, np.float32, delimiter=",", skiprows=1, usecols=range(_CHANNELS), max_rows=_SAMPLES)
    size = rows.nbytes
    alone = {name: text for name, text in files.items() if "stream" not in name}
    return {
        "window to answer": _counted(alone, Entry("hapt.h", _WINDOW, size, 4 * 9), rows.T),
        EVENT: _counted(files, Entry("hapt_stream.h", _EVENT, size, 4), rows),
    }


def _counted(files: dict[str, str], entry: Entry, rows: NDArray[np.float32]) -> DeviceRun:
    return run_on_device(files, entry, _DEVICE, np.ascontiguousarray(rows).reshape(1, -1), tools="qemu")


def _edgewright(*arguments: str) -> None:
    command = [str(Path(python()).with_name("edgewright")), *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **ONE_THREAD})
