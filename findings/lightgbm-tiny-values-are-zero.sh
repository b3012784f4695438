#!/usr/bin/env bash
# lightgbm 4.6.0: a feature value with a magnitude of at most 1e-35 is treated as 0 when a model predicts, also against a
# threshold between the value and 0 of a model file that another program wrote. Plain float comparison of the dumped
# threshold gives another leaf.
# Seen: with the threshold -5e-36 in the model text, -8e-36 goes to the right leaf (as 0 does), -2e-35 to the left one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet lightgbm==4.6.0 numpy==2.3.3 scipy==1.16.2
"$folder/venv/bin/python" - <<'PYTHON'
import re

import lightgbm
import numpy as np

X = np.repeat([[-1.0], [1.0]], 50, axis=0)
y = np.repeat([0.0, 1.0], 50)
settings = {"objective": "regression", "num_leaves": 2, "min_data_in_leaf": 1, "verbose": -1}
booster = lightgbm.train(settings, lightgbm.Dataset(X, y), num_boost_round=1)
text = re.sub(r"threshold=\S+", "threshold=-5e-36", booster.model_to_string())
changed = lightgbm.Booster(model_str=text)
left, right = changed.predict(np.array([[-1.0], [1.0]]))
got = {value: ("left" if leaf == left else "right") for value in (-2e-35, -8e-36, 0.0)
       for leaf in changed.predict(np.array([[value]]))}
plain = {value: "left" if value <= -5e-36 else "right" for value in got}
print(f"lightgbm {got}; comparison with the threshold {plain}")
assert left != right
assert got == {-2e-35: "left", -8e-36: "right", 0.0: "right"} and plain[-8e-36] == "left"
PYTHON
