"""A denoiser as a stream: the bytes of its window form in Python and in C, whatever the pieces."""

from __future__ import annotations

import ctypes
from pathlib import Path

import msgspec
import numpy as np
import pytest

from c99_stages import need_named_compiler
from denoiser_example import random_denoiser
from edgewright.core.archive import pack, unpack
from edgewright.core.errors import FormatNewerError, GraphError, PackageDamagedError
from edgewright.core.integer.network import run_integer
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.data import Floats
from edgewright.export.c99_code.header import CodeOptions
from edgewright.export.c99_code.pipeline import write_c99
from edgewright.export.c99_host.host import FLAGS, STRICT, compile_c99, context_of, load_c99
from edgewright.export.c99_stream.stream import write_denoiser_c99
from edgewright.export.emulator import Entry, missing_tools, run_on_device
from edgewright.graph.extract import integer_network
from edgewright.graph.restoration import SPEC, DenoiserFile, parse_restorer
from edgewright.graph.streaming import NetworkStream, steps_of
from edgewright.models.restoration import DenoiserConfig, Denoising, delayed, denoiser_graph, framed
from edgewright.workflows.restoration.evaluation import float_form
from support import left_out

FORMS = [
    pytest.param({"channels": 1}, id="one channel"),
    pytest.param({"channels": 3, "hop": 1, "first": 5}, id="three channels, sample by sample"),
    pytest.param({"channels": 2, "hop": 8, "first": 8, "blocks": 3, "delay": 0}, id="no overlap, no delay"),
]


@pytest.mark.parametrize("sizes", FORMS)
def test_stream_gives_the_bytes_of_the_window_whatever_the_pieces(sizes: dict[str, int]) -> None:
    denoiser = random_denoiser(**sizes)
    spec, rng = denoiser.spec, np.random.default_rng(1)
    x = rng.integers(-128, 128, (3, len(spec.columns), spec.window), np.int8)
    whole = run_integer(denoiser.network, x).reshape(3, -1, spec.hop * len(spec.columns))
    stream = NetworkStream(denoiser.network)
    for window, expected in zip(x, whole, strict=True):
        stream.reset()
        frames, at, parts = spec.window // spec.hop, 0, []
        while at < frames:
            count = min(int(rng.integers(0, 5)), frames - at)
            parts.append(stream.push(np.ascontiguousarray(window[:, at * spec.hop : (at + count) * spec.hop].T)))
            at += count
        np.testing.assert_array_equal(np.concatenate(parts), expected)


@pytest.mark.slow
def test_graph_is_the_function_that_was_trained() -> None:
    """Causal, dilated layers in JAX and in the dialect, with the noise taken off the delayed input."""
    config = DenoiserConfig(hop=4, delay=2, filters=6, blocks=3, kernel=3, first=10)
    layers = Denoising(config, 2)
    parameters = layers.initialise(np.random.default_rng(0))
    x = np.random.default_rng(1).standard_normal((3, 2, 64)).astype(np.float32)
    graph = denoiser_graph(config, parameters, np.zeros(2), np.ones(2), 64, "g")
    given = compile_graph(graph)(x)["prediction"]
    np.testing.assert_allclose(framed(delayed(x, 8) - given, 4), np.asarray(layers(parameters, x)), atol=1e-5)


def test_no_answer_depends_on_a_later_sample() -> None:
    denoiser = random_denoiser()
    x = np.random.default_rng(2).standard_normal((96, 1)).astype(np.float32)
    changed = x.copy()
    changed[60:] += 1.0
    first, second = denoiser.start().push(x), denoiser.start().push(changed)
    np.testing.assert_array_equal(first[:60], second[:60])
    assert not np.array_equal(first[60:], second[60:])


def test_rows_in_uneven_pieces_are_the_window_form_within_a_step() -> None:
    """The window form by NumPy rounds in floats: bytes may differ by one."""
    denoiser = random_denoiser(channels=2)
    x = np.random.default_rng(3).standard_normal((96, 2)).astype(np.float32)
    running = denoiser.start()
    given = np.concatenate([running.push(part) for part in np.split(x, [1, 2, 9, 40, 41])])
    graph = read_onnx(denoiser.int8_model)
    window = compile_graph(graph)(x.T[None])["prediction"][0].T
    step = denoiser.network.values[denoiser.network.output].scale * max(denoiser.spec.deviation)
    assert np.abs(given - window).max() <= 1.001 * step
    np.testing.assert_array_equal(given, denoiser.start().push(x))


def test_a_whole_recording_stays_in_place_and_missing_values_stay_missing() -> None:
    denoiser = random_denoiser()
    x = np.random.default_rng(4).standard_normal((203, 1)).astype(np.float32)
    x[17] = np.nan
    given = denoiser.start().whole(x)
    stream = denoiser.start().push(np.concatenate([x, np.zeros((12, 1), np.float32)]))
    np.testing.assert_array_equal(given[:190], stream[denoiser.spec.delay : denoiser.spec.delay + 190])
    assert given.shape == x.shape
    assert np.flatnonzero(np.isnan(given)).tolist() == [17]


def test_float_form_over_windows_is_one_window_where_it_fits() -> None:
    denoiser = random_denoiser()
    x = np.random.default_rng(5).standard_normal((1, 400)).astype(np.float32)
    long = float_form(denoiser)(x)
    window = compile_graph(read_onnx(denoiser.float_model))(x[None, :, :96])["prediction"][0]
    np.testing.assert_allclose(long[:, : 96 - denoiser.spec.delay], window[:, denoiser.spec.delay :], atol=1e-6)
    # Later windows know what came before them.
    shifted = float_form(denoiser)(np.concatenate([np.zeros((1, 40), np.float32), x], axis=1))[:, 40:]
    np.testing.assert_allclose(long[:, 100:], shifted[:, 100:], atol=1e-5)


@pytest.mark.parametrize(
    ("sizes", "compiler"),
    [
        pytest.param(form.values[0], compiler, marks=[pytest.mark.slow] * (number > 0 and compiler != "gcc"))
        for number, form in enumerate(FORMS)
        for compiler in ("gcc", "clang", "zig")
    ],
)
def test_c_gives_the_bits_of_python(sizes: dict[str, int], compiler: str, tmp_path: Path) -> None:
    need_named_compiler(compiler)
    denoiser = random_denoiser(**sizes)
    given, expected = _both(denoiser, compiler, tmp_path)
    np.testing.assert_array_equal(given, expected)


def _both(denoiser: DenoiserFile, compiler: str, folder: Path) -> tuple[Floats, Floats]:
    """Return the output of the compiled step and of Python for loud, missing and infinite samples, run twice."""
    files = write_denoiser_c99(denoiser, name="tiny").files
    library = ctypes.CDLL(str(compile_c99(files, folder, flags=(*FLAGS, *STRICT), compiler=compiler, taps=False)))
    context = context_of(library, "tiny_context")
    hop, channels = denoiser.spec.hop, len(denoiser.spec.columns)
    x = np.random.default_rng(6).standard_normal((hop * 60, channels)).astype(np.float32)
    x[3:6, 0], x[20:30] = (np.nan, np.inf, -np.inf), 1e30
    out = np.zeros_like(x)
    for _ in range(2):
        library.tiny_init(context)
        for at in range(0, len(x), hop):
            row, answer = np.ascontiguousarray(x[at : at + hop]), np.zeros((hop, channels), np.float32)
            library.tiny_step(context, row.ctypes.data_as(ctypes.c_void_p), answer.ctypes.data_as(ctypes.c_void_p))
            out[at : at + hop] = answer
    return out, denoiser.start().push(x)


@pytest.mark.slow
def test_an_emulated_cortex_m4_gives_the_bits_of_python() -> None:
    if missing_tools():
        left_out(f"{', '.join(missing_tools())} not installed")
    denoiser = random_denoiser()
    code = write_denoiser_c99(denoiser, name="tiny")
    x = np.random.default_rng(7).standard_normal((2, 40)).astype(np.float32)
    call = ("static tiny_context context; tiny_init(&context); for (int i = 0; i < 10; ++i) "
            "tiny_step(&context, (const float *)in + 4 * i, (float *)out + 4 * i);")  # fmt: skip
    run = run_on_device(code.files, Entry("tiny.h", call, 160, 160), "cortex-m4", x)
    expected = np.stack([denoiser.start().push(row[:, None])[:, 0] for row in x])
    np.testing.assert_array_equal(run.outputs.view(np.float32), expected)
    assert abs(run.ram - code.ram) <= 16


def test_c_of_a_window_form_that_ends_in_a_convolution_has_the_order_of_the_graph(tmp_path: Path) -> None:
    denoiser = random_denoiser(channels=2)
    graph = read_onnx(denoiser.int8_model)
    x = np.random.default_rng(8).standard_normal((4, 2, 96)).astype(np.float32)
    model = load_c99(write_c99(graph, CodeOptions("window"), integer_network(graph)), tmp_path)
    given = model.predict(x).outputs["prediction"].reshape(x.shape)
    step = denoiser.network.values[denoiser.network.output].scale * max(denoiser.spec.deviation)
    assert np.abs(given - compile_graph(graph)(x)["prediction"]).max() <= 1.001 * step
    np.testing.assert_allclose(given[0].T, denoiser.start().push(x[0].T), atol=1e-6)


def test_a_network_that_sees_later_samples_is_no_stream() -> None:
    denoiser = random_denoiser()
    moment = next(i for i, o in enumerate(denoiser.network.operators) if o.kind == "depthwise")
    operator = denoiser.network.operators[moment]
    numbers = {**operator.numbers, "pads": (0, 1, 0, 1)}
    other = (*denoiser.network.operators[:moment], msgspec.structs.replace(operator, numbers=numbers),
             *denoiser.network.operators[moment + 1 :])  # fmt: skip
    with pytest.raises(GraphError):
        steps_of(msgspec.structs.replace(denoiser.network, operators=other))


def test_file_is_read_back_and_damage_and_newer_versions_are_refused() -> None:
    denoiser = random_denoiser()
    data = denoiser.packed()
    assert parse_restorer(data, "x").spec == denoiser.spec
    with pytest.raises(PackageDamagedError):
        parse_restorer(data[:200] + bytes([data[200] ^ 1]) + data[201:], "x")
    files = unpack(data, "x")
    newer = files[SPEC].replace(b'"version": 2', b'"version": 3')
    with pytest.raises(FormatNewerError):
        parse_restorer(pack({**files, SPEC: newer}), "x")
    other = pack({**files, "arrays/test_out.npy": files["arrays/test_in.npy"]})
    with pytest.raises(GraphError):
        parse_restorer(other, "x")
    earlier = files.pop(SPEC).replace(b'"version": 2', b'"version": 1').replace(b'"task": "denoise",', b"")
    read = parse_restorer(pack({**files, "denoiser.json": earlier}), "x")
    np.testing.assert_array_equal(read.test_out, denoiser.test_out)
