"""60 files as today's converters and quantisers write them, each with rows and what its own runtime gives for them.

Each part runs in the environment of its producer, which needs nothing of this repository:

    python -m venv k && k/bin/pip install tensorflow==2.21.0 keras==3.15.1 ai-edge-quantizer==0.10.0
    k/bin/python benchmarks/foreign_files/producers.py keras FOLDER
    python -m venv t && t/bin/pip install torch==2.13.0 litert-torch==0.10.0 onnx onnxruntime==1.31.1
    t/bin/python benchmarks/foreign_files/producers.py torch FOLDER

`python -m benchmarks.foreign_files.comparison FOLDER` then imports and proves them. NAME.npz holds `x`, float32 rows of
real values, and `y0`, `y1`, ..., the outputs as real values: of LiteRT's reference kernels, or of ONNX Runtime.

With the word `fixtures` after FOLDER, only the files of FIXTURES are written, with a few rows: those of
`tests/fixtures/producers`.
"""

# ruff: noqa: PLC0415 - each part imports the framework it needs

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

SEED = 5
ROWS, FIXTURE_ROWS = 48, 6
FIXTURES = (
    "TensorFlow conv1d float16", "TensorFlow conv1d uint8 ends", "TensorFlow tcn int8, float ends",
    "TensorFlow normalised window int8", "TensorFlow normalised row float32", "TensorFlow two outputs float32",
    "TensorFlow residual int8",
    "ai-edge-quantizer conv1d static_wi8_ai8", "ai-edge-quantizer conv1d weight_only_wi8_afp32",
    "ai-edge-quantizer conv1d weight_only_wi4_afp32", "ai-edge-quantizer conv1d dynamic_wi4_afp32",
    "ai-edge-quantizer tcn static_wi8_ai8", "litert-torch conv1d int8", "litert-torch tcn float32",
    "ONNX Runtime dense dynamic QInt8", "ONNX Runtime dense QDQ QUInt8 QUInt8",
)  # fmt: skip
# Spread of the weights of the last layer, so that classes differ by more than a step of int8.
LAST_SPREAD = 2.0
WINDOW, ROW, PICTURE = (50, 3), (10,), (16, 16, 3)
# Model -> shape of a sample, channels last.
SHAPES = {
    "conv1d": WINDOW, "tcn": WINDOW, "normalised window": WINDOW, "two outputs": WINDOW, "lstm": WINDOW,
    "dense": ROW, "normalised row": ROW,
    "conv2d": PICTURE, "residual": PICTURE, "squeeze": PICTURE, "activations": PICTURE,
}  # fmt: skip
# Model, and how TensorFlow converts it.
BY_TENSORFLOW = (
    *((model, "float32") for model in SHAPES if model not in ("dense", "lstm")),
    ("conv1d", "float16"), ("conv2d", "float16"), ("residual", "float16"),
    ("conv1d", "dynamic"), ("dense", "dynamic"),
    ("tcn", "int8, float ends"), ("conv2d", "int8, float ends"), ("squeeze", "int8, float ends"),
    ("conv1d", "int8"), ("residual", "int8"), ("normalised window", "int8"),
    ("conv1d", "uint8 ends"), ("conv2d", "uint8 ends"),
)  # fmt: skip
# Model, and recipe of ai-edge-quantizer.
BY_QUANTIZER = (
    *(("conv1d", recipe) for recipe in ("static_wi8_ai8", "weight_only_wi8_afp32", "weight_only_wi4_afp32",
                                        "dynamic_wi8_afp32", "dynamic_wi4_afp32")),
    *(("conv2d", recipe) for recipe in ("static_wi8_ai8", "weight_only_wi8_afp32", "weight_only_wi4_afp32",
                                        "dynamic_wi4_afp32")),
    *(("tcn", recipe) for recipe in ("static_wi8_ai8", "weight_only_wi8_afp32", "dynamic_wi8_afp32")),
    ("residual", "static_wi8_ai8"), ("residual", "weight_only_wi4_afp32"),
    ("dense", "static_wi8_ai8"), ("dense", "dynamic_wi4_afp32"),
)  # fmt: skip
# Model of PyTorch, and what converts it to .tflite: litert-torch, its int8 quantiser, or ai-edge-quantizer after it.
BY_LITERT_TORCH = (
    *((model, "float32") for model in ("conv1d", "dense", "tcn", "conv2d", "residual", "two outputs", "lstm")),
    ("conv1d", "int8"), ("residual", "int8"), ("conv2d", "weight_only_wi8_afp32"),
)  # fmt: skip
# Model of PyTorch, format, types of activations and weights, whether each channel has a scale; dynamic without format.
BY_ONNXRUNTIME = (
    ("conv1d", "QDQ", "QInt8", "QInt8", False), ("conv1d", "QDQ", "QUInt8", "QUInt8", False),
    ("conv1d", "QDQ", "QUInt8", "QInt8", True), ("conv1d", "QOperator", "QUInt8", "QInt8", False),
    ("conv1d", "", "", "QUInt8", False), ("conv1d", "", "", "QInt8", True),
    ("dense", "QDQ", "QUInt8", "QUInt8", False), ("dense", "", "", "QInt8", False),
    ("conv2d", "QDQ", "QInt8", "QInt8", True), ("conv2d", "QOperator", "QUInt8", "QUInt8", False),
    ("residual", "QDQ", "QUInt8", "QInt8", False), ("tcn", "QDQ", "QInt8", "QInt8", False),
)  # fmt: skip


def samples(model: str) -> Any:  # noqa: ANN401 - an array
    """Return the rows of a model, channels last."""
    return np.random.default_rng(SEED).normal(size=(ROWS, *SHAPES[model])).astype(np.float32)


def run_tflite(path: Path, x: Any) -> list[Any]:  # noqa: ANN401 - arrays
    """Return the outputs of LiteRT's reference kernels as real values."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    try:
        interpreter = Interpreter(str(path), experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    except ValueError:
        # The reference kernels of LiteRT 2.3.0 lack ELU.
        without = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        interpreter = Interpreter(str(path), experimental_op_resolver_type=without)
    interpreter.allocate_tensors()
    (source,), targets = interpreter.get_input_details(), interpreter.get_output_details()
    rows: list[list[Any]] = [[] for _ in targets]
    for row in x:
        interpreter.set_tensor(source["index"], _quantised(row[None], source))
        interpreter.invoke()
        for values, target in zip(rows, targets, strict=True):
            values.append(_real(interpreter.get_tensor(target["index"]), target))
    return [np.concatenate(values) for values in rows]


def _quantised(x: Any, tensor: dict[str, Any]) -> Any:  # noqa: ANN401 - arrays
    scale, zero = tensor["quantization"]
    if tensor["dtype"] == np.float32:
        return x
    limits = np.iinfo(tensor["dtype"])
    return np.clip(np.round(x / np.float32(scale)) + zero, limits.min, limits.max).astype(tensor["dtype"])


def _real(y: Any, tensor: dict[str, Any]) -> Any:  # noqa: ANN401 - arrays
    scale, zero = tensor["quantization"]
    return y if y.dtype == np.float32 else ((y.astype(np.float32) - zero) * np.float32(scale)).astype(np.float32)


def run_onnx(path: Path, x: Any) -> list[Any]:  # noqa: ANN401 - arrays
    """Return the outputs of ONNX Runtime."""
    import onnxruntime as ort

    session = ort.InferenceSession(str(path))
    outputs: list[Any] = session.run(None, {session.get_inputs()[0].name: x})
    return outputs


def keep(path: Path, x: Any, rows: int) -> None:  # noqa: ANN401 - an array
    """Write rows and outputs next to a file."""
    x = x[:rows]
    outputs = (run_onnx if path.suffix == ".onnx" else run_tflite)(path, x)
    np.savez_compressed(path.with_suffix(".npz"), x=x, **{f"y{n}": y for n, y in enumerate(outputs)})


def keras_model(name: str) -> Any:  # noqa: ANN401 - a Keras model
    """Return a model of Keras with random weights."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(SEED)
    start = x = keras.Input(SHAPES[name])
    if name.startswith("normalised"):
        norm = layers.Normalization(
            mean=np.linspace(-1, 1, SHAPES[name][-1]), variance=np.linspace(0.5, 2, SHAPES[name][-1])
        )
        x = norm(x)
    if SHAPES[name] == ROW:
        x = layers.Dense(8, activation="relu")(layers.Dense(16, activation="relu")(x))
    elif name == "tcn":
        for rate in (1, 2, 4):
            x = layers.Conv1D(8, 3, padding="causal", dilation_rate=rate, activation="relu")(x)
        x = layers.GlobalAveragePooling1D()(layers.Conv1D(8, 3, padding="same", dilation_rate=3)(x))
    elif name == "lstm":
        x = layers.LSTM(6)(x)
    elif SHAPES[name] == WINDOW:
        x = layers.MaxPooling1D(2)(layers.Conv1D(8, 5, padding="same", activation="relu")(x))
        x = layers.GlobalAveragePooling1D()(layers.Conv1D(16, 3, activation="relu")(x))
    elif name == "conv2d":
        x = layers.ReLU(6)(layers.BatchNormalization()(layers.Conv2D(8, 3, strides=2, padding="same")(x)))
        x = layers.SeparableConv2D(12, 3, padding="same", activation="relu")(layers.AveragePooling2D(2)(x))
        x = layers.Flatten()(layers.DepthwiseConv2D(3, activation="relu")(x))
    elif name == "residual":
        x = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
        x = layers.Add()([x, layers.Conv2D(8, 3, padding="same", dilation_rate=2)(x)])
        x = layers.GlobalMaxPooling2D()(layers.MaxPooling2D(2)(layers.ReLU()(x)))
    elif name == "squeeze":
        x = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
        gate = layers.Conv2D(4, 1, activation="relu")(layers.GlobalAveragePooling2D(keepdims=True)(x))
        x = layers.Multiply()([x, layers.Conv2D(8, 1, activation="sigmoid")(gate)])
        x = layers.GlobalAveragePooling2D()(x)
    else:
        for kind in ("hard_swish", "gelu", "tanh", "elu", "leaky_relu"):
            x = layers.Activation(kind)(layers.Conv2D(6, 3, padding="same")(x))
        x = layers.GlobalAveragePooling2D()(x)
    last = keras.initializers.RandomNormal(stddev=LAST_SPREAD, seed=SEED)
    out = layers.Dense(4, activation="softmax", kernel_initializer=last)(x)
    return keras.Model(start, [out, layers.Dense(1)(x)] if name == "two outputs" else out)


def by_tensorflow(folder: Path) -> Iterator[tuple[Path, str]]:
    """Convert models of Keras by TensorFlow."""
    import tensorflow as tf

    for name, kind in BY_TENSORFLOW:
        converter = tf.lite.TFLiteConverter.from_keras_model(keras_model(name))
        if kind != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if kind == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if kind.startswith(("int8", "uint8")):
            x = samples(name)
            converter.representative_dataset = lambda x=x: ([row[None]] for row in x)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        if kind in ("int8", "uint8 ends"):
            converter.inference_input_type = converter.inference_output_type = getattr(tf, kind.split(" ")[0])
        yield _written(folder, f"TensorFlow {name} {kind}", converter.convert()), name


def by_quantizer(folder: Path) -> Iterator[tuple[Path, str]]:
    """Quantise float files of TensorFlow by ai-edge-quantizer."""
    import tensorflow as tf

    for name, recipe in BY_QUANTIZER:
        model = tf.lite.TFLiteConverter.from_keras_model(keras_model(name)).convert()
        yield _requantised(folder, f"ai-edge-quantizer {name} {recipe}", model, recipe, samples(name)), name


def _requantised(folder: Path, title: str, model: bytes, recipe: str, x: Any) -> Path:  # noqa: ANN401 - an array
    from ai_edge_litert.interpreter import Interpreter
    from ai_edge_quantizer import quantizer
    from ai_edge_quantizer import recipe as recipes

    path = _written(folder, title, model)
    tool = quantizer.Quantizer(str(path))
    tool.load_quantization_recipe(getattr(recipes, recipe)())
    results = None
    if tool.need_calibration:
        key, signature = next(iter(Interpreter(str(path)).get_signature_list().items()))
        results = tool.calibrate({key: [{signature["inputs"][0]: row[None]} for row in x]})
    tool.quantize(results).export_model(str(path), overwrite=True)
    return path


def torch_model(name: str) -> Any:  # noqa: ANN401 - a module
    """Return a model of PyTorch with random weights, channels first."""
    import torch
    from torch import nn

    torch.manual_seed(SEED)

    class Residual(nn.Module):  # type: ignore[misc] # torch is not here
        """A block with a sum."""

        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=2, dilation=2)

        def forward(self, x: Any) -> Any:  # noqa: ANN401 - tensors
            x = torch.relu(self.first(x))
            return torch.relu(x + self.second(x))

    class Heads(nn.Module):  # type: ignore[misc] # torch is not here
        """Classes and an amount."""

        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Conv1d(3, 8, 5, padding=2), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten())
            self.classes, self.amount = nn.Linear(8, 4), nn.Linear(8, 1)

        def forward(self, x: Any) -> Any:  # noqa: ANN401 - tensors
            x = self.body(x)
            return torch.softmax(self.classes(x), -1), self.amount(x)

    class State(nn.Module):  # type: ignore[misc] # torch is not here
        """The last output of an LSTM."""

        def __init__(self) -> None:
            super().__init__()
            self.state = nn.LSTM(3, 6, batch_first=True)

        def forward(self, x: Any) -> Any:  # noqa: ANN401 - tensors
            return self.state(x.transpose(1, 2))[0][:, -1]

    convolution = [nn.Conv1d(3, 8, 5, padding=2), nn.ReLU(), nn.MaxPool1d(2), nn.Conv1d(8, 16, 3), nn.ReLU()]
    causal = [
        part
        for width, rate in ((3, 1), (8, 2), (8, 4))
        for part in (nn.ConstantPad1d((2 * rate, 0), 0.0), nn.Conv1d(width, 8, 3, dilation=rate), nn.ReLU())
    ]
    bodies: dict[str, Callable[[], list[Any]]] = {
        "conv1d": lambda: [*convolution, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(16, 4)],
        "tcn": lambda: [*causal, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(8, 4)],
        "dense": lambda: [nn.Linear(10, 16), nn.ReLU(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 4)],
        "conv2d": lambda: [
            nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU6(), nn.AvgPool2d(2),
            nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.Conv2d(8, 12, 1), nn.ReLU(), nn.Flatten(),
            nn.Linear(192, 4),
        ],
        "residual": lambda: [Residual(), nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)],
        "two outputs": lambda: [Heads()],
        "lstm": lambda: [State(), nn.Linear(6, 4)],
    }  # fmt: skip
    body = bodies[name]()
    if name != "two outputs":
        nn.init.normal_(body[-1].weight, std=LAST_SPREAD)
        body.append(nn.Softmax(-1))
    return nn.Sequential(*body).eval()


def channels_first(model: str) -> Any:  # noqa: ANN401 - an array
    """Return the rows of a model of PyTorch."""
    x = samples(model)
    return np.ascontiguousarray(np.moveaxis(x, -1, 1)) if x.ndim > 2 else x


def by_litert_torch(folder: Path) -> Iterator[tuple[Path, str]]:
    """Convert models of PyTorch to .tflite."""
    import litert_torch
    import torch

    for name, kind in BY_LITERT_TORCH:
        x, model, more = channels_first(name), torch_model(name), dict[str, Any]()
        one = (torch.from_numpy(x[:1]),)
        if kind == "int8":
            model, more = _prepared(model, one, x)
        path = _written(folder, f"litert-torch {name} {kind}", b"")
        litert_torch.convert(model, one, **more).export(str(path))
        if kind.startswith("weight"):
            _requantised(folder, f"litert-torch {name} {kind}", path.read_bytes(), kind, x)
        yield path, name


def _prepared(model: Any, one: Any, x: Any) -> tuple[Any, dict[str, Any]]:  # noqa: ANN401 - of torch
    import torch
    from litert_torch.quantize import pt2e_quantizer, quant_config
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    tool = pt2e_quantizer.PT2EQuantizer().set_global(pt2e_quantizer.get_symmetric_quantization_config())
    prepared = prepare_pt2e(torch.export.export(model, one).module(), tool)
    for row in x:
        prepared(torch.from_numpy(row[None]))
    return convert_pt2e(prepared, fold_quantize=False), {"quant_config": quant_config.QuantConfig(pt2e_quantizer=tool)}


def by_onnxruntime(folder: Path) -> Iterator[tuple[Path, str]]:
    """Quantise ONNX files of PyTorch by ONNX Runtime."""
    import torch
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_dynamic,
        quantize_static,
    )
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Rows(CalibrationDataReader):  # type: ignore[misc] # onnxruntime has no types
        """Rows one by one."""

        def __init__(self, x: Any) -> None:  # noqa: ANN401 - an array
            self.rows = iter([{"x": row[None]} for row in x])

        def get_next(self) -> Any:  # noqa: ANN401 - a dictionary
            return next(self.rows, None)

    for name, form, activations, weights, channels in BY_ONNXRUNTIME:
        x, kind = channels_first(name), " ".join(filter(None, (form, activations, weights))) or weights
        path = folder / f"ONNX Runtime {name} {kind if form else f'dynamic {weights}'}{' channels' * channels}.onnx"
        plain = path.with_suffix(".float.onnx")
        torch.onnx.export(torch_model(name), (torch.from_numpy(x[:1]),), plain, dynamo=False, input_names=["x"],
                          output_names=["y"], dynamic_axes={"x": {0: "n"}, "y": {0: "n"}})  # fmt: skip
        quant_pre_process(plain, plain)
        if form:
            quantize_static(plain, path, Rows(x), quant_format=QuantFormat[form], per_channel=channels,
                            activation_type=QuantType[activations], weight_type=QuantType[weights])  # fmt: skip
        else:
            quantize_dynamic(plain, path, per_channel=channels, weight_type=QuantType[weights])
        plain.unlink()
        yield path, name


def _written(folder: Path, title: str, model: bytes) -> Path:
    path = folder / f"{title}.tflite"
    path.write_bytes(model)
    return path


PARTS: dict[str, tuple[tuple[Callable[[Path], Iterator[tuple[Path, str]]], Callable[[str], Any]], ...]] = {
    "keras": ((by_tensorflow, samples), (by_quantizer, samples)),
    "torch": ((by_litert_torch, channels_first), (by_onnxruntime, channels_first)),
}


def main(part: str, folder: str, which: str = "") -> None:
    """Write the files of a part."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    for make, rows in PARTS[part]:
        for path, name in make(Path(folder)):
            if which and path.stem not in FIXTURES:
                path.unlink()
                continue
            keep(path, rows(name), FIXTURE_ROWS if which else ROWS)
            print(path.name, path.stat().st_size, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
