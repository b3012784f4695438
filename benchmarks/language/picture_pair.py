"""A small CLIP-like pair, trained here, because no published one was at hand: groceries and lines about them.

The text tower is MiniLM as it is. The picture tower is trained on the photographs of three quarters of the coarse
classes: mean colours and contrasts of a grid, two dense layers, to the vector of the class's line, by a contrastive
loss (Radford et al. 2021, with the text tower locked as in Zhai et al. 2022). The other quarter was never seen.
"""

from __future__ import annotations

import csv
import io
import json
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from benchmarks.language.row import DATA, Row, encoder_directory
from benchmarks.language.zero_shot import share
from edgewright.language.documents.media_encoder import MediaEncoder
from edgewright.language.embedding import load
from edgewright.language.embedding.load import graph_of
from edgewright.language.zero_shot.choice import labels_of
from edgewright.language.zero_shot.media import media_chooser

SIDE, GRID, HIDDEN, EPOCHS, BATCH, RATE, HEAT = 48, 6, 128, 60, 128, 2e-3, 0.05
TASK = "groceries from lines, small pair trained here"
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Shelf:
    """Photographs, shape (n, 3, SIDE, SIDE) from 0 to 1, and the coarse class of each."""

    pictures: Floats
    truth: NDArray[np.int64]
    files: list[bytes]


def rows() -> list[Row]:
    """Return classes that it was trained on, and classes that it never saw."""
    path = encoder_directory()
    if path is None:
        return []
    names = coarse_names()
    unseen = np.arange(len(names)) % 4 == 3
    train, val = shelf("train"), shelf("val")
    known = ~unseen[train.truth]
    text = load(path)
    lines = text.encode([line_of(name) for name in names])
    with tempfile.TemporaryDirectory() as folder:
        pair = write_pair(Path(folder) / "pair", path, fit_tower(train.pictures[known], train.truth[known], lines))
        encoder = MediaEncoder(pair)
        rows = []
        for title, among in (("trained on", ~unseen), ("never seen", unseen)):
            numbers = np.flatnonzero(among)
            labels = labels_of({names[k]: [line_of(names[k])] for k in numbers}, [])
            chooser, right = media_chooser(labels, encoder), []
            for file, truth in zip(val.files, val.truth, strict=True):
                if among[truth]:
                    file_path = Path(folder) / "one.jpg"
                    file_path.write_bytes(file)
                    choice = chooser.choose(encoder.encode_file(file_path)[None])[0]
                    right.append(choice.nearest == names[truth])
            reached = f"{share(np.array(right))} of {len(right)}, by chance {100 / len(numbers):.1f} %"
            rows.append(Row(TASK, f"{len(numbers)} classes {title}", reached, ""))
    return rows


def line_of(name: str) -> str:
    """Return what describes a class."""
    return f"a photo of {name.replace('-', ' ').lower()}"


def coarse_names() -> list[str]:
    """Return names of the coarse classes, by their numbers."""
    with (DATA / "grocery" / "classes.csv").open(encoding="utf-8", newline="") as file:
        names = {int(row["Coarse Class ID (int)"]): row["Coarse Class Name (str)"] for row in csv.DictReader(file)}
    return [names[k] for k in range(len(names))]


def shelf(part: str) -> Shelf:
    """Return the photographs of 'train' or 'val'."""
    with (DATA / "grocery" / f"{part}.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    with zipfile.ZipFile(DATA / "grocery" / f"{part}.zip") as archive:
        files = [archive.read(row["file"]) for row in table]
    pictures = np.empty((len(files), 3, SIDE, SIDE), np.float32)
    for number, data in enumerate(files):
        with Image.open(io.BytesIO(data)) as picture:
            small = picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC)
            pictures[number] = np.asarray(small, np.float32).transpose(2, 0, 1) / 255
    return Shelf(pictures, np.array([int(row["coarse"]) for row in table]), files)


def grid(pictures: Floats) -> Floats:
    """Return mean and mean square of each colour in each square: shape (n, 6 * GRID * GRID)."""
    step = SIDE // GRID
    squares = pictures.reshape(-1, 3, GRID, step, GRID, step)
    both = np.stack([squares.mean(axis=(3, 5)), np.square(squares).mean(axis=(3, 5))], axis=1)
    return both.reshape(len(pictures), -1)


def fit_tower(pictures: Floats, truth: NDArray[np.int64], lines: Floats) -> list[Floats]:
    """Two dense layers by Adam, from the grid to the space of the lines; softmax over the lines of the classes.

    Returns:
        Kernels and offsets of both layers, the first with the standardising of its inputs in it.
    """
    random = np.random.default_rng(0)
    both = np.concatenate([grid(pictures), grid(pictures[:, :, :, ::-1])])
    targets = np.concatenate([truth, truth])
    mean, spread = both.mean(axis=0), both.std(axis=0) + 1e-3
    inputs = (both - mean) / spread
    classes, places = np.unique(targets, return_inverse=True)
    wanted = lines[classes]
    width = lines.shape[1]
    weights = [
        random.standard_normal((inputs.shape[1], HIDDEN)) / np.sqrt(inputs.shape[1]), np.zeros(HIDDEN),
        random.standard_normal((HIDDEN, width)) / np.sqrt(HIDDEN), np.zeros(width),
    ]  # fmt: skip
    moments = [(np.zeros_like(w), np.zeros_like(w)) for w in weights]
    step = 0
    for epoch in range(EPOCHS):
        order = random.permutation(len(inputs))
        for at in range(0, len(order), BATCH):
            some, step = order[at : at + BATCH], step + 1
            gradients = _gradients(weights, inputs[some] + 0.1 * random.standard_normal((len(some), inputs.shape[1])),
                                   wanted, places[some])  # fmt: skip
            rate = RATE * (1 - epoch / EPOCHS)
            for weight, gradient, (first, second) in zip(weights, gradients, moments, strict=True):
                first += 0.1 * (gradient - first)
                second += 0.001 * (gradient * gradient - second)
                upright = np.sqrt(second / (1 - 0.999**step)) + 1e-8
                weight -= rate * (first / (1 - 0.9**step) / upright + 0.02 * weight)
    kernel = weights[0] / spread[:, None]
    return [np.asarray(w, np.float32) for w in (kernel, weights[1] - mean @ kernel, weights[2], weights[3])]


def _gradients(weights: list[Floats], x: Floats, lines: Floats, places: NDArray[np.int64]) -> list[Floats]:
    """Of cross-entropy over cosines to the lines."""
    first, one, second, two = weights
    hidden = np.maximum(x @ first + one, 0)
    raw = hidden @ second + two
    length = np.linalg.norm(raw, axis=1, keepdims=True) + 1e-9
    unit = raw / length
    powers = np.exp((unit @ lines.T - 1) / HEAT)
    error = powers / powers.sum(axis=1, keepdims=True)
    error[np.arange(len(x)), places] -= 1
    to_unit = error @ lines / HEAT / len(x)
    to_raw = (to_unit - unit * (to_unit * unit).sum(axis=1, keepdims=True)) / length
    to_hidden = (to_raw @ second.T) * (hidden > 0)
    return [x.T @ to_hidden, to_hidden.sum(axis=0), hidden.T @ to_raw, to_raw.sum(axis=0)]


def write_pair(folder: Path, text: Path, tower: list[Floats]) -> Path:
    """Return a directory as published pairs are laid out."""
    folder.mkdir()
    (folder / "text_model.onnx").write_bytes(graph_of(text))
    (folder / "tokenizer.json").write_bytes((text / "tokenizer.json").read_bytes())
    how = {"size": {"shortest_edge": SIDE}, "crop_size": SIDE, "do_normalize": False}
    (folder / "preprocessor_config.json").write_text(json.dumps(how), encoding="utf-8")
    step = SIDE // GRID
    sides = [step, step]
    nodes = [
        helper.make_node("AveragePool", ["pixel_values"], ["mean"], kernel_shape=sides, strides=sides),
        helper.make_node("Mul", ["pixel_values", "pixel_values"], ["square"]),
        helper.make_node("AveragePool", ["square"], ["mean_square"], kernel_shape=sides, strides=sides),
        helper.make_node("Concat", ["mean", "mean_square"], ["both"], axis=1),
        helper.make_node("Flatten", ["both"], ["flat"]),
        helper.make_node("Gemm", ["flat", "kernel_1", "offset_1"], ["raw"]),
        helper.make_node("Relu", ["raw"], ["hidden"]),
        helper.make_node("Gemm", ["hidden", "kernel_2", "offset_2"], ["image_embeds"]),
    ]
    names = ("kernel_1", "offset_1", "kernel_2", "offset_2")
    constants = [numpy_helper.from_array(array, name) for array, name in zip(tower, names, strict=True)]
    given = helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["N", 3, SIDE, SIDE])
    output = helper.make_tensor_value_info("image_embeds", TensorProto.FLOAT, ["N", tower[3].shape[0]])
    graph = helper.make_graph(nodes, "pictures", [given], [output], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, str(folder / "vision_model.onnx"))
    return folder


if __name__ == "__main__":
    for row in rows():
        print(row, file=sys.stdout)
