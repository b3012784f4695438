#!/usr/bin/env bash
# onnxruntime 1.31.1: LinearRegressor (ai.onnx.ml) has an attribute post_transform, but with one target its value LOGISTIC is
# ignored: the output is the linear score, here 2.0 and -3.0 instead of .881 and .047. LinearClassifier applies it.
# Seen: [2.0, -3.0].
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnxruntime==1.31.1 onnx==1.23.2
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import onnxruntime
from onnx import TensorProto, helper

node = helper.make_node(
    "LinearRegressor", ["x"], ["y"], domain="ai.onnx.ml", coefficients=[1.0], intercepts=[0.0], targets=1,
    post_transform="LOGISTIC",
)
graph = helper.make_graph(
    [node], "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 1])],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 1)])
model.ir_version = 9
session = onnxruntime.InferenceSession(model.SerializeToString())
x = np.array([[2.0], [-3.0]], np.float32)
y = session.run(None, {"x": x})[0].ravel()
print("seen", y.tolist(), "logistic", (1 / (1 + np.exp(-x))).ravel().tolist())
assert np.allclose(y, x.ravel())
PYTHON
