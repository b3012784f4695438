"""The table of layers of a tree has nodes and comparisons, of rules stored numbers; of a network it stays as it was."""

from __future__ import annotations

import io

import msgspec
import numpy as np
import pytest
from rich.console import Console

import trace_example
from edgewright.core.records.trace import LayerRecord
from edgewright.models.boosting import Boosting
from edgewright.models.forest import Forest
from edgewright.models.majority import Majority
from edgewright.models.rules import Rules
from edgewright.models.tree import Tree
from edgewright.trace.blocks.terminal import blocks_parts
from edgewright.trace.compare import Entry, compare
from edgewright.trace.modes.reading import trace_blocks
from edgewright.trace.page import page_of, plain_lines
from edgewright.trace.sections.model import model_blocks
from edgewright.trace.sentences.facts import layer_costs, work_text
from edgewright.training.losses import sample_gain
from edgewright.training.metrics import paired_gain
from trace_example import insight_of

RNG = np.random.default_rng(0)
X = RNG.standard_normal((300, 3)).astype(np.float32)
Y = np.where(X[:, 0] * X[:, 1] > 0, "on", "off")


def layers_of(model: Tree | Forest | Boosting | Rules | Majority) -> tuple[LayerRecord, ...]:
    return model.fit(X, Y).layer_records()


def depth(model: Tree | Forest | Boosting, node: int) -> int:
    """Return the longest way down from a node, by recursion."""
    yes, no = int(model.nodes_["yes"][node]), int(model.nodes_["no"][node])
    return 0 if yes == node else 1 + max(depth(model, yes), depth(model, no))


@pytest.mark.parametrize("model", [Tree(), Forest(trees=7), Boosting(rounds=5)])
def test_nodes_and_the_most_comparisons_of_an_answer_are_counted(model: Tree | Forest | Boosting) -> None:
    (layer,) = layers_of(model)
    assert layer.nodes == len(model.nodes_["yes"])
    assert layer.comparisons == sum(depth(model, int(root)) for root in model.roots_)
    assert layer_costs([layer]) == (("nodes", "comparisons"), [(layer.nodes, layer.comparisons)])


def test_a_tree_that_does_not_split_compares_nothing() -> None:
    (layer,) = Tree().fit(X[:8], np.array(["on"] * 4 + ["off"] * 4)[[0, 4, 1, 5, 2, 6, 3, 7]]).layer_records()
    assert (layer.comparisons, layer.nodes) == (0, 1)


def test_page_terminal_and_trace_say_nodes_and_comparisons() -> None:
    layers = layers_of(Tree())
    trace = msgspec.structs.replace(trace_example.trace(1), layers=layers)
    (table,) = [block for block in trace_blocks(trace) if "nodes" in getattr(block, "headers", ())]
    assert getattr(table, "headers")[2:4] == ("nodes", "comparisons")  # noqa: B009 - blocks are of many kinds
    page = page_of(Console(file=io.StringIO(), width=100))
    text = "\n".join(plain_lines(blocks_parts(model_blocks(layers), page), page))
    assert "nodes" in text and "comparisons" in text
    assert f"{layers[0].nodes} nodes in 1 layer, at most {layers[0].comparisons} comparisons an inference" in text
    assert "parameters" not in text and "MACs" not in text
    assert f"A model of {layers[0].nodes} nodes answers with at most" in insight_of(layers=layers).sentence


def test_rules_store_numbers_and_a_record_of_before_says_no_comparisons() -> None:
    (rules,), (majority,) = layers_of(Rules()), layers_of(Majority())
    assert layer_costs([rules])[0] == ("stored numbers", "comparisons") and rules.comparisons > 0
    assert work_text([majority]) == ""
    old = msgspec.structs.replace(layers_of(Tree())[0], nodes=0, comparisons=0)
    assert layer_costs([old]) == (("stored numbers", "comparisons"), [(old.parameters, 0)])


def test_runs_of_a_network_and_of_a_tree_are_compared_by_what_each_has() -> None:
    network = trace_example.trace(1)
    tree = msgspec.structs.replace(network, layers=layers_of(Tree()))
    entries = [
        Entry(label=name, folder=name, trace=trace, config=None) for name, trace in (("a", network), ("b", tree))
    ]
    rows = {row.name: row.texts for row in compare(entries, paired_gain, sample_gain).results}
    assert rows["parameters"][1] == "-" and rows["nodes"][0] == "-"
