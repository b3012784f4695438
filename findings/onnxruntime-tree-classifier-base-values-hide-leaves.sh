#!/usr/bin/env bash
# onnx 1.23.2, onnxruntime 1.31.1: a TreeEnsembleClassifier with two labels, leaves that weight the second class alone
# and `base_values` for both classes returns base_values[1] as the score of every row: the leaves have no effect on
# the scores.
# Seen: scores of the second class .3 and .3 with base_values [.1, .3]; -.4 and .4 without.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnx==1.23.2 onnxruntime==1.31.1
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import onnxruntime
from onnx import TensorProto, helper


def second_class(**attributes):
    """Return the scores of the second class for the rows -1 and 1 of one split at 0 with leaves of -.4 and .4."""
    node = helper.make_node(
        "TreeEnsembleClassifier", ["x"], ["label", "scores"], domain="ai.onnx.ml",
        nodes_treeids=[0, 0, 0], nodes_nodeids=[0, 1, 2], nodes_featureids=[0, 0, 0], nodes_values=[0.0, 0.0, 0.0],
        nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"], nodes_truenodeids=[1, 0, 0], nodes_falsenodeids=[2, 0, 0],
        class_treeids=[0, 0], class_nodeids=[1, 2], class_ids=[1, 1], class_weights=[-0.4, 0.4],
        classlabels_int64s=[0, 1], post_transform="NONE", **attributes,
    )
    graph = helper.make_graph(
        [node], "tree", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1])],
        [helper.make_tensor_value_info("label", TensorProto.INT64, ["n"]),
         helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 2])],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(["scores"], {"x": np.array([[-1.0], [1.0]], np.float32)})[0][:, 1]


without, with_base = second_class(), second_class(base_values=[0.1, 0.3])
print("second class without base_values", without, "with", with_base)
assert np.allclose(without, [-0.4, 0.4])
assert np.allclose(with_base, [0.3, 0.3])
PYTHON
