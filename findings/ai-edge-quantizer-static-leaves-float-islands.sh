#!/usr/bin/env bash
# ai-edge-quantizer 0.10.0 on a Keras 3.15.0 model that TensorFlow 2.21.0 converted: the recipe `static_wi8_ai8` quantises
# convolutions and pooling, and leaves each EXPAND_DIMS of a one-dimensional layer in float between a DEQUANTIZE and a
# QUANTIZE. A runtime with int8 kernels alone cannot run the file although "static int8" was asked for.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet tensorflow==2.21.0 keras==3.15.0 ai-edge-quantizer==0.10.0 ai-edge-litert==2.3.0
cd "$folder"
CUDA_VISIBLE_DEVICES="" TF_CPP_MIN_LOG_LEVEL=3 venv/bin/python - <<'PYTHON'
from pathlib import Path

import ai_edge_litert.interpreter as litert
import numpy as np
import tensorflow as tf
from ai_edge_quantizer import quantizer, recipe
from keras import Sequential, layers

model = Sequential([
    layers.Input((50, 3)), layers.Conv1D(8, 5, activation="relu"), layers.MaxPooling1D(2),
    layers.Conv1D(16, 3, activation="relu"), layers.GlobalAveragePooling1D(), layers.Dense(3, activation="softmax"),
])
Path("float.tflite").write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())
key, signature = next(iter(litert.Interpreter("float.tflite").get_signature_list().items()))
draw = np.random.default_rng(0)
samples = [{signature["inputs"][0]: draw.normal(size=(1, 50, 3)).astype(np.float32)} for _ in range(20)]
work = quantizer.Quantizer("float.tflite")
work.load_quantization_recipe(recipe.static_wi8_ai8())
work.quantize(work.calibrate({key: samples})).export_model("int8.tflite")
runtime = litert.Interpreter("int8.tflite", experimental_op_resolver_type=litert.OpResolverType.BUILTIN_REF)
runtime.allocate_tensors()
types = {tensor["index"]: tensor["dtype"] for tensor in runtime.get_tensor_details()}
float_operators = [
    operator["op_name"] for operator in runtime._get_ops_details()
    if all(types[index] == np.float32 for index in operator["outputs"])
]
print(float_operators)
assert float_operators.count("EXPAND_DIMS") == 3 and set(float_operators) == {"EXPAND_DIMS", "DEQUANTIZE"}
PYTHON
