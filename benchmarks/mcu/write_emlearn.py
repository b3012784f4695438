"""Run by the interpreter of emlearn's own environment: a dense network as its C, with the headers, as JSON.

Arguments: widths of the layers. Weights are drawn by chance; what counts is what they cost.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import emlearn
import numpy as np
from sklearn.neural_network import MLPClassifier

widths = [int(word) for word in sys.argv[1:]]
rng = np.random.default_rng(0)
rows = rng.standard_normal((200, widths[0]))
classes = max(widths[-1], 2)
model = MLPClassifier(tuple(widths[1:-1]), max_iter=2).fit(rows, np.arange(200) % classes)
# Its other way of writing a network, "inline", fails in version 0.23.2.
code = emlearn.convert(model, method="loadable").save(name="net", inference=["loadable"])
folder = Path(emlearn.includedir)
files = {"net.h": code, **{path.name: path.read_text() for path in folder.glob("eml_*.h")}}
print(json.dumps({name: re.sub(r"<(eml_\w+\.h)>", r'"\1"', text) for name, text in files.items()}))
