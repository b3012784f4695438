"""A model against the accelerators of a profile, by their published rules."""

from __future__ import annotations

import numpy as np

from edgewright.core.prediction.executor import compile_graph
from edgewright.export.c99_code.header import CodeOptions
from edgewright.export.c99_code.pipeline import write_c99
from edgewright.export.contract import Subject
from edgewright.export.targets.tflite import to_tflite
from edgewright.export.vela import CONFIGURATIONS, NOT_RUN, Placement, compile_vela
from edgewright.graph.from_tflite_file import parse_tflite
from edgewright.profiles.rules import (
    CHECKED,
    Checked,
    Operator,
    Rules,
    Verdict,
    check_operators,
    check_program,
    load_rules,
)
from edgewright.schema.errors import EdgewrightError
from edgewright.schema.graph import Graph, Node
from edgewright.schema.integer import IntegerNetwork
from edgewright.schema.profile import Profile

# How LiteRT calls the operators of a network.
_LITERT = {
    "add": "ADD",
    "average_pool": "AVERAGE_POOL_2D",
    "concat": "CONCATENATION",
    "conv": "CONV_2D",
    "dense": "FULLY_CONNECTED",
    "depthwise": "DEPTHWISE_CONV_2D",
    "logistic": "LOGISTIC",
    "max_pool": "MAX_POOL_2D",
    "mean": "MEAN",
    "pad": "PAD",
    "quantise": "QUANTIZE",
    "relu": "RELU",
    "reshape": "RESHAPE",
    "softmax": "SOFTMAX",
    "transpose": "TRANSPOSE",
}


def accelerators(profile: Profile, subject: Subject) -> tuple[Checked, ...]:
    """Every accelerator of a profile with a verdict on each operator.

    Args:
        profile: of the device.
        subject: the model.
    """
    compiled = []
    for accelerator in profile.accelerators:
        rules = load_rules(accelerator.rules)
        verdicts, notes = _verdicts(rules, subject)
        how = CHECKED
        if accelerator.configuration in CONFIGURATIONS and verdicts:
            verdicts, how, more = _compiled(accelerator.configuration, rules, subject, verdicts)
            notes = (*notes, *more)
        compiled.append(
            Checked(
                accelerator=accelerator.name,
                serves=accelerator.serves,
                verdicts=verdicts,
                supported=sum(verdict.supported for verdict in verdicts),
                source=rules.source,
                how=how,
                notes=(*notes, *rules.notes),
            )
        )
    return tuple(compiled)


def _compiled(
    configuration: str, rules: Rules, subject: Subject, verdicts: tuple[Verdict, ...]
) -> tuple[tuple[Verdict, ...], str, tuple[str, ...]]:
    """Return the verdicts of Vela in place of those of its rules, how they came about, and notes."""
    try:
        model = to_tflite(subject.network)
        report = compile_vela(model, configuration)
    except EdgewrightError as error:
        return verdicts, CHECKED, (str(error),)
    placed = tuple(_verdict(placement, number) for number, placement in enumerate(report.operators))
    ours = check_operators(rules, _file_operators(model))
    other = [
        f"our rules say otherwise of {placement.operator}, {placement.value}: {own.why or 'it is taken'}"
        for own, placement in zip(ours, placed, strict=True)
        if own.supported != placement.supported
    ]
    return placed, NOT_RUN, (str(report), *other)


def _file_operators(model: bytes) -> list[Operator]:
    """Return the operators of a .tflite as it is written."""
    file = parse_tflite(model)
    return [
        Operator(
            name=operator.name,
            value=f"operator {number}",
            dtype=file.tensors[operator.outputs[0]].dtype,
            rank=len(file.tensors[operator.inputs[0]].shape),
            constants=tuple(tensor < 0 or file.tensors[tensor].array is not None for tensor in operator.inputs),
        )
        for number, operator in enumerate(file.operators)
    ]


def _verdict(placement: Placement, number: int) -> Verdict:
    why = "" if placement.npu else "Vela leaves it to the CPU"
    return Verdict(operator=placement.operator, value=f"operator {number}", supported=placement.npu, why=why)


def _verdicts(rules: Rules, subject: Subject) -> tuple[tuple[Verdict, ...], tuple[str, ...]]:
    try:
        if rules.reads == "c99":
            text = write_c99(subject.graph, CodeOptions("model"), subject.integers)["model.c"]
            return check_program(rules, text), ()
        if rules.reads == "onnx":
            return check_operators(rules, _graph_operators(subject.graph)), ()
        network = subject.network
    except EdgewrightError as error:
        return (), (f"cannot be checked: {error}",)
    outside = sum(node.op not in ("QuantizeLinear", "DequantizeLinear") for node in _before(subject.graph))
    notes = (f"{outside} float operators before the network run on the CPU",) if outside else ()
    return check_operators(rules, _network_operators(network)), notes


def _before(graph: Graph) -> tuple[Node, ...]:
    """Return nodes that come before the boundary."""
    nodes = []
    for node in graph.nodes:
        if not graph.boundary or graph.boundary == graph.inputs[0].name:
            break
        nodes.append(node)
        if graph.boundary in node.outputs:
            return tuple(nodes)
    return ()


def _graph_operators(graph: Graph) -> list[Operator]:
    names = [output for node in graph.nodes for output in node.outputs if output]
    source = graph.inputs[0]
    sample = np.zeros((1, *source.shape), source.dtype)
    values = {**graph.constants, source.name: sample, **compile_graph(graph, names)(sample)}
    operators = []
    for node in graph.nodes:
        first = values.get(node.inputs[0]) if node.inputs else None
        dtype = values[node.outputs[0]].dtype.name
        operators.append(
            Operator(
                name=node.op,
                value=node.outputs[0],
                dtype="float32" if dtype == "float64" else dtype,
                rank=0 if first is None else first.ndim,
                constants=tuple(not name or name in graph.constants for name in node.inputs),
            )
        )
    return operators


def _network_operators(network: IntegerNetwork) -> list[Operator]:
    dtype = "float32" if network.rounding == "none" else "int8"
    return [
        Operator(
            name=_LITERT.get(operator.kind, operator.kind.upper()),
            value=f"value {operator.output}",
            dtype=dtype,
            rank=1 + len(network.values[operator.inputs[0]].shape),
            activation=operator.activation,
        )
        for operator in network.operators
    ]
