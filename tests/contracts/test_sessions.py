"""ONNX Runtime is opened in one place, which knows the options that make its products exact on every processor."""

from __future__ import annotations

from support import ROOT

ENGINE = ROOT / "src" / "edgewright" / "core" / "engines" / "onnxruntime.py"
OPENS = "Inference" + "Session("


def test_nothing_but_the_engine_opens_a_session() -> None:
    files = [*(ROOT / "src").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]
    opening = {path for path in files if OPENS in path.read_text("utf-8")}
    assert opening == {ENGINE}
