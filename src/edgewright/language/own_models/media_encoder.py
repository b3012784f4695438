"""Encoders of pictures and sounds, with the encoder of text beside them where there is one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from edgewright.language.documents.media_encoder import MediaEncoder
from edgewright.language.embedding.directory import PAIRED
from edgewright.language.own_models import Figures, ModelKind, copy_files, onnx_inputs, with_weights
from edgewright.language.own_models._text import test_text
from edgewright.nlp.documents.media import MEDIA_GRAPHS, MEDIA_INPUTS
from edgewright.schema.errors import InputError

_COLOURS = ("red", "green", "blue", "white", "black", "yellow")


def media_graph(path: Path) -> Path | None:
    """Return the graph of pictures or sounds in a folder; None where there is none."""
    for name in MEDIA_GRAPHS:
        for file in (path / name, path / "onnx" / name):
            if file.is_file() and (name != MEDIA_GRAPHS[-1] or MEDIA_INPUTS.keys() & onnx_inputs(file)):
                return file
    return None


def _copy(source: Path, target: Path) -> str:
    own = media_graph(source)
    if own is None:
        raise InputError(f"a graph that encodes pictures or sounds ({', '.join(MEDIA_GRAPHS)})", "none", str(source))
    graphs = [own, *(source / name for name in PAIRED if (source / name).is_file())]
    also = [source / name for name in ("tokenizer.json", "preprocessor_config.json") if (source / name).is_file()]
    if len(graphs) > 1 and not (source / "tokenizer.json").is_file():
        raise InputError("a tokenizer.json next to text_model.onnx", "none", str(source))
    copy_files(source, target, [*(file for graph in graphs for file in with_weights(graph)), *also])
    return ""


def _test(path: Path) -> tuple[str, Figures]:
    encoder = MediaEncoder(path)
    figures: Figures = {"dimensions": encoder.dimensions, "reads_text": "yes" if encoder.reads_text else "no"}
    if encoder.reads_text:
        figures |= test_text(encoder, str(path))
    if encoder.kind == "picture":
        vectors = np.stack([encoder.encode_picture(Image.new("RGB", (64, 64), name)) for name in _COLOURS])
    else:
        noise, times = np.random.default_rng(0).standard_normal(16_000), np.arange(16_000) / 16_000
        # Noise, a tone that rises, and a click.
        sounds = (0.1 * noise, 0.3 * np.sin(2 * np.pi * 400 * times * (1 + times)), 0.9 * (np.arange(16_000) < 80))
        vectors = np.stack([encoder.encode_sound(sound, 16_000) for sound in sounds])
    if not np.isfinite(vectors).all() or float(np.ptp(vectors, axis=0).max()) < 1e-6:
        raise InputError(f"vectors that differ between {encoder.kind}s", "the same for all", str(path))
    if encoder.kind == "picture" and encoder.reads_text:
        cosines = vectors @ encoder.encode([f"a {name} picture" for name in _COLOURS]).T
        right = int((cosines.argmax(axis=1) == np.arange(len(_COLOURS))).sum())
        figures["colours_named_right"] = f"{right} of {len(_COLOURS)}"
    return encoder.kind, figures


KIND = ModelKind(
    "an encoder of pictures or sounds (a folder with vision_model.onnx, audio_model.onnx or model.onnx; for words also "
    "text_model.onnx and tokenizer.json)",
    lambda path: media_graph(path) is not None,
    _copy,
    _test,
)
