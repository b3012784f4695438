"""A fitted detector as C99: rows or windows in, anomalies out, with the channel to blame."""

from __future__ import annotations

from collections.abc import Sequence

from edgewright.core.integer.rounding import rounding_of
from edgewright.export.c99_code.parts import filled, parts
from edgewright.export.c99_code.pipeline import write_c99
from edgewright.export.c99_code.text import TYPES, entries, identifier, number
from edgewright.export.c99_detectors import Learnt, writer
from edgewright.export.c99_detectors._form import Form, checked
from edgewright.export.c99_detectors._header import detector_header
from edgewright.export.c99_stream.window import fill_code, slide_code
from edgewright.export.contract import Subject
from edgewright.monitor.detector_stream import FEATURES, MOST_SEEN
from edgewright.schema.graph import Graph
from edgewright.schema.package import WindowSpec

C = parts(__file__, "detector.c")
_SCORE = """\
%s(@_detect_context *context, const float *window) {
    float row[%d];
    @_features(window, row);
    return @_seen(context, row);
}"""


def window_code(form: Form, window: WindowSpec) -> list[str]:
    """Return functions of a detector of windows, cut here where it is `held`."""
    samples, step, channels = window.samples, window.step, form.channels
    features = filled(C["features"], C=channels, S=samples, F=len(FEATURES))
    if not form.held:
        shape = "const float window[@@_DETECT_CHANNELS * @@_DETECT_WINDOW]"
        score = (_SCORE % ("float @_detect_window_score", form.seen)).replace(
            "    float row", "    ++context->rows;\n    float row"
        )
        return [
            features,
            score.replace("const float *window", shape),
            f"int @_detect_window(@_detect_context *context, {shape}, @_anomaly *anomaly) {{\n"
            "    return @_judge(context, @_detect_window_score(context, window), anomaly);\n}",
        ]
    lines = [
        "int @_detect(@_detect_context *context, const float row[@@_DETECT_CHANNELS], @_anomaly *anomaly) {",
        "    ++context->rows;",
        *fill_code(channels, samples, step, "row"),
        "    const float score = @_window_score(context, context->window);",
        *slide_code(channels, samples, step),
        "    return @_judge(context, score, anomaly);",
        "}",
    ]
    gap = ["void @_detect_gap(@_detect_context *context) {", "    context->filled = 0;"]
    gap += ["    context->skip = 0;"] if step > samples else []
    return [features, _SCORE % ("static float @_window_score", form.seen), "\n".join(lines), "\n".join([*gap, "}"])]


# Every score, for comparisons.
_TAP = ("#ifdef @@_DETECT_TAPS", "float @_detect_judged;", "uint32_t @_detect_judgements;", "#endif", "")
_TAPPED = ("#ifdef @@_DETECT_TAPS", "    @_detect_judged = score;", "    ++@_detect_judgements;", "#endif")


def write_detector_c99(
    kind: str,
    learnt: Learnt,
    *,
    name: str,
    columns: Sequence[str],
    threshold: float,
    refractory: float = 0,
    window: WindowSpec | None = None,
    held: bool = True,
) -> dict[str, str]:
    """Return a detector of `monitor/detectors` as a header and a source file, in float32.

    Args:
        kind: of the detector.
        learnt: what it learnt.
        name: of the files, and prefix of every name in them.
        columns: channels in the order of a row.
        threshold: a score from here on is odd.
        refractory: rows (windows) after an anomaly in which no other is told, below 1 a share of the rows seen; with 0,
            a run of odd rows is one.
        window: whose features the detector sees; None for rows.
        held: whether the code cuts the windows of rows; it is else given whole ones, as where a model has them.

    Returns:
        File name -> text: NAME_detect.h and NAME_detect.c; NAME_net.h and NAME_net.c of a detector with a network.

    Raises:
        InputError: for a name that C does not take, a threshold or a count that is none, or what the code cannot hold.
        UnknownNameError: for a detector that has no form in C, listing those that have.
    """
    form = detector_form(
        kind, learnt, columns=columns, threshold=threshold, refractory=refractory, window=window, held=held
    )
    return form_files(form, name)


def detector_form(
    kind: str,
    learnt: Learnt,
    *,
    columns: Sequence[str],
    threshold: float,
    refractory: float = 0,
    window: WindowSpec | None = None,
    held: bool = True,
) -> Form:
    """Return what is written, as `write_detector_c99` takes it.

    Raises:
        InputError: a threshold or a count that is none, or what the code cannot hold.
        UnknownNameError: for a detector that has no form in C, listing those that have.
    """
    score = writer(kind).write(learnt)
    return checked(Form(kind, score, tuple(columns), threshold, refractory, window, held))


def form_files(form: Form, name: str) -> dict[str, str]:
    """Return its files, as `write_detector_c99` gives them.

    Raises:
        InputError: for a name that C does not take, or a network that it cannot hold.
        UnknownNameError: for an operator of the network that has no C form.
    """
    made = {f"{identifier(name)}_detect.h": detector_header(form), f"{name}_detect.c": _source(form)}
    network = {} if form.score.network is None else _network(form.score.network, f"{name}_net")
    return {**{f: text.replace("@@", name.upper()).replace("@", name) for f, text in made.items()}, **network}


def _network(graph: Graph, name: str) -> dict[str, str]:
    """Return the network of a detector, as of any model: integers where it has them, else floats."""
    return write_c99(graph, Subject(name, graph, rounding_of(graph)).integers, name=name)


def _source(form: Form) -> str:
    score = form.score
    tables = [
        f"static const {TYPES[stored.dtype.name]} @_{name}[{stored.size}] = {{\n{entries(stored)}\n}};"
        for name, stored in form.tables().items()
    ]
    blocks = [
        '#include "@_detect.h"\n\n#include <float.h>\n#include <math.h>\n#include <string.h>',
        *tables,
        C["finite"],
        *([C["bounded"]] if any("@_bounded(" in line for line in score.lines) else []),
        *([score.helpers] if score.helpers else []),
        "\n".join(
            [
                "static float @_score(@_detect_context *context, const float *row) {",
                *(f"    {line}" for line in score.lines),
                "}",
            ]
        ),
        filled(C["seen"], channels=form.seen),
        _judge(form),
        *([C["rows"]] if form.window is None else window_code(form, form.window)),
        *([filled(C["time"], season=score.season[0], slots=score.season[1])] if score.season else []),
        "void @_detect_init(@_detect_context *context) {\n    memset(context, 0, sizeof *context);\n}",
    ]
    return "\n\n".join(blocks) + "\n"


def _pause(refractory: float) -> str:
    """Return the rows after an alarm in which no other is raised (`monitor.detector_stream.pause`)."""
    if refractory >= 1:
        return f"{int(refractory)}u"
    return f"(context->rows < {MOST_SEEN}u ? context->rows : {MOST_SEEN}u) * {round(1000 * refractory)}u / 1000u"


def _judge(form: Form) -> str:
    """From a score to an anomaly."""
    wait = (
        [
            "    if (context->quiet > 0u) {",
            "        --context->quiet;",
            "        return 0;",
            "    }",
            "    if (!odd) {",
            "        return 0;",
            "    }",
            f"    context->quiet = {_pause(form.refractory)};",
        ]
        if form.refractory
        else [
            "    const uint32_t before = context->odd;",
            "    context->odd = odd ? 1u : 0u;",
            "    if (!odd || before != 0u) {",
            "        return 0;",
            "    }",
        ]
    )
    each = len(FEATURES)
    part = ["        const float part = context->parts[i];"]
    if form.window is not None:
        part = [
            "        float part = 0.0f;",
            f"        for (int k = 0; k < {each}; ++k) {{",
            f"            part += context->parts[{each} * i + k];",
            "        }",
        ]
    lines = [
        *_TAP,
        "static int @_judge(@_detect_context *context, float score, @_anomaly *anomaly) {",
        f"    const int odd = score >= {number(form.threshold)};",
        *_TAPPED,
        *wait,
        "    float most = 0.0f;",
        "    anomaly->channel = -1;",
        f"    for (int i = 0; i < {form.channels}; ++i) {{",
        *part,
        "        if (part > most) {",
        "            most = part;",
        "            anomaly->channel = i;",
        "        }",
        "    }",
        "    anomaly->score = score;",
        "    anomaly->row = context->rows - 1u;",
        "    return 1;",
        "}",
    ]
    return "\n".join(lines)
