"""Makes the LSTM and GRU models of `tests/fixtures/recurrent`, each framework in an environment of its own.

    python -m venv t && t/bin/pip install torch onnx onnxscript && t/bin/python tools/make_recurrent.py torch FOLDER
    python -m venv k && k/bin/pip install tensorflow-cpu keras tf2onnx tf-keras
    k/bin/python tools/make_recurrent.py keras FOLDER
    k/bin/python tools/make_recurrent.py tf_keras FOLDER

The files are committed, so tests need none of these. `FRAMEWORK.npz` has the windows, the answers of the framework
itself to them by the beginning of the file's name, and the framework's version.
"""

# ruff: noqa: PLC0415 - each part imports the framework it needs

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

SEED = 7
WINDOWS, SAMPLES, CHANNELS, UNITS, CLASSES = 16, 10, 3, 4, 3
Answers = dict[str, Any]
# What comes behind the state: (layers, bias, batch first).
_TORCH = {
    "classes": (2, True, True),
    "amount": (2, False, False),
    "every": (1, True, True),
    "mean": (1, False, False),
}


def from_torch(folder: Path, x: Any) -> tuple[Answers, str]:  # noqa: ANN401 - an array
    """LSTM and GRU by both exporters, with an open batch, and by the first with a batch of one."""
    import torch
    from torch import nn

    class Network(nn.Module):  # type: ignore[misc]  # torch is not here
        """Layers with a state, and a head."""

        def __init__(self, kind: str, head: str) -> None:
            super().__init__()
            layers, bias, self.batch_first = _TORCH[head]
            self.head = head
            self.state = getattr(nn, kind)(CHANNELS, UNITS, layers, bias, self.batch_first)
            self.out = nn.Linear(UNITS, 1 if head == "amount" else CLASSES)

        def forward(self, x: Any) -> Any:  # noqa: ANN401 - a tensor
            """Give (n, classes), (n, 1) or (n, samples, classes)."""
            every, last = self.state(x if self.batch_first else x.transpose(0, 1))
            last = last[0] if isinstance(last, tuple) else last
            if self.head == "amount":
                return self.out(last[-1])
            if self.head == "mean":
                return self.out(every.mean(0)).softmax(-1)
            return self.out(every) if self.head == "every" else self.out(every[:, -1]).softmax(-1)

    answers = {}
    for kind in ("LSTM", "GRU"):
        for head in _TORCH:
            torch.manual_seed(SEED)
            model = Network(kind, head).eval()
            with torch.no_grad():
                y = model(torch.tensor(x)).numpy()
            answers[f"torch-{kind.lower()}-{head}"] = y
            for way in ("script", "dynamo", "fixed")[: 3 if head == "classes" else 2]:
                path = folder / f"torch-{kind.lower()}-{head}-{way}.onnx"
                given: tuple[Any, ...] = (torch.tensor(x[:1] if way == "fixed" else x),)
                if way == "dynamo":
                    shapes = ({0: torch.export.Dim("n")},)
                    torch.onnx.export(model, given, path, dynamo=True, dynamic_shapes=shapes, external_data=False)
                else:
                    axes = {"x": {0: "n"}, "y": {0: "n"}} if way == "script" else None
                    torch.onnx.export(model, given, path, dynamo=False, input_names=["x"], output_names=["y"],
                                      dynamic_axes=axes)  # fmt: skip
                _without_notes(path)
    return answers, f"torch {torch.__version__}"


def _without_notes(path: Path) -> None:
    """Take out lines of source code that the second exporter notes at every node, three quarters of a file."""
    import onnx

    model = onnx.load(str(path))
    for part in (*model.graph.node, *model.graph.value_info, *model.graph.initializer, *model.graph.input,
                 *model.graph.output, model.graph, model):  # fmt: skip
        del part.metadata_props[:]
    onnx.save(model, str(path))


def _keras_layers(keras: Any, kind: str, head: str) -> list[Any]:  # noqa: ANN401 - Keras, one of two
    """Return the layers of a Keras model: LSTM, GRU, or the GRU whose reset comes before the product."""
    layers = keras.layers

    def state(sequence: bool) -> Any:  # noqa: ANN401 - a layer
        after = {} if kind == "lstm" else {"reset_after": kind == "gru"}
        first: dict[str, Any] = {"bias_initializer": keras.initializers.RandomUniform(-0.5, 0.5)}
        layer_of = getattr(layers, "LSTM" if kind == "lstm" else "GRU")
        return layer_of(UNITS, return_sequences=sequence, **first, **after)

    behind = {
        "classes": [state(sequence=False), layers.Dense(CLASSES, "softmax")],
        "amount": [state(sequence=True), state(sequence=False), layers.Dense(1)],
        "every": [state(sequence=True), layers.Dense(CLASSES)],
        "mean": [state(sequence=True), layers.GlobalAveragePooling1D(), layers.Dense(CLASSES, "softmax")],
    }
    return behind[head]


def from_keras(folder: Path, x: Any) -> tuple[Answers, str]:  # noqa: ANN401 - an array
    """LSTM and GRU of Keras 3 on TensorFlow, by its own export to ONNX."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras
    import tensorflow

    answers = {}
    for kind in ("lstm", "gru", "gru-before"):
        for head in ("classes", "amount", "every", "mean") if kind != "gru-before" else ("classes", "mean"):
            keras.utils.set_random_seed(SEED)
            model = keras.Sequential([keras.Input((SAMPLES, CHANNELS)), *_keras_layers(keras, kind, head)])
            path = folder / f"keras-{kind}-{head}.onnx"
            answers[path.stem] = model.predict(x, verbose=0)
            model.export(str(path), format="onnx", verbose=False)
    return answers, f"keras {keras.__version__}, tensorflow {tensorflow.__version__}"


def from_tf_keras(folder: Path, x: Any) -> tuple[Answers, str]:  # noqa: ANN401 - an array
    """LSTM of Keras 2 by TensorFlow's converter, which has one operator for it; the answers are LiteRT's."""
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    import tensorflow as tf
    import tf_keras as keras

    answers = {}
    for head in ("classes", "amount", "mean"):
        keras.utils.set_random_seed(SEED)
        model = keras.Sequential([keras.Input((SAMPLES, CHANNELS)), *_keras_layers(keras, "lstm", head)])
        given = tf.TensorSpec([1, SAMPLES, CHANNELS], tf.float32)
        one = tf.function(lambda window, model=model: model(window)).get_concrete_function(given)
        with tempfile.TemporaryDirectory() as saved:
            tf.saved_model.save(model, saved, signatures=one)
            for form in ("float", "dynamic", "int8"):
                converter = tf.lite.TFLiteConverter.from_saved_model(saved)
                if form != "float":
                    converter.optimizations = [tf.lite.Optimize.DEFAULT]
                if form == "int8":
                    converter.representative_dataset = lambda: ([window[None]] for window in x)
                    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
                    converter.inference_input_type = converter.inference_output_type = tf.int8
                path = folder / f"tf-keras-lstm-{head}-{form}.tflite"
                path.write_bytes(converter.convert())
                answers[path.stem] = _by_litert(tf, path, x)
    return answers, f"tf-keras {keras.__version__}, tensorflow {tf.__version__}"


def _by_litert(tf: Any, path: Path, x: Any) -> Any:  # noqa: ANN401 - TensorFlow, arrays
    """Return what the reference kernels answer to every window: real numbers, or bytes to the windows as bytes."""
    kernels = tf.lite.experimental.OpResolverType.BUILTIN_REF
    run = tf.lite.Interpreter(str(path), experimental_op_resolver_type=kernels)
    run.allocate_tensors()
    source, target = run.get_input_details()[0], run.get_output_details()[0]
    if source["dtype"] == np.int8:
        scale, zero = source["quantization"]
        x = np.clip(np.round(x / np.float32(scale)) + zero, -128, 127).astype(np.int8)
    rows = []
    for window in x:
        run.reset_all_variables()
        run.set_tensor(source["index"], window[None])
        run.invoke()
        rows.append(run.get_tensor(target["index"])[0])
    return np.stack(rows)


FRAMEWORKS = {"torch": from_torch, "keras": from_keras, "tf_keras": from_tf_keras}


def main() -> None:
    """Make the models of one framework."""
    name, folder = sys.argv[1], Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    x = np.random.default_rng(SEED).normal(size=(WINDOWS, SAMPLES, CHANNELS)).astype(np.float32)
    answers, version = FRAMEWORKS[name](folder, x)
    np.savez_compressed(folder / f"{name}.npz", x=x, version=np.asarray(version), **answers)
    for path in sorted(folder.glob(f"{name.replace('_', '-')}-*")):
        print(f"{path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
