"""Generated C of everything there is an example of, under names of their own: stages, layers, networks, operators."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from c99_operator_cases import cases
from c99_stages import fitted
from edgewright.core.integer.network import with_rounding
from edgewright.core.records.network import Graph, IntegerNetwork, IntegerOperator, IntegerValue, Rounding
from edgewright.export.c99_code.header import CodeOptions
from edgewright.export.c99_code.pipeline import write_c99, write_network_c99
from edgewright.export.c99_host.host import STRICT, CModel, compile_c99
from edgewright.graph.builder import Builder
from edgewright.graph.extract import integer_network
from integer_layers import LAYERS as KINDS
from integer_networks import LAYERS as NETWORKS
from integer_networks import picture, small, trained
from layer_examples import CASES as LAYERS
from layer_examples import built_layer
from stage_examples import CASES
from support import left_out

ROUNDINGS: tuple[Rounding, Rounding] = ("litert", "tflm")
WARNINGS = (
    *STRICT,
    *("-Wshadow", "-Wdouble-promotion", "-Wcast-qual", "-Wcast-align", "-Wstrict-prototypes", "-Wmissing-prototypes"),
    *("-Wold-style-definition", "-Wredundant-decls", "-Wpointer-arith", "-Wwrite-strings", "-Wundef", "-Wvla"),
    *("-Wsign-conversion", "-Wfloat-conversion"),
)
Files = dict[str, str]


@cache
def pipelines() -> dict[str, Files]:
    """Name -> files with a `NAME_predict`: every operator, every stage, every layer, every network float and int8."""
    files_of = {"operators": write_c99(cases(), CodeOptions("operators"))}
    for room, kind, number in CASES:
        name = f"stage_{kind}{number}"
        limit = fitted(room, kind, number)[0].inputs[0].shape[0]
        files_of[name] = write_c99(fitted(room, kind, number)[0], CodeOptions(name, ranges=[(-1e6, 1e6)] * limit))
    for number, (kind, settings) in enumerate(LAYERS):
        name = f"layer_{kind}{number}"
        layer, config, shape, parameters = built_layer(kind, settings)
        builder = Builder(name, shape)
        value = layer.to_graph(config, parameters, builder, builder.input, shape)
        files_of[name] = write_c99(
            builder.finish({"prediction": (value, "float32", layer.out_shape(config, shape))})
            if value != builder.input
            else _same(builder, shape),
            CodeOptions(name),
        )
    for name in (*NETWORKS, "picture"):
        floats = picture() if name == "picture" else trained(name)
        files_of[f"float_{name}"] = write_c99(floats, CodeOptions(f"float_{name}"))
        for rounding in ROUNDINGS:
            word = f"{rounding}_{name}"
            files_of[word] = write_c99(small(name), CodeOptions(word), integer_network(small(name), rounding))
    return files_of


def _same(builder: Builder, shape: tuple[int, ...]) -> Graph:
    """Return a layer that does nothing when it answers."""
    return builder.finish({"prediction": (builder.op("Identity", builder.input), "float32", shape)})


@cache
def networks() -> dict[str, Files]:
    """Name -> files with a `NAME_network` alone: integer operators of every kind, some kernels within the padding."""
    rng = np.random.default_rng(23)
    files_of = {}
    for rounding in ROUNDINGS:
        networks = {f"{kind}{n}": make(rng) for kind, make in KINDS.items() for n in range(2)}
        for kind in ("conv", "depthwise"):
            networks[f"{kind}_beside"] = parallel_branches(kind)
        for name, network in networks.items():
            word = f"net_{name}_{rounding}"
            files_of[word] = write_network_c99(with_rounding(network, rounding), name=word)
    return files_of


def parallel_branches(kind: str) -> IntegerNetwork:
    """Return a convolution with more padding than its kernel is long: at some places no tap lies on the image."""
    rng = np.random.default_rng(5)
    shape = (5, 2, 2, 3) if kind == "conv" else (2, 2, 3)
    channels = shape[0] if kind == "conv" else shape[-1]
    numbers: dict[str, tuple[int, ...]] = {
        "kernel": (2, 2), "strides": (1, 2), "dilations": (1, 1), "pads": (3, 2, 2, 4),
    }  # fmt: skip
    if kind == "conv":
        numbers["groups"] = (1,)
    operator = IntegerOperator(
        kind=kind,
        inputs=(0,),
        output=1,
        numbers=numbers,
        arrays={
            "weights": rng.integers(-127, 128, shape).astype(np.int8),
            "weight_scale": np.asarray([0.01], np.float32),
            "bias": rng.integers(-900, 900, channels).astype(np.int32),
        },
    )
    # (3 + 5 + 2 - 1 - 1) / 1 + 1 rows, (2 + 4 + 4 - 1 - 1) / 2 + 1 columns.
    values = (
        IntegerValue(shape=(5, 4, 3), scale=0.05, zero=7),
        IntegerValue(shape=(9, 5, channels), scale=0.1, zero=-9),
    )
    return IntegerNetwork(name="beside", rounding="none", values=values, operators=(operator,), input=0, output=1)


@cache
def everything() -> dict[str, Files]:
    """All of them."""
    return {**pipelines(), **networks()}


def put(folder: Path) -> str:
    """Write all of them side by side, and one source that includes them.

    A compiler takes longer to start and to read <math.h> than over an example.
    """
    for files in everything().values():
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    (folder / "all.c").write_text("".join(f'#include "{name}.c"\n' for name in everything()))
    return "all.c"


def load_together(
    models: Mapping[str, Files], folder: Path, *, flags: Sequence[str], compiler: str = "", taps: bool = True
) -> dict[str, CModel]:
    """Compile models of different names as one source (`compile_together`), and open each of them."""
    library = compile_together(models, folder, flags=flags, compiler=compiler, taps=taps)
    return {name: CModel(library, files[f"{name}.h"], name) for name, files in models.items()}


def compile_together(
    models: Mapping[str, Files], folder: Path, *, flags: Sequence[str], compiler: str = "", taps: bool = True
) -> Path:
    """Compile models of different names as one source.

    A compiler takes longer to start, to link and to read <math.h> than over a model.

    Args:
        models: name -> files, as `write_c99` gives them for that name.
        folder: where files and the library go.
        flags: of the compiler.
        compiler: name or path; found when empty.
        taps: whether the stages can be seen.

    Returns:
        Path of the library.
    """
    folder.mkdir(parents=True, exist_ok=True)
    texts = {file: text for files in models.values() for file, text in files.items()}
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    defines = [f"#define {name.upper()}_TAPS 1\n" for name in models if taps]
    sources = [f'#include "{name}"\n' for name in texts if name.endswith(".c")]
    heads = {name: text for name, text in texts.items() if name.endswith(".h")}
    files = {"all.c": "".join([*defines, *sources]), **heads}
    return compile_c99(files, folder, flags=flags, compiler=compiler, taps=False)


def call(folder: Path, *command: str) -> str:
    """Return what a program says on both streams; fails with it."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    message = done.stdout + done.stderr
    assert done.returncode == 0, message[-4000:]
    return message


def sizes_of(folder: Path, header: str, *kinds: str) -> list[int]:
    """Return bytes of types that a header in a folder declares."""
    lines = [f"char size{index}[sizeof({kind})];\n" for index, kind in enumerate(kinds)]
    (folder / "sizes_of.c").write_text(f'#include "{header}"\n' + "".join(lines))
    call(folder, "gcc", "-std=c99", "-fno-common", "-c", "sizes_of.c")
    words = [line.split() for line in call(folder, "nm", "-S", "sizes_of.o").splitlines()]
    return [int(next(w[1] for w in words if w[-1] == f"size{index}"), 16) for index in range(len(kinds))]


def need(*programs: str) -> None:
    """Leave the test out where one of them is absent."""
    missing = [name for name in programs if shutil.which(name) is None]
    if missing:
        left_out(", ".join(missing))


def harness(names: Sequence[str], networks_too: Sequence[str]) -> str:
    """Return a program that calls all of them with numbers of every sort and bytes of every size."""
    lines = ["#include <math.h>", "#include <stdint.h>", "#include <stdio.h>", "#include <string.h>"]
    lines += [f'#include "{name}.h"' for name in (*names, *networks_too)]
    lines.append(_FILL)
    calls = []
    for name in names:
        lines.append(_PREDICT.replace("@@", name.upper()).replace("@", name))
        calls.append(f"    try_{name}();")
    for name in networks_too:
        lines.append(_NETWORK.replace("@@", name.upper()).replace("@", name))
        calls.append(f"    bytes_{name}();")
    return "\n".join(
        [*lines, "int main(void) {", *calls, '    printf("%ld calls\\n", calls);', "    return 0;", "}", ""]
    )


_FILL = """\
static long calls;
/* Run 0 to 5: one number everywhere; then usual ones, large ones, gaps, and one odd number among usual ones. */
static float value(int run, int i) {
    static const float all[] = {0.0f, NAN, INFINITY, -INFINITY, 3.4e38f, -1e-42f};
    const float usual = (float)((i * 37 + run * 11) % 101 - 50) * 0.05f;
    if (run < 6) {
        return all[run];
    }
    if (run == 6) {
        return usual * 1e30f;
    }
    if (run == 7) {
        return i % 3 ? usual : NAN;
    }
    return run < 12 && i % 17 == run ? all[run - 6] : usual * (run == 12 ? 4e9f : 1.0f);
}"""
_PREDICT = """\
static void try_@(void) {
    static float in[@@_INPUTS];
    static @_context context;
    @_answer answer;
    for (int run = 0; run < 16; ++run) {
        for (int i = 0; i < @@_INPUTS; ++i) {
            in[i] = value(run, i);
        }
        memset(&context, 0x5a + run, sizeof context);
        memset(&answer, 0x5a, sizeof answer);
        const int flags = @_predict(&context, in, &answer);
        if (flags != (int)answer.flags || (flags & ~(1 | 4 | 8)) != 0) {
            printf("@: flags %d\\n", flags);
        }
        ++calls;
    }
}"""
_NETWORK = """\
static void bytes_@(void) {
    static int8_t in[@@_NETWORK_INPUTS], out[@@_NETWORK_OUTPUTS];
    static @_network_context context;
    for (int run = 0; run < 8; ++run) {
        for (int i = 0; i < @@_NETWORK_INPUTS; ++i) {
            in[i] = (int8_t)(run == 0 ? -128 : run == 1 ? 127 : (i * 29 + run * 7) % 256 - 128);
        }
        memset(&context, run, sizeof context);
        @_network(&context, in, out);
        ++calls;
    }
}"""
