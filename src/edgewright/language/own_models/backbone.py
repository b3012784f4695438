"""Backbones: .tflite or .onnx files of pictures or signals, whose layers begin a network."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from edgewright.language.own_models import Figures, ModelKind, onnx_inputs
from edgewright.models.nn.backbone import BackboneConfig, apply, initialise, settled
from edgewright.schema.errors import InputError


def _matches(path: Path) -> bool:
    if not path.is_file():
        return False
    # Files of encoders need their tokeniser or their preprocessing beside them.
    encodes = {"input_ids", "pixel_values", "input_values"}
    return path.suffix == ".tflite" or (path.suffix == ".onnx" and not encodes & onnx_inputs(path))


def _copy(source: Path, target: Path) -> str:
    shutil.copyfile(source, target / source.name)
    return source.name


def _test(path: Path) -> tuple[str, Figures]:
    config = settled(BackboneConfig(file=str(path)))
    pixels = (0.0, 255.0) if len(config.shape) == 3 else None
    # Weights are read from the file; a float file is tested with the numbers that it takes.
    given = BackboneConfig(file=str(path), pixels=pixels)
    parameters = initialise(given, config.shape, np.random.default_rng(0))
    samples = np.random.default_rng(0).uniform(0, 255 if pixels else 1, (2, *config.shape)).astype(np.float32)
    features = np.asarray(apply(given, parameters, samples))
    if not np.isfinite(features).all() or float(np.ptp(features, axis=0).max()) == 0.0:
        raise InputError("features that differ between samples", "the same for all", path.name)
    shapes = {"takes": " x ".join(map(str, config.shape)), "gives": " x ".join(map(str, config.out))}
    return "backbone", {**shapes, "layers": len(config.nodes), "macs": config.macs}


KIND = ModelKind("a backbone (a .tflite or .onnx file of a network)", _matches, _copy, _test)
