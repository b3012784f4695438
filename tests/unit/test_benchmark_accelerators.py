"""Models on what stands in for accelerators here: every flip has a layer that differs, our rules are Vela's."""

from __future__ import annotations

import pytest
from benchmarks.accelerators.__main__ import find_flips, find_placement
from benchmarks.accelerators.models import models

from edgewright.export import vela
from support import left_out


@pytest.mark.slow
def test_flips_are_explained_and_rules_agree_with_the_compiler() -> None:
    if not vela.is_installed():
        left_out("ethos-u-vela")
    pytest.importorskip("openvino")
    seen = 0
    for name, graph, samples in models():
        assert len(samples) >= 20
        flips = find_flips(name, graph, samples)
        assert len(flips) == 2, "ONNX Runtime and OpenVINO"
        assert not any("unexplained" in text for text in flips), (name, flips)
        if name.endswith("float"):
            assert set(flips) == {"0"}
        placed, agreed = find_placement(name, graph)
        assert agreed, (name, placed)
        seen += 1
    # Nine are those of MLPerf Tiny, where its files are.
    assert seen >= 11
