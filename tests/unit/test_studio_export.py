"""The studio's page of exports offers what the run's forms can become."""

from __future__ import annotations

import re
from pathlib import Path

from edgewright.core.package import write_package
from runtime_example import parts
from studio_example import client, record


def test_targets_that_take_none_of_the_forms_are_not_offered(tmp_path: Path) -> None:
    record(tmp_path, "float")
    write_package(tmp_path / "float" / "float.edge", *parts())
    offered = re.findall(r'name="to" value="(\w+)"', client(tmp_path).get("/export/float").text)
    assert {"package", "arduino", "c99", "library", "onnx", "tflite"} <= set(offered)
    assert not {"verilog", "ethosu"} & set(offered)
