#!/usr/bin/env bash
# ai-edge-litert 2.3.0, tensorflow 2.21.0: the reference kernels (OpResolverType.BUILTIN_REF), which are the usual second
# opinion for a .tflite file, have no ELU. A float model that the default resolver runs cannot be opened with them.
# Seen: AUTO gives -0.632 for -1; BUILTIN_REF raises ValueError that names ELU.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet tensorflow==2.21.0 ai-edge-litert==2.3.0
cd "$folder"
export TF_CPP_MIN_LOG_LEVEL=3
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import tensorflow
from ai_edge_litert.interpreter import Interpreter, OpResolverType

inputs = tensorflow.keras.Input((1,))
model = tensorflow.keras.Model(inputs, tensorflow.keras.layers.Activation("elu")(inputs))
content = tensorflow.lite.TFLiteConverter.from_keras_model(model).convert()
seen = {}
for kind in (OpResolverType.AUTO, OpResolverType.BUILTIN_REF):
    try:
        interpreter = Interpreter(model_content=content, experimental_op_resolver_type=kind)
        interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], np.array([[-1.0]], np.float32))
        interpreter.invoke()
        seen[kind.name] = float(interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0, 0])
    except (RuntimeError, ValueError) as error:
        seen[kind.name] = str(error).splitlines()[0]
print(seen)
assert abs(seen["AUTO"] + 0.63212) < 1e-4
assert "ELU" in seen["BUILTIN_REF"]
PYTHON
