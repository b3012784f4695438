"""What a detector of windows looks at, in C: as `monitor.detector_stream.window_features` has it."""

from __future__ import annotations

from edgewright.export._c_detector_form import Form
from edgewright.export._c_stream_window import fill_code, slide_code
from edgewright.monitor.detector_stream import FEATURES
from edgewright.schema.package import WindowSpec

_FEATURES = """\
/* Rounded; a number that float32 has not is none. */
static float @_single(double x) {
    return fabs(x) <= (double)FLT_MAX ? (float)x : NAN;
}

/* Mean, deviation, mean step and range of every channel; NAN without two values in a row. Summed up in double, once a
   window, and then rounded: these are the features the detector was fitted on, to the bit. */
static void @_features(const float *window, float *made) {
    for (int i = 0; i < $C; ++i) {
        const float *const x = window + $S * i;
        float *const out = made + $F * i;
        float low = FLT_MAX, high = -FLT_MAX;
        double sum = 0.0, steps = 0.0, squares = 0.0;
        int many = 0, pairs = 0;
        for (int k = 0; k < $S; ++k) {
            if (!@_finite(x[k])) {
                continue;
            }
            ++many;
            sum += (double)x[k];
            low = x[k] < low ? x[k] : low;
            high = x[k] > high ? x[k] : high;
            if (k > 0 && @_finite(x[k - 1])) {
                steps += fabs((double)x[k] - (double)x[k - 1]);
                ++pairs;
            }
        }
        if (pairs == 0) {
            for (int k = 0; k < $F; ++k) {
                out[k] = NAN;
            }
            continue;
        }
        const double mean = sum / many;
        for (int k = 0; k < $S; ++k) {
            const double far = (double)x[k] - mean;
            squares += @_finite(x[k]) ? far * far : 0.0;
        }
        out[0] = @_single(mean);
        out[1] = @_single(sqrt(squares / many));
        out[2] = @_single(steps / pairs);
        out[3] = high - low;
    }
}"""
_SCORE = """\
%s(@_detect_context *context, const float *window) {
    float row[%d];
    @_features(window, row);
    return @_seen(context, row);
}"""


def window_code(form: Form, window: WindowSpec) -> list[str]:
    """Functions of a detector of windows, cut here where it is `held`."""
    samples, step, channels = window.samples, window.step, form.channels
    features = _FEATURES.replace("$C", str(channels)).replace("$S", str(samples)).replace("$F", str(len(FEATURES)))
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
