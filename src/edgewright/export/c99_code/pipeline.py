"""One graph as C99: raw sample in, answer out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from edgewright.core.errors import ExportError
from edgewright.core.records.network import Graph, IntegerNetwork, IntegerOperator, Node
from edgewright.export.c99_code.files import files, network_files
from edgewright.export.c99_code.header import CodeOptions, Interface, Range
from edgewright.export.c99_code.pixels import pixels_of, takes_bytes
from edgewright.export.c99_code.source import REPEATED, Buffer, Source, work
from edgewright.export.c99_code.text import identifier
from edgewright.export.c99_code.unit import Unit
from edgewright.export.c99_dual import write_dual
from edgewright.export.c99_graph.channels import LoopWriter
from edgewright.export.c99_graph.frames import framed
from edgewright.export.c99_graph.graph import (
    Plan,
    image_channels,
    input_turn,
    layer_names,
    node_names,
    plan_graph,
    turning,
)  # fmt: skip
from edgewright.export.c99_graph.pairs import Bank, banks_of, bytes_of
from edgewright.export.c99_graph.rows import Rows, channels_of
from edgewright.export.c99_operators import Site, Spot, write_float, write_integer
from edgewright.export.c99_operators._rounding import dequantised, quantise_step
from edgewright.export.c99_rvv import write_lanes
from edgewright.export.cores import has_floats, unrolled, vectors_of
from edgewright.graph.extract import WEIGHTED

# Readers up to which a long expression is worked out by each of them on a core with float instructions.
_OFTEN = 2
# Function of NAME_adapt.c, which `c99_learning` writes.
_LAYER = "void @_adapt_layer(const int8_t *hidden, int8_t *out);"


def write_c99(graph: Graph, options: CodeOptions, network: IntegerNetwork | None = None) -> dict[str, str]:
    """Return a pipeline as a header and a source file.

    Args:
        graph: the whole pipeline, float or in QDQ form.
        options: how it is written, and what its header says.
        network: the integers of its network; None writes the float network.

    Returns:
        File name -> text: NAME.h and NAME.c.

    Raises:
        InputError: for a name that C does not take, ranges of another number, or a graph that does not fit.
        UnknownNameError: for an operator that has no C form.
    """
    return files(*lay_out(graph, options, network))


def lay_out(graph: Graph, options: CodeOptions, network: IntegerNetwork | None = None) -> tuple[Unit, Interface]:
    """Step, tables and buffers of a pipeline, and what its functions take and give; arguments as of `write_c99`."""
    core = "" if options.slots else options.core
    unit = _unit(options.name, network, core, options.flash, slots=options.slots)
    # Small float programs of rows would need more stack and flash for functions of their own.
    unit.floats &= options.floats and (network is not None or len(graph.inputs[0].shape) > 1)
    _one_answer(graph)
    plan = plan_graph(graph, network is not None)
    limits = _limits(graph, options.ranges)
    values: dict[str, Source] = {}
    seen: list[str] = []
    names = node_names(graph, network=network is None)
    source = graph.inputs[0]
    entry = unit.buffer(int(np.prod(source.shape)), "float32", "input")
    image = image_channels(graph) if options.turned else ""
    values[source.name] = unit.source(entry, (1, *source.shape))
    if image == "first":
        channels, height, width = source.shape
        lying = unit.source(entry, (1, height, width, channels))
        values[source.name] = lying.seen(lambda view: view.transpose(0, 3, 1, 2))
    _tap(unit, plan, source.name, values)
    boundary = plan.alias.get(graph.boundary, graph.boundary)
    own = unit.floats and not unit.slots and network is not None
    packed = bytes_of(unit, plan, boundary, names) if own else None
    _floats(unit, plan, [n for n in plan.before if packed is None or n not in packed.chain], values, names)
    borders = [len(unit.steps)]
    ends: tuple[Buffer, ...] = ()
    takes, pixels = bool(image) and takes_bytes(graph, limits), None
    turn = input_turn(graph, network, image=bool(image)) if options.turned and network is not None else None
    if network is not None:
        if packed is not None:
            first = packed.write(plan, network.values[network.input])
        else:
            real = values[boundary]
            if turn is not None:
                real = real.seen(lambda view: view.transpose(0, 2, 3, 1))
            first = quantise_step(unit, real, network.values[network.input])
            pixels = pixels_of(graph, plan, values, network.values[network.input]) if takes else None
        borders.append(len(unit.steps))
        last = _integers(unit, network, first, options.inside or {}, seen, turn, learns=options.learns)
        borders.append(len(unit.steps))
        ends = (first.leaves[0].buffer, last.leaves[0].buffer)
        shape = plan.shapes[plan.end]
        real = dequantised(unit, last, network.values[network.output], shape)
        _keep(unit, plan, plan.end, real, values)
    _floats(unit, plan, plan.after, values, names)
    outputs = {
        output.name: unit.stored(_value(unit, plan, values, output.name), in_order=True) for output in graph.outputs
    }
    taps = _tap_names(plan, source.name, seen)
    frames = None if image else framed(unit, graph, borders[0])
    return unit, Interface(
        graph, network, options, outputs, tuple(borders), ends, limits, taps, image, pixels, takes, frames, turn
    )


def write_network_c99(network: IntegerNetwork, *, name: str, core: str = "", flash: float = 0.0) -> dict[str, str]:
    """Return an integer network alone, bytes in and out: `NAME_network(&context, in, out)`.

    Args:
        network: to write.
        name: of the files, and prefix of every name in them.
        core: for whose instructions it is written, as profiles name it; portable where empty.
        flash: bytes of that device; 0 where they are not known.

    Raises:
        InputError: for a float network or a name that C does not take.
        UnknownNameError: for a kind of operator that has no C form.
    """
    if network.rounding == "none":
        raise ExportError("an integer network", "a float one", f"network {network.name}")
    unit = _unit(name, network, core, flash)
    turn = turning(network)
    first = unit.fresh(network.values[turn.output if turn else network.input].shape, "int8")
    last = _integers(unit, network, first, {}, [], turn)
    return network_files(unit, network, (first.leaves[0].buffer, last.leaves[0].buffer))


def _unit(name: str, network: IntegerNetwork | None, core: str, flash: float, *, slots: bool = False) -> Unit:
    """Return an empty unit for a core."""
    loops, floats = unrolled(network, core, flash), has_floats(core)
    return Unit(identifier(name), slots=slots, unrolled=loops, vectors=vectors_of(core), floats=floats)


def _one_answer(graph: Graph) -> None:
    """Refuse a graph with more values than the structure of an answer has fields for."""
    others = [output.name for output in graph.outputs if output.name not in ("label", "probabilities", "confidence")]
    if len(others) > 1:
        raise ExportError(
            "one output, or label, probabilities and confidence", ", ".join(others[:6]), f"graph {graph.name}",
            "Export one output at a time, or to onnx",
        )  # fmt: skip


def _limits(graph: Graph, ranges: Sequence[Range]) -> tuple[Range, ...]:
    if ranges and len(ranges) != graph.inputs[0].shape[0]:
        raise ExportError(f"a range for each of {graph.inputs[0].shape[0]} columns", str(len(ranges)), "ranges")
    return tuple(ranges)


def _floats(unit: Unit, plan: Plan, nodes: Sequence[Node], values: dict[str, Source], names: Mapping[str, str]) -> None:
    """Write nodes one by one, and those that treat channels alike as loops over the channels."""
    inside: Counter[str] = Counter(name for node in nodes for name in node.inputs)
    seen = {value for _, value in plan.taps}
    outside = frozenset(
        n.outputs[0] for n in nodes if n.outputs[0] in seen or plan.uses[n.outputs[0]] != inside[n.outputs[0]]
    )
    rows = Rows(nodes, plan.constants, plan.shapes, outside)
    groups = rows.groups()
    banks = banks_of(plan, nodes, groups)
    bank_of: dict[str, Bank] = {}
    writer = LoopWriter(unit, plan, rows, values, bank_of, names, banks, groups)
    in_loops = {name for group in groups for name in group.outputs}
    single = [node for node in nodes if node.outputs[0] not in in_loops]
    computed = {name for node in nodes for name in node.outputs}
    known: set[str] = set()
    while single or groups:
        for node in list(single):
            if not (computed & set(node.inputs)) - known:
                single.remove(node)
                name = node.outputs[0]
                if name in banks:
                    bank_of[name] = Bank([_value(unit, plan, values, part) for part in node.inputs])
                    _tap_bank(unit, plan, name, bank_of[name])
                else:
                    _node(unit, plan, node, values, names, rows, bank_of)
                known.update(node.outputs)
        ready = [group for group in groups if not (computed & group.needs) - known]
        if not ready:
            continue
        if unit.floats:
            # What lies in memory of its own comes first, and leaves it to others.
            ready.sort(key=writer.order)
        alike = [group for group in ready if writer.form(group) == writer.form(ready[0])]
        writer.write(alike)
        groups = [group for group in groups if group not in alike]
        for group in alike:
            known.update(group.given)
            for name in group.given:
                _tap(unit, plan, name, values)


def _node(
    unit: Unit, plan: Plan, node: Node, values: dict[str, Source], names: Mapping[str, str], rows: Rows,
    banks: Mapping[str, Bank],
) -> None:  # fmt: skip
    """Write a node, or keeps it as the expression that others work out where they read it."""
    output = node.outputs[0]
    unit.layer = names.get(output, "")
    places = channels_of(node, plan.constants, plan.shapes)
    if places is not None and node.inputs[0] in banks:
        part = banks[node.inputs[0]].part_of([int(p) for p in places])
        if part is not None:
            _keep(unit, plan, output, part, values, rows)
            return
    # Constant weights and biases become tables in the order in which a product reads them, and by that name.
    constants = tuple(plan.constants.get(name) for name in node.inputs)
    own = [node.op in WEIGHTED and index > 0 and array is not None for index, array in enumerate(constants)]
    sources = tuple(
        _value(unit, plan, values, name) if name and not written else None
        for name, written in zip(node.inputs, own, strict=True)
    )
    spot = Spot(
        unit=unit,
        node=node,
        inputs=sources,
        constants=constants,
        shape=plan.shapes[output],
        kind=plan.kinds[output],
    )
    _keep(unit, plan, output, write_float(spot), values, rows)


def _value(unit: Unit, plan: Plan, values: dict[str, Source], name: str) -> Source:
    name = plan.alias.get(name, name)
    return unit.constant(plan.constants[name]) if name in plan.constants else values[name]


def _keep(
    unit: Unit, plan: Plan, name: str, source: Source, values: dict[str, Source], rows: Rows | None = None
) -> None:
    """Names a value; an expression that is read more than once is worked out now, unless it is long and cheap."""
    again = plan.uses[name] <= 1 or (rows is not None and rows.repeats(name) and work(source) <= REPEATED)
    if unit.floats and again and plan.uses[name] > _OFTEN and work(source) > 1:
        # Memory that it reads may be free after it: then it takes none of its own.
        size = int(np.prod(source.shape))
        again = all(leaf.buffer.fixed or leaf.buffer.size != size for leaf in source.leaves)
    values[name] = source if again else unit.stored(source)
    _tap(unit, plan, name, values)


def _tap(unit: Unit, plan: Plan, name: str, values: dict[str, Source]) -> None:
    for _, value in plan.taps:
        if value == name and values[name].leaves[0].buffer.key not in unit.takers:
            unit.tap(values[name])


def _tap_bank(unit: Unit, plan: Plan, name: str, bank: Bank) -> None:
    """Keep the channels of a bank one after the other where the code is compiled with taps."""
    for _, value in plan.taps:
        if value == name:
            unit.tap_parts(bank.parts)


def _tap_names(plan: Plan, source: str, seen: Sequence[str]) -> tuple[str, ...]:
    """Return stages in the order in which their taps are written."""
    before = (source, *(n.outputs[0] for n in plan.before))
    after = (plan.end, *(n.outputs[0] for n in plan.after))
    names = [[s for name in order if name for s, value in plan.taps if value == name] for order in (before, after)]
    return (*names[0], *seen, *names[1])


def _integers(
    unit: Unit,
    network: IntegerNetwork,
    first: Source,
    inside: Mapping[int, str],
    seen: list[str],
    turn: IntegerOperator | None,
    *,
    learns: bool = False,
) -> Source:
    """Return the network after its input; names of the stages that can be seen go to `seen`.

    With `turn`, its first operator, the input has its channels last already.
    """
    sources, names = {network.input: first}, layer_names(network)
    if turn is not None:
        lying = first.seen(lambda view: view.reshape(network.values[turn.output].shape))
        sources = {turn.output: lying, network.input: lying.seen(lambda view: view.transpose(2, 0, 1))}
        _see(unit, turn.output, lying, inside, seen)
    _see(unit, network.input, sources[network.input], inside, seen)
    for index, operator in enumerate(network.operators):
        if operator is turn:
            continue
        unit.layer = names.get(operator.output, "")
        inputs = tuple(unit.stored(sources[i], in_order=True) for i in operator.inputs)
        site = Site(
            unit=unit,
            operator=operator,
            values=(*(network.values[i] for i in operator.inputs), network.values[operator.output]),
            inputs=inputs,
            spent=_spent(network, index, sources, inputs[0].leaves[0].buffer, first),
        )
        written = write_dual(site) if unit.unrolled else write_lanes(site) if unit.vectors else None
        sources[operator.output] = written or write_integer(site)
        if learns and operator is network.operators[-1]:
            layer, out = unit.helper("adapt_layer", _LAYER), sources[operator.output]
            lines = [f"{layer}({inputs[0].leaves[0].buffer.name}, {out.leaves[0].buffer.name});"]
            unit.step(lines, (*inputs, out), (out,))
        _see(unit, operator.output, sources[operator.output], inside, seen)
    last = unit.stored(sources[network.output], in_order=True)
    if last.leaves[0].buffer is first.leaves[0].buffer:
        # A network that computes nothing still gives its answer in memory of its own.
        last = unit.fresh(last.shape, "int8")
        unit.copy(sources[network.output], last)
    unit.drop_unread([leaf.buffer for leaf in last.leaves])
    return last


def _spent(network: IntegerNetwork, index: int, sources: Mapping[int, Source], memory: Buffer, first: Source) -> bool:
    """Return whether no operator after this place, nor the caller, reads what lies in a memory."""
    wanted = {network.output, *(i for operator in network.operators[index + 1 :] for i in operator.inputs)}
    lying = [number for number, source in sources.items() if any(leaf.buffer is memory for leaf in source.leaves)]
    return memory is not first.leaves[0].buffer and not memory.fixed and wanted.isdisjoint(lying)


def _see(unit: Unit, number: int, source: Source, inside: Mapping[int, str], seen: list[str]) -> None:
    """Keep a value of the network where the code is compiled with taps; every byte is a float exactly."""
    if number in inside:
        unit.tap(Source(source.shape, "float32", source.leaves, f"(float)({source.text})"))
        seen.append(inside[number])
