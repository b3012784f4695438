"""What callers of generated C see: contexts and threads, text of users, images, and the self-test."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from c99_examples import Files, call, compile_together, need, sizes_of
from c99_exports import export
from c99_stages import fitted, need_compiler
from edgewright.core.integer.network import run_integer, to_integers
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.data import Floats
from edgewright.core.records.network import Graph, IntegerNetwork, IntegerValue
from edgewright.export.c99_code.header import CodeOptions
from edgewright.export.c99_code.linkable import write_self_test
from edgewright.export.c99_code.pipeline import write_c99, write_network_c99
from edgewright.export.c99_code.pixels import resizing_of
from edgewright.export.c99_code.text import comment, literal, template_comment
from edgewright.export.c99_graph.graph import image_channels, turning
from edgewright.export.c99_host.host import FLAGS, CModel, compile_c99, context_of, load_c99
from edgewright.export.contract import read_subject
from edgewright.export.emulator import Entry, missing_tools, run_on_device
from edgewright.graph.builder import Builder
from edgewright.graph.extract import integer_network
from edgewright.graph.from_tflite import read_tflite
from edgewright.graph.from_tflite_graph import network_graph
from edgewright.workflows.proof.forms.emulator import fields_of
from edgewright.workflows.proof.subject import subject_of
from integer_networks import LAYERS, picture, small, trained
from runtime_example import classifier
from stage_examples import CASES
from support import left_out, shared_data

# Bytes that an event has at most.
_EVENT = 64


class _Stream:
    """One stream of a compiled package."""

    def __init__(self, library: ctypes.CDLL, name: str) -> None:
        self._push = getattr(library, f"{name}_push")
        self._context = context_of(library, f"{name}_stream_context")
        getattr(library, f"{name}_init")(self._context)

    def push(self, row: Floats) -> bytes:
        """Return the event of a row, or what stood there before."""
        event = ctypes.create_string_buffer(_EVENT)
        record = self._push(self._context, row.ctypes.data_as(ctypes.c_void_p), event)
        return bytes([record]) + event.raw


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "name", "channels"), [("rows", "and", 10), ("windows", "export", 2)])
def test_two_streams_in_turns_give_what_each_gives_alone(kind: str, name: str, channels: int, tmp_path: Path) -> None:
    need_compiler()
    library = ctypes.CDLL(str(compile_c99(export(kind), tmp_path, taps=False)))
    rows = 3 * np.random.default_rng(1).normal(size=(2, 300, channels)).astype(np.float32)
    alone = []
    for one in rows:
        stream = _Stream(library, name)
        alone.append([stream.push(row) for row in one])
    first, second = _Stream(library, name), _Stream(library, name)
    turns = [(first.push(a), second.push(b)) for a, b in zip(*rows, strict=True)]
    assert [list(values) for values in zip(*turns, strict=True)] == alone
    assert len({values for values in alone[0] if values[0]}) > 5
    assert alone[0] != alone[1]


@pytest.mark.slow
def test_threads_do_not_disturb_each_other(tmp_path: Path) -> None:
    need_compiler()
    graph = fitted("edgewright.features", "log_mel", 0)[0]
    model = load_c99(write_c99(graph, CodeOptions("shared")), tmp_path)
    x = np.random.default_rng(2).normal(size=(4, 40, *graph.inputs[0].shape)).astype(np.float32)
    wanted = [model.predict(part).outputs["prediction"] for part in x]
    with ThreadPoolExecutor(len(x)) as pool:
        for _ in range(3):
            for outputs, right in zip(
                pool.map(lambda part: model.predict(part).outputs["prediction"], x), wanted, strict=True
            ):
                np.testing.assert_array_equal(outputs, right)


@pytest.mark.slow
@pytest.mark.needs_data
def test_a_caller_of_the_integers_alone_pays_for_them_alone(tmp_path: Path) -> None:
    need("gcc", "nm")
    subject = read_subject(next(shared_data("mlperf-tiny").rglob("ad01_int8.tflite")))
    for files, kinds in (
        (write_c99(subject.graph, CodeOptions("ad"), subject.integers), ("ad_network_context", "ad_context")),
        (write_network_c99(subject.network, name="ad"), ("ad_network_context",)),
    ):
        _written(files, tmp_path)
        assert sizes_of(tmp_path, "ad.h", *kinds) == [256, 3200][: len(kinds)]
        call(tmp_path, "gcc", "-O1", "-c", "ad.c")
        assert " b " not in call(tmp_path, "nm", "ad.o").lower()


def _written(files: Files, folder: Path) -> None:
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


# What C reads in another way than it is written, alone and beside more of the same.
ODD = (
    *("*/", "/*", "*\\", "\\*/", "*/*/", "**//", "/*/", "??/", "???/", "????/", "a??'b", "\\", "x\\\n", "\n", "\r\n"),
    *("\N{DEGREE SIGN}C", "\N{DEGREE SIGN}Cafe", "m/s\N{SUPERSCRIPT TWO}", "\u03bcm", "%d %s %n", "@ @@", "\x00\x01"),
    *("\u2028\u2029", "\u202e*/ abc", "\ud800", "\U0001f600", '"', "'", "\\x41", "\\u0041", "//", "#define A"),
)
some = st.one_of(st.text(), st.lists(st.sampled_from([*ODD, *"*/\\?@"]), max_size=8).map("".join))


@pytest.mark.slow
@settings(max_examples=400)
@given(some)
@example("???/")
@example("a*\\")
def test_a_comment_holds_text_and_nothing_that_c_reads_otherwise(text: str) -> None:
    for escaped in (comment(text), template_comment(text)):
        assert not re.search(r"\*/|/\*|\?\?|\\", escaped)
        assert escaped.isprintable()
        escaped.encode()
    # What is left is as it was, in order.
    kept = [c for c in text.replace("\\", "/") if c.isprintable() and c != " "]
    assert [c for c in comment(text) if c != " "] == kept


@pytest.mark.slow
def test_text_in_comments_and_strings_compiles_and_strings_keep_their_bytes(tmp_path: Path) -> None:
    need("gcc", "g++")
    texts: list[str] = [text for text in ODD if text != "\ud800"]

    @settings(max_examples=150, database=None, suppress_health_check=list(HealthCheck))
    @given(st.one_of(st.text(st.characters(exclude_categories=["Cs"])), some.filter(lambda t: "\ud800" not in t)))
    def collected(text: str) -> None:
        texts.append(text)

    collected()
    rows = [f"/* {comment(text)} */\n    {literal(text)}," for text in texts]
    lengths = ", ".join(str(len(text.encode())) for text in texts)
    source = (
        "#include <stdio.h>\nstatic const char *const all[] = {\n    " + "\n    ".join(rows) + "\n};\n"
        f"static const unsigned lengths[] = {{{lengths}}};\n"
        "int main(void) {\n    for (unsigned i = 0; i < sizeof lengths / sizeof lengths[0]; ++i) {\n"
        "        fwrite(all[i], 1, lengths[i], stdout);\n    }\n    return 0;\n}\n"
    )
    (tmp_path / "text.c").write_text(source, encoding="utf-8")
    strict = ("-Wall", "-Wextra", "-pedantic", "-Werror", "-Wno-overlength-strings")
    # Both standards have trigraphs.
    for compiler in (("gcc", "-std=c99"), ("g++", "-x", "c++", "-std=c++11")):
        call(tmp_path, *compiler, *strict, "text.c", "-o", "text")
        call(tmp_path, "sh", "-c", "./text > out.bin")
        assert (tmp_path / "out.bin").read_bytes() == b"".join(text.encode() for text in texts)


def test_the_names_of_labels_are_an_array_for_who_wants_one(tmp_path: Path) -> None:
    need("gcc")
    labels = ("on/off", '"*/ @@ \\x41??/', "\N{MICRO SIGN}T, %d")
    _written(write_c99(msgspec.structs.replace(classifier(), labels=labels), CodeOptions("m")), tmp_path)
    (tmp_path / "names.c").write_text(
        '#include "m.h"\n#include <stdio.h>\nstatic const char *const names[] = M_LABEL_NAMES;\n'
        "int main(void) {\n    for (unsigned i = 0; i < sizeof names / sizeof *names; ++i) {\n"
        "        puts(names[i]);\n    }\n    return 0;\n}\n"
    )
    call(tmp_path, "gcc", "-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror", "names.c", "-o", "names")
    assert call(tmp_path, "./names").splitlines() == list(labels)


@pytest.mark.parametrize("unit", ["\N{DEGREE SIGN}C", "\N{MICRO SIGN}T", "m/s\N{SUPERSCRIPT TWO}"])
def test_units_stand_in_the_header_as_they_are(unit: str) -> None:
    text = write_c99(classifier(), CodeOptions("m", columns=["c"] * 10, units=[unit] * 10))["m.h"]
    assert text.count(f"c in {unit}\n") == 10


def test_a_graph_says_where_its_channels_lie() -> None:
    assert image_channels(picture()) == image_channels(small("picture")) == "first"
    assert image_channels(small("conv1d")) == ""
    network = integer_network(small("picture"))
    assert image_channels(network_graph(network)) == "first"
    assert turning(network) is network.operators[0]


def test_an_answer_has_as_many_words_as_a_proof_on_an_emulator_reads(tmp_path: Path) -> None:
    need("gcc", "nm")
    graph = trained("dense")
    for name, text in write_c99(graph, CodeOptions("words")).items():
        (tmp_path / name).write_text(text)
    fields = fields_of(subject_of("words", {"float": graph}))
    assert fields.keys() >= {"label", "probabilities", "confidence"}
    assert sizes_of(tmp_path, "words.h", "words_answer") == [4 * sum(fields.values())]


@pytest.mark.parametrize("computed", [False, True])
def test_pixels_are_picked_by_places_that_are_known(computed: bool) -> None:
    builder = Builder("picture", (3, 6, 5))
    columns = builder.integers(1, 3)
    if computed:
        columns = builder.op("Add", columns, builder.op("Shape", builder.input, start=0, end=2))
    rows = builder.op("Gather", builder.input, builder.integers(0, 2, 4), axis=2)
    value = builder.op("Gather", rows, columns, axis=3)
    graph = builder.finish({"prediction": (value, "float32", (3, 3, 2))})
    resizing = resizing_of(graph, graph.nodes[-1].outputs[0], IntegerValue(shape=(3, 2, 3)))
    assert (resizing is None) == computed
    if resizing is not None:
        assert (resizing.rows.first.tolist(), resizing.columns.first.tolist()) == ([0, 2, 4], [1, 3])


@pytest.mark.slow
@pytest.mark.parametrize("form", ["float", "int8"])
def test_predict_and_network_take_the_channels_of_a_pixel_side_by_side(form: str, tmp_path: Path) -> None:
    need_compiler()
    graph = picture() if form == "float" else small("picture")
    network = None if form == "float" else integer_network(graph)
    channels, height, width = graph.inputs[0].shape
    files = write_c99(graph, CodeOptions("eye"), network)
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
    outputs = CModel(next(tmp_path.glob("*.so")), files["eye.h"], "eye").predict(x).outputs
    np.testing.assert_allclose(
        next(iter(outputs.values())).reshape(wanted.shape), wanted, atol=0.02 if network else 1e-5
    )
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


@pytest.mark.slow
@pytest.mark.needs_data
def test_a_model_of_an_image_from_elsewhere_keeps_its_layout_in_both() -> None:
    file = next(shared_data("mlperf-tiny").rglob("vww_96_int8.tflite"))
    graph: Graph = network_graph(read_tflite(file))
    assert image_channels(graph) == "last"
    text = write_c99(graph, CodeOptions("vww"), integer_network(graph))["vww.h"]
    assert "Input: an image of 96 rows of 96 pixels, 3 channels of a pixel side by side:" in text
    assert "input[(row * 96 + column) * 3 + channel]." in text
    assert "in[(row * 96 + column) * 3 + channel]." in text
    assert "channels first" not in text


PREDICT, NETWORK = 1, 2


def answers_of(models: Mapping[str, Files], folder: Path, compiler: str = "") -> dict[str, int]:
    """Return what the self-test of each export says; they are compiled together."""
    library = ctypes.CDLL(str(compile_together(models, folder, flags=FLAGS, compiler=compiler, taps=False)))
    return {
        name: int(getattr(library, f"{name}_self_test")(context_of(library, f"{name}_self_test_context")))
        for name in models
    }


def answer_of(files: Files, name: str, folder: Path) -> int:
    """Return what the self-test of an export says."""
    return answers_of({name: files}, folder)[name]


def both(graph: Graph, network: IntegerNetwork | None, *, name: str = "eye", turned: bool = True) -> Files:
    """Return a pipeline and its self-test."""
    return {**write_c99(graph, CodeOptions(name, turned=turned), network), **write_self_test(graph, network, name=name)}


@pytest.mark.parametrize("compiler", ["gcc", pytest.param("clang", marks=pytest.mark.slow)])
def test_every_build_passes_its_self_test(compiler: str, tmp_path: Path) -> None:
    need(compiler)
    builds = {}
    for name in (*LAYERS, "picture"):
        floats = picture() if name == "picture" else trained(name)
        builds[f"float_{name}"] = both(floats, None, name=f"float_{name}")
        builds[f"int8_{name}"] = both(small(name), integer_network(small(name), "tflm"), name=f"int8_{name}")
    assert answers_of(builds, tmp_path, compiler) == dict.fromkeys(builds, 0)


@pytest.mark.slow
def test_stages_with_a_window_and_packages_pass_theirs(tmp_path: Path) -> None:
    need_compiler()
    cases = {f"{case[1]}{case[2]}": case for case in CASES if case[1] in ("scale", "spectral", "log_mel", "statistics")}
    builds = {name: both(fitted(*case)[0], None, name=name) for name, case in cases.items()}
    builds |= {"and": export("rows"), "export": export("windows")}
    assert answers_of(builds, tmp_path) == dict.fromkeys(builds, 0)


@pytest.mark.slow
def test_another_order_of_an_image_fails_in_both_functions(tmp_path: Path) -> None:
    need_compiler()
    assert answer_of(both(picture(), None, turned=False), "eye", tmp_path / "float") == PREDICT
    graph = small("picture")
    files = both(graph, integer_network(graph), turned=False)
    assert answer_of(files, "eye", tmp_path / "int8") == PREDICT | NETWORK


@pytest.mark.slow
def test_a_microcontroller_passes_its_self_test() -> None:
    if missing_tools():
        left_out(f"{', '.join(missing_tools())} of gcc-arm-none-eabi and qemu-system-arm")
    call = "static eye_self_test_context context; (void)in; *(int *)out = eye_self_test(&context);"
    for graph, network in ((picture(), None), (small("picture"), integer_network(small("picture")))):
        entry = Entry("eye_self_test.h", call, 4, 4)
        run = run_on_device(both(graph, network), entry, "cortex-m4", np.zeros((1, 1), np.float32))
        assert run.outputs.view(np.int32).tolist() == [[0]]


def test_a_changed_weight_fails(tmp_path: Path) -> None:
    need_compiler()
    files = both(small("pools"), integer_network(small("pools")))
    begin = files["eye.c"].index("eye_dense_8_bias[3] = {\n") + len("eye_dense_8_bias[3] = {\n")
    changed = files["eye.c"][:begin] + "    90000, -90000, 90000\n" + files["eye.c"][files["eye.c"].index("}", begin) :]
    assert answer_of({**files, "eye.c": changed}, "eye", tmp_path) == PREDICT | NETWORK
