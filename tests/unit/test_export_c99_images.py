"""Images in generated C: one layout, as cameras give it, in the pipeline and in the network alone."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import pytest

from c99_stages import need_compiler
from edgewright.core.executor import compile_graph
from edgewright.core.integer.network import run_integer, to_integers
from edgewright.export._c_host import CModel, compile_c99, context_of
from edgewright.export._c_images import image_channels, turning
from edgewright.export.c99 import write_c99, write_network_c99
from edgewright.graph.extract import integer_network
from edgewright.graph.from_tflite import read_tflite
from edgewright.graph.from_tflite_graph import network_graph
from edgewright.schema.graph import Graph
from integer_networks import picture, small
from support import shared_data


def test_a_graph_says_where_its_channels_lie() -> None:
    assert image_channels(picture()) == image_channels(small("picture")) == "first"
    assert image_channels(small("conv1d")) == ""
    network = integer_network(small("picture"))
    assert image_channels(network_graph(network)) == "first"
    assert turning(network) is network.operators[0]


@pytest.mark.parametrize("form", ["float", "int8"])
def test_predict_and_network_take_the_channels_of_a_pixel_side_by_side(form: str, tmp_path: Path) -> None:
    need_compiler()
    graph = picture() if form == "float" else small("picture")
    network = None if form == "float" else integer_network(graph)
    channels, height, width = graph.inputs[0].shape
    files = write_c99(graph, network, name="eye")
    library = ctypes.CDLL(str(compile_c99(files, tmp_path, taps=False)))
    assert f"input[(row * {width} + column) * {channels} + channel]" in files["eye.h"]
    x = np.random.default_rng(3).normal(size=(20, channels, height, width)).astype(np.float32)
    wanted = compile_graph(graph)(x)[
        "prediction" if "prediction" in {o.name for o in graph.outputs} else "probabilities"
    ]
    answer = (ctypes.c_float * 64)()
    for sample, right in zip(x, wanted, strict=True):
        lying = np.empty(sample.size, np.float32)
        for (channel, row, column), value in np.ndenumerate(sample):
            lying[(row * width + column) * channels + channel] = value
        library.eye_predict(context_of(library, "eye_context"), lying.ctypes.data_as(ctypes.c_void_p), answer)
        np.testing.assert_allclose(np.array(answer[: right.size]), right.ravel(), atol=0.02 if network else 1e-5)
    # Who asks with the samples of the package gets the package's answers.
    found = CModel(next(tmp_path.glob("*.so")), files["eye.h"], "eye").predict(x).outputs
    np.testing.assert_allclose(next(iter(found.values())).reshape(wanted.shape), wanted, atol=0.02 if network else 1e-5)
    if network is None:
        return
    assert f"in[(row * {width} + column) * {channels} + channel]" in files["eye.h"]
    grid = network.values[network.input]
    alone = write_network_c99(network, name="alone")
    other = ctypes.CDLL(str(compile_c99(alone, tmp_path / "alone", taps=False)))
    for sample in x:
        given = to_integers(grid, sample[None])
        right = run_integer(network, given).ravel()
        lying, out = np.ascontiguousarray(given[0].transpose(1, 2, 0)), np.zeros(right.size, np.int8)
        for loaded, name in ((library, "eye"), (other, "alone")):
            function = getattr(loaded, f"{name}_network")
            context = context_of(loaded, f"{name}_network_context")
            function(context, lying.ctypes.data_as(ctypes.c_void_p), out.ctypes.data_as(ctypes.c_void_p))
            np.testing.assert_array_equal(out, right)


@pytest.mark.needs_data
def test_a_model_of_an_image_from_elsewhere_keeps_its_layout_in_both() -> None:
    file = next(shared_data("mlperf-tiny").rglob("vww_96_int8.tflite"))
    graph: Graph = network_graph(read_tflite(file))
    assert image_channels(graph) == "last"
    text = write_c99(graph, integer_network(graph), name="vww")["vww.h"]
    assert "Input: an image of 96 rows of 96 pixels, 3 channels of a pixel side by side:" in text
    assert "input[(row * 96 + column) * 3 + channel]." in text
    assert "in[(row * 96 + column) * 3 + channel]." in text
    assert "channels first" not in text
