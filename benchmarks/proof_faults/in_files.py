"""Faults in files of models: ONNX, .tflite, and Verilog with its memories."""

from __future__ import annotations

import importlib
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from benchmarks.proof_faults.in_c import choose
from benchmarks.proof_faults.judging import FILE, Bench, Case, NoFaultError, Verdict, settled
from benchmarks.proof_faults.rules import VERILOG_RULES, TextFault, faults_in, of_verilog
from edgewright.core.records.proof import FileRecord, Numbers
from edgewright.export.verilog import _files as verilog_files
from edgewright.export.verilog._layout import Layout
from edgewright.proof.tolerance import Form, Stages
from edgewright.workflows.proof.artifacts import Artefact, Kind
from edgewright.workflows.proof.forms import Subject, graphs, litert, tflite_file, verilog

Untyped = Any
# Other inputs of a file, and of a simulated design.
_OTHERS, _SIMULATED = 5000, 200
_TURNED = ("Sub", "Div", "Greater", "Less", "GreaterOrEqual", "LessOrEqual")
_OPERATORS = {
    "Add": "Sub", "Sub": "Add", "Max": "Min", "Min": "Max", "ReduceMax": "ReduceMin", "Greater": "GreaterOrEqual",
    "Less": "LessOrEqual", "GreaterOrEqual": "Greater", "LessOrEqual": "Less", "Floor": "Ceil",
    "ReduceMean": "ReduceSum",
    "And": "Or", "Or": "And", "Sigmoid": "Tanh", "Relu": "Abs",
}  # fmt: skip
_COMPARISONS = ("Greater", "Less", "GreaterOrEqual", "LessOrEqual", "Clip", "TreeEnsemble")
_OF_RULE = {"Floor": "rounding", "Greater": "comparison", "Less": "comparison", "GreaterOrEqual": "comparison",
            "LessOrEqual": "comparison"}  # fmt: skip


@dataclass(frozen=True)
class ModelFault:
    """A fault of a model: what plants it in the file's object, and where."""

    rule: str
    where: str
    change: str
    plant: Callable[[Untyped], None]


def _draw(faults: Sequence[ModelFault], count: int, rng: random.Random) -> list[ModelFault]:
    return choose(faults, count, rng)  # type: ignore[arg-type,return-value]


def other_entry(array: NDArray[Any], at: int) -> NDArray[Any]:
    """Return an array with one entry a tenth of the largest further; bytes a quarter, indices one."""
    changed = np.array(array)
    flat = changed.reshape(-1)
    if array.dtype.kind == "f":
        flat[at] += 0.1 * (np.abs(array[np.isfinite(array)]).max(initial=0) or 1.0)
    elif array.dtype.kind == "b":
        flat[at] = not flat[at]
    else:
        limits = np.iinfo(array.dtype)
        largest = max(1, round(float(np.abs(array.astype(np.int64)).max()) / 4)) if array.dtype.itemsize < 8 else 1
        value = int(flat[at])
        flat[at] = value + largest if value + largest <= limits.max else value - largest
    return changed


def onnx_faults(model: onnx.ModelProto, rng: random.Random) -> Iterator[ModelFault]:
    """Yield faults of a model: entries of constants, scales, operators, orders of inputs, and class names."""
    graph = model.graph
    users: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    for index, tensor in enumerate(graph.initializer):
        array = numpy_helper.to_array(tensor)
        kinds = {node.op_type for node in users.get(tensor.name, [])}
        if not array.size or array.dtype.kind not in "fib" or kinds <= {"Reshape", "Flatten", "Squeeze", "Unsqueeze"}:
            continue
        rule = "table" if array.size > 1 else "threshold" if kinds & set(_COMPARISONS) else "constant"
        if kinds & {"QuantizeLinear", "DequantizeLinear"} and array.size == 1:
            rule = "unit" if array.dtype.kind == "f" else "rounding"
        if kinds & {"Gather", "Slice"} and array.dtype.kind == "i":
            rule = "index"
        for at in sorted({rng.randrange(array.size) for _ in range(4)}):
            yield ModelFault(
                rule,
                f"{tensor.name}[{at}] of {'/'.join(sorted(kinds))}",
                "another value",
                partial(_entry, index=index, at=at),
            )
    for index, node in enumerate(graph.node):
        if node.op_type in _TURNED and len(node.input) > 1:
            yield ModelFault("order", f"node {index} {node.op_type}", "inputs turned", partial(_turn, index=index))
        if node.op_type in _OPERATORS:
            rule = _OF_RULE.get(node.op_type, "operator")
            yield ModelFault(
                rule,
                f"node {index}",
                f"{node.op_type} -> {_OPERATORS[node.op_type]}",
                partial(_operator, index=index),
            )
    for entry in model.metadata_props:
        if re.fullmatch(r'\["[^"]+", *"[^"]+".*\]', entry.value) and "label" in entry.key:
            yield ModelFault("label", entry.key, "two names turned", partial(_labels, key=entry.key))


def _entry(model: onnx.ModelProto, index: int, at: int) -> None:
    tensor = model.graph.initializer[index]
    tensor.CopyFrom(numpy_helper.from_array(other_entry(numpy_helper.to_array(tensor), at), tensor.name))


def _turn(model: onnx.ModelProto, index: int) -> None:
    node = model.graph.node[index]
    node.input[0], node.input[1] = node.input[1], node.input[0]


def _operator(model: onnx.ModelProto, index: int) -> None:
    node = model.graph.node[index]
    node.op_type = _OPERATORS[node.op_type]


def _labels(model: onnx.ModelProto, key: str) -> None:
    (entry,) = (entry for entry in model.metadata_props if entry.key == key)
    entry.value = re.sub(r'"([^"]+)", *"([^"]+)"', r'"\2", "\1"', entry.value, count=1)


def onnx_cases(bench: Bench, rng: random.Random, count: int) -> Iterator[Case]:
    """Yield faults in the ONNX files of a run."""
    models = bench.subject.models
    assert bench.right.passed  # noqa: S101 - asked there
    for numbers in models:
        faults = list(onnx_faults(onnx.load_from_string(models[numbers]), rng))
        for fault in _draw(faults, -(-count // len(models)), rng):

            def changed(n: Numbers = numbers, f: ModelFault = fault) -> bytes:  # type: ignore[assignment]
                model = onnx.load_from_string(models[n])
                f.plant(model)
                return bytes(model.SerializeToString())

            yield Case.of(
                "onnx",
                bench.name,
                fault,
                partial(_lying, bench, "onnx", models[numbers], changed, _onnx_forms),
                numbers,
            )


def _onnx_forms(subject: Subject) -> list[Form]:
    return [
        form for form in graphs.FORMS.make(subject) if form.name.startswith("fault") and "OpenVINO" not in form.name
    ]


def _lying(
    bench: Bench, kind: Kind, model: bytes, change: Callable[[], bytes], make: Callable[[Subject], list[Form]]
) -> Verdict:
    """Return the verdict of a file as it lies on the disk."""
    changed = change()
    if changed == model:
        raise NoFaultError
    originals = make(_with(bench, kind, model))
    right = {form.name: form.run(bench.chosen.samples, bench.boundary) for form in originals}
    subject = _with(bench, kind, changed)
    forms = make(subject)
    if not forms:
        return Verdict("refused", FILE, FILE, why="; ".join(form.reason for form in subject.absent))
    verdict = bench.proven(forms, right, subject)
    if verdict.result == "refused" and not verdict.stage:
        return replace(verdict, stage=FILE, right=FILE)
    other = bench.others(originals, _OTHERS) if verdict.result == "missed" else {}
    return settled(verdict, other, lambda: bench.others(forms, _OTHERS))


def _with(bench: Bench, kind: Kind, model: bytes) -> Subject:
    name = f"fault.{kind}"
    record = FileRecord(name=name, size_bytes=len(model), sha256="")
    artefact = Artefact(name, kind, {name: model})
    return replace(bench.subject, artefacts=(artefact,), files=(*bench.subject.files, record), absent=[])


def tflite_cases(bench: Bench, rng: random.Random, count: int) -> Iterator[Case]:
    """Yield faults in the .tflite files that `export` writes of a run: whole where it can be, else the network."""
    assert bench.right.passed  # noqa: S101 - asked there
    for network in litert.networks(bench.subject):
        try:
            model: bytes = litert.whole_file(network).model
        except Exception:  # noqa: BLE001 - an operator that .tflite has not
            if network.network is None:
                continue
            model = litert.network_file(network.network)
        for fault in _draw(list(_tflite_faults(_tables(model), rng)), -(-count // 2), rng):

            def changed(m: bytes = model, f: ModelFault = fault) -> bytes:
                tables = _tables(m)
                f.plant(tables)
                return _packed(tables)

            yield Case.of(
                "tflite",
                bench.name,
                fault,
                partial(_lying, bench, "tflite", model, changed, _tflite_forms),
                network.numbers,
            )


def _tflite_forms(subject: Subject) -> list[Form]:
    return [form for form in tflite_file.FORMS.make(subject) if not form.name.endswith("TFLM")]


def _tables(model: bytes) -> Untyped:
    return importlib.import_module("ai_edge_litert.schema_py_generated").ModelT.InitFromPackedBuf(model, 0)


def _packed(model: Untyped) -> bytes:
    builder = importlib.import_module("flatbuffers").Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


_TYPES = {0: np.float32, 2: np.int32, 9: np.int8, 4: np.int64}
# Of the schema: operators whose second operand is a shape or axes, which a reader checks.
_SHAPES = (22, 70, 43, 36 + 1000)
_SUB, _DIV = 41, 42
_BUILTIN = {0: 41, 41: 0, 55: 57, 57: 55, 82: 74}


def _tflite_faults(model: Untyped, rng: random.Random) -> Iterator[ModelFault]:
    """Yield faults of a .tflite: entries of its buffers, scales, zero points, operators and orders of inputs."""
    graph = model.subgraphs[0]
    users: dict[int, set[int]] = {}
    for operator in graph.operators:
        code = _code(model, operator)
        for position in operator.inputs:
            users.setdefault(int(position), set()).add(code)
    for index, tensor in enumerate(graph.tensors):
        data, dtype = model.buffers[tensor.buffer].data, _TYPES.get(tensor.type)
        constant = data is not None and len(data)
        if constant and dtype is not None and not users.get(index, set()) & set(_SHAPES):
            size = len(data) // np.dtype(dtype).itemsize
            rule = "table" if size > 1 else "constant"
            for at in sorted({rng.randrange(size) for _ in range(3)}):
                yield ModelFault(rule, f"tensor {index}[{at}]", "another value", partial(_buffer, index=index, at=at))
        grid = tensor.quantization
        if grid is not None and grid.scale is not None and len(grid.scale) and tensor.type == 9:
            yield ModelFault("unit", f"tensor {index}", "scale * 1.1", partial(_scale, index=index))
            if not constant:
                yield ModelFault("rounding", f"tensor {index}", "zero point + 3", partial(_zero, index=index))
    for index, operator in enumerate(graph.operators):
        code = _code(model, operator)
        if code in (_SUB, _DIV):
            yield ModelFault("order", f"operator {index}", "inputs turned", partial(_turned, index=index))
        options = operator.builtinOptions
        for name in ("strideW", "strideH", "fusedActivationFunction", "beta", "axis"):
            if options is not None and type(getattr(options, name, None)) in (int, float):
                yield ModelFault(
                    "operator",
                    f"operator {index} {name}",
                    "another option",
                    partial(_option, index=index, name=name),
                )


def _code(model: Untyped, operator: Untyped) -> int:
    code = model.operatorCodes[operator.opcodeIndex]
    return int(max(code.builtinCode, code.deprecatedBuiltinCode))


def _buffer(model: Untyped, index: int, at: int) -> None:
    tensor = model.subgraphs[0].tensors[index]
    buffer = model.buffers[tensor.buffer]
    array = np.frombuffer(bytes(bytearray(buffer.data)), _TYPES[tensor.type])
    buffer.data = np.frombuffer(other_entry(array, at).tobytes(), np.uint8)


def _scale(model: Untyped, index: int) -> None:
    grid = model.subgraphs[0].tensors[index].quantization
    grid.scale = np.array(grid.scale, np.float32) * np.float32(1.1)


def _zero(model: Untyped, index: int) -> None:
    grid = model.subgraphs[0].tensors[index].quantization
    zero = np.array(grid.zeroPoint, np.int64)
    grid.zeroPoint = np.where(zero > 100, zero - 3, zero + 3)


def _turned(model: Untyped, index: int) -> None:
    operator = model.subgraphs[0].operators[index]
    operator.inputs = np.array(operator.inputs)[::-1].copy()


def _option(model: Untyped, index: int, name: str) -> None:
    options = model.subgraphs[0].operators[index].builtinOptions
    value = getattr(options, name)
    setattr(options, name, (0 if value else 1) if name == "fusedActivationFunction" else value + 1)


_DEVICE = "ice40-up5k"


def verilog_cases(bench: Bench, rng: random.Random, count: int) -> Iterator[Case]:
    """Yield faults in the network of a run in Verilog, and in its memories."""
    network = bench.subject.network
    assert network is not None  # noqa: S101 - chosen so
    design = verilog_files.design(verilog_files.layout_of(network), "network")
    text = design["network.v"]
    faults = choose(list(faults_in(text, "network.v", VERILOG_RULES, of_verilog(text))), count - count // 3, rng)
    for memory in ("network_weights.hex", "network_factors.hex"):
        faults += [_word(design[memory], memory, rng) for _ in range(count // 6)]
    subject = replace(bench.subject, device=_DEVICE)
    (form,) = verilog.FORMS.make(subject)
    maximum = form.max_samples
    right = {form.name: form.run(bench.chosen.samples[:maximum], bench.boundary[:maximum])}
    other = bench.others([form], _SIMULATED)
    assert bench.right.passed  # noqa: S101 - asked there
    for fault in faults:
        yield Case.of("verilog", bench.name, fault, partial(_simulated, bench, subject, (right, other), fault))


def _word(text: str, file: str, rng: random.Random) -> TextFault:
    words = list(re.finditer(r"(?m)^\s*([0-9a-fA-F]+)\b", text))
    word = rng.choice(words)
    other = int(word[1], 16) ^ (1 << rng.randrange(2, 4 * len(word[1]) - 1))
    after = f"{other:0{len(word[1])}x}"
    line = text.count("\n", 0, word.start(1)) + 1
    return TextFault("table", file, word.start(1), word.end(1), after, line, word[1])


def _simulated(
    bench: Bench, subject: Subject, right: tuple[Mapping[str, Stages], ...], fault: TextFault
) -> Verdict:  # fmt: skip
    write = verilog_files.design

    def design(layout: Layout, name: str) -> dict[str, str]:
        files = dict(write(layout, name))
        return {**files, fault.file: fault.text(files[fault.file])}

    verilog_files.design = design
    (form,) = verilog.FORMS.make(subject)
    verdict = bench.proven([replace(form, needed=False)], right[0], subject)
    return settled(verdict, right[1], lambda: bench.others([form], _SIMULATED))
