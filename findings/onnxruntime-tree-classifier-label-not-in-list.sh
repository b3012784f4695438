#!/usr/bin/env bash
# onnx 1.23.2, onnxruntime 1.31.1: a TreeEnsembleClassifier with the two labels 10 and 20, whose leaves hold positive
# weights of both classes, returns the label 1 for every row. The scores are right. With a third label the same trees
# return 10 and 20.
# Seen: labels [1, 1] with two labels, [10, 20] with three; equal scores of the first two classes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnx==1.23.2 onnxruntime==1.31.1
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import onnxruntime
from onnx import TensorProto, helper


def predict(labels):
    """Return labels and scores of one split at 0 for the rows -1 and 1; leaves hold (.7, .3) and (.2, .8)."""
    node = helper.make_node(
        "TreeEnsembleClassifier", ["x"], ["label", "scores"], domain="ai.onnx.ml",
        nodes_treeids=[0, 0, 0], nodes_nodeids=[0, 1, 2], nodes_featureids=[0, 0, 0], nodes_values=[0.0, 0.0, 0.0],
        nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"], nodes_truenodeids=[1, 0, 0], nodes_falsenodeids=[2, 0, 0],
        class_treeids=[0, 0, 0, 0], class_nodeids=[1, 1, 2, 2], class_ids=[0, 1, 0, 1],
        class_weights=[0.7, 0.3, 0.2, 0.8], classlabels_int64s=labels, post_transform="NONE",
    )
    graph = helper.make_graph(
        [node], "tree", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1])],
        [helper.make_tensor_value_info("label", TensorProto.INT64, ["n"]),
         helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", len(labels)])],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    label, scores = session.run(None, {"x": np.array([[-1.0], [1.0]], np.float32)})
    return label.tolist(), scores


two, scores = predict([10, 20])
three, other = predict([10, 20, 30])
print("two labels:", two, "three labels:", three)
assert two == [1, 1] and three == [10, 20]
assert np.allclose(scores, [[0.7, 0.3], [0.2, 0.8]]) and np.allclose(scores, other[:, :2])
PYTHON
