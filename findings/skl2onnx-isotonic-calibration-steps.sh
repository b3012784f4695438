#!/usr/bin/env bash
# skl2onnx 1.20.0: isotonic calibration (CalibratedClassifierCV) is written as a look-up of the nearest threshold; scikit-learn
# interpolates between thresholds. Probabilities differ by several hundredths where thresholds are far apart.
# Seen: the largest difference of a probability is above .03.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnxruntime==1.31.1 onnx==1.23.2 skl2onnx==1.20.0 scikit-learn==1.9.0
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import onnxruntime
from skl2onnx import to_onnx
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression

rng = np.random.default_rng(0)
X = rng.normal(size=(300, 3)).astype(np.float32)
y = (X[:, 0] + rng.normal(size=300) > 0).astype(int)
model = CalibratedClassifierCV(LogisticRegression(), method="isotonic", cv=3).fit(X, y)
session = onnxruntime.InferenceSession(
    to_onnx(model, X[:1], options={id(model): {"zipmap": False}}).SerializeToString()
)
new = rng.normal(size=(500, 3)).astype(np.float32)
difference = np.abs(session.run(None, {"X": new})[1] - model.predict_proba(new))
print(f"largest difference of a probability {difference.max():.3f}")
assert difference.max() > 0.03
PYTHON
