"""Accelerators by their published rules: operator by operator, and generated C for synthesis."""

from __future__ import annotations

import pytest

from edgewright.core.errors import UnknownNameError
from edgewright.profiles.catalogue import load_profile
from edgewright.profiles.rules import (
    CHECKED,
    Operator,
    check_operators,
    check_program,
    listing,
    load_rules,
)


def op(name: str, dtype: str = "int8", **more: object) -> Operator:
    return Operator(name=name, value="v", dtype=dtype, **more)  # type: ignore[arg-type]


def test_every_kind_has_its_rules() -> None:
    named = {"edge-tpu", "xnnpack", "nnapi", "coreml", "tensorrt", "cuda", "openvino", "hls"}
    assert named <= set(listing())
    for name in listing():
        assert len(load_rules(name).source) > 20


def test_unknown_rules_list_the_known() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'edge-tpu'"):
        load_rules("edge-tpus")


def test_edge_tpu_takes_bytes_only_and_parts_a_model_once() -> None:
    rules = load_rules("edge-tpu")
    verdicts = check_operators(rules, [op("CONV_2D"), op("COS"), op("FULLY_CONNECTED")])
    assert [verdict.supported for verdict in verdicts] == [True, False, False]
    assert verdicts[1].why == "not in the list of operators"
    assert verdicts[2].why == "runs on the CPU because it comes after COS"
    floats = check_operators(rules, [op("CONV_2D", "float32")])[0]
    assert floats.why == "float32, not one of int8, uint8"
    assert check_operators(rules, [op("MAX_POOL_2D", activation="relu")])[0].why == "relu is fused into it"


def test_limits_of_shapes_and_constants() -> None:
    rules = load_rules("tensorrt")
    verdicts = check_operators(
        rules,
        [
            op("Conv", "float32", rank=3),
            op("Conv", "float32", rank=4),
            op("Clip", "float32", constants=(False, True, False)),
            op("Clip", "float32", constants=(False, True, True)),
        ],
    )
    assert [v.supported for v in verdicts] == [False, True, False, True]
    assert verdicts[0].why == "3 axes, expected 4 or 5"
    assert verdicts[2].why == "input 2 must be a constant"


PROGRAM = """\
static float model_square(float a) {
    return a * a;
}

static void model_dense(const float *x, int step,
                        int outputs) {
    for (int j = 0; j < outputs; ++j) {
        model_square(x[j * step]);
    }
}

static void model_first(const float *x) {
    model_second(x);
}

static void model_second(const float *x) {
    model_first(x);
}

int model_predict(const float *input) {
    float *v = malloc(4);
    v[0] = expf(input[0]) + (*model_pointer)(2);
    return 0;
}
"""


def test_synthesis_refuses_recursion_heap_and_pointers() -> None:
    verdicts = {v.value: v for v in check_program(load_rules("hls"), PROGRAM)}
    assert list(verdicts) == ["model_square", "model_dense", "model_first", "model_second", "model_predict"]
    assert verdicts["model_square"].supported
    assert verdicts["model_dense"].supported
    assert "recursion" in verdicts["model_first"].why
    assert not verdicts["model_second"].supported
    assert verdicts["model_predict"].why == "calls a function by its address"
    heap = {v.value: v for v in check_program(load_rules("hls"), PROGRAM.replace("(*model_pointer)(2)", "0.0f"))}
    assert heap["model_predict"].why == "calls malloc, which the library for synthesis does not have"


def test_what_is_checked_is_not_run() -> None:
    assert CHECKED == "checked by rule, not run"
    assert load_profile("coral-edge-tpu").accelerators[0].rules == "edge-tpu"
