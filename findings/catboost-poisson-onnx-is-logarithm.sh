#!/usr/bin/env bash
# catboost 1.2.10, onnx 1.19.1, onnxruntime 1.23.2: save_model(format="onnx") of a CatBoostRegressor with
# loss_function="Poisson" writes trees that return the logarithm of the expected count. predict() of the same object
# returns the count, and the file has no node or metadata that says which one it is.
# Seen: predict and exp(ONNX) differ by less than 1e-4; predict and ONNX differ by more than 1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet catboost==1.2.10 onnx==1.19.1 onnxruntime==1.23.2
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import onnx
import onnxruntime
from catboost import CatBoostRegressor

generator = np.random.default_rng(0)
X = generator.normal(size=(400, 3)).astype(np.float32)
y = generator.poisson(np.exp(1 + 0.5 * X[:, 0]))
model = CatBoostRegressor(iterations=30, depth=3, loss_function="Poisson", verbose=False, allow_writing_files=False)
model.fit(X, y)
model.save_model("counts.onnx", format="onnx")
session = onnxruntime.InferenceSession("counts.onnx", providers=["CPUExecutionProvider"])
exported = session.run(None, {session.get_inputs()[0].name: X})[0].ravel()
counts = model.predict(X)
operators = [node.op_type for node in onnx.load("counts.onnx").graph.node]
as_is, as_logarithm = np.abs(exported - counts).max(), np.abs(np.exp(exported) - counts).max()
print(f"operators {operators}; predict - ONNX {as_is:.3f}; predict - exp(ONNX) {as_logarithm:.6f}")
assert operators == ["TreeEnsembleRegressor"]
assert as_is > 1 and as_logarithm < 1e-4 * counts.max()
PYTHON
