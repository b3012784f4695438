"""The distribution for gateways has all that its code imports."""

from __future__ import annotations

import importlib.util

from support import ROOT


def test_code_of_the_device_imports_no_module_of_the_desk() -> None:
    path = ROOT / "distributions" / "device" / "hatch_build.py"
    spec = importlib.util.spec_from_file_location("hatch_build", path)
    assert spec is not None and spec.loader is not None
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    names = {file.relative_to(build.SOURCE).as_posix() for file in build.device_files()}
    assert {"edgewright/cli/commands/device/watch.py", "edgewright/core/predictor.py"} <= names
    assert not any(name.startswith("edgewright/export/") for name in names)
