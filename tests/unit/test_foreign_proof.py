"""Files of other converters are proven in every form; the proof reads tables, which not every processor can."""

from __future__ import annotations

from pathlib import Path

import pytest

from c99_stages import use_one_compiler
from integer_layers import need_litert

need_litert()
converter = pytest.importorskip("benchmarks.foreign_files.converter")
exporters = pytest.importorskip("benchmarks.foreign_files.exporters")
SEED = 7


@pytest.mark.parametrize(("name", "ending"), [("ZeroPadding2D", "tflite"), ("Hardswish", "onnx")])
def test_a_file_is_proven_in_every_form(
    name: str, ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmarks.foreign_files.__main__ import outcome

    use_one_compiler(monkeypatch)
    model = (converter if ending == "tflite" else exporters).MODELS[name](SEED)
    path = tmp_path / f"file.{ending}"
    path.write_bytes(model.int8() if ending == "tflite" else exporters.by_pytorch(model.file(), "eager"))
    forms = ("c99", "tflite", "onnx") if ending == "tflite" else ("c99", "tflite", "onnx", "verilog")
    assert outcome(path) == (forms, [])
