"""The studio's page of exports offers what the run's model can become, and says why not the rest."""

from __future__ import annotations

import re
from pathlib import Path

from edgewright.core.package import write_package
from edgewright.export.contract import target_names
from runtime_example import parts
from studio_example import client, record


def test_targets_that_take_none_of_the_forms_are_not_offered(tmp_path: Path) -> None:
    record(tmp_path, "float")
    write_package(tmp_path / "float" / "float.edge", *parts())
    text = client(tmp_path).get("/export/float").text
    offered = re.findall(r'name="to" value="(\w+)"', text)
    assert {"package", "c99", "library", "onnx", "tflite"} <= set(offered)
    refused = dict(re.findall(r"<dt>(\w+)</dt><dd>([^<]+)</dd>", text))
    assert {"verilog", "ethosu"} <= set(refused)
    assert set(refused) | set(offered) == {"package", *target_names()}
    assert refused["verilog"].startswith("Expected an int8 model, got a float one")
