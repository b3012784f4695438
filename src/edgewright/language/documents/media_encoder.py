"""Encoders of pictures and sounds from a local directory, with the encoder of text beside them where there is one.

The directory is laid out as such pairs are published: `vision_model.onnx`, `audio_model.onnx` or `model.onnx` takes
`pixel_values` (N, 3, H, W) or `input_values` (N, samples); `text_model.onnx` and `tokenizer.json` of the same space;
`preprocessor_config.json` for size, mean and rate. The graphs may lie in `onnx/`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgewright.core.engines.onnxruntime import open_session
from edgewright.core.input.pictures import opened
from edgewright.core.input.riff import read_wav
from edgewright.core.own_models import hash_of
from edgewright.language.embedding.contract import Vectors, unit
from edgewright.language.embedding.directory import PAIRED, look
from edgewright.language.embedding.text import TextEncoder
from edgewright.schema.errors import InputError

Kind = Literal["picture", "sound"]
SUFFIXES: dict[Kind, tuple[str, ...]] = {
    "picture": (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".ppm"),
    "sound": (".wav",),
}
MEDIA_INPUTS: dict[str, Kind] = {"pixel_values": "picture", "input_values": "sound"}
# Of exports with several outputs, the one that lies in the space of the text.
_OUTPUTS = ("image_embeds", "audio_embeds", "embedding", "vector")
MEDIA_GRAPHS = ("vision_model.onnx", "audio_model.onnx", "model.onnx")
_DO = "Name a directory with vision_model.onnx or audio_model.onnx, such as an ONNX export of CLIP"
_LARGEST = 256 << 20


class _Preprocessing(msgspec.Struct, frozen=True):
    """`preprocessor_config.json`, as far as it is needed."""

    size: int | dict[str, int] = 224
    crop_size: int | dict[str, int] | None = None
    do_normalize: bool = True
    image_mean: tuple[float, float, float] = (0.48145466, 0.4578275, 0.40821073)
    image_std: tuple[float, float, float] = (0.26862954, 0.26130258, 0.27577711)
    sampling_rate: int = 16_000
    max_length_s: float = 10.0


class MediaEncoder:
    """Pictures or sounds to unit vectors, and texts to vectors of the same space.

    Args:
        directory: of the encoder.

    Raises:
        InputError: no such directory, no graph in it, or one that takes something else.

    Attributes:
        name: name of the directory.
        kind: what it takes.
        dimensions: length of a vector.
        bytes: of its graphs.
    """

    def __init__(self, directory: Path) -> None:
        if not directory.is_dir():
            raise InputError("the directory of an encoder", "no such directory", str(directory), _DO)
        self._directory, self.name, self.sha256 = directory, directory.resolve().name, hash_of(directory)
        model = _existing(directory, MEDIA_GRAPHS)
        if model is None:
            raise InputError("a graph that encodes pictures or sounds", "none", str(directory), _DO)
        self._session = open_session(model, threads=1, where=str(model))
        inputs = [port for port in self._session.get_inputs() if port.name in MEDIA_INPUTS]
        if len(inputs) != 1 or len(self._session.get_inputs()) != 1:
            got = ", ".join(port.name for port in self._session.get_inputs())
            raise InputError("a graph that takes pixel_values or input_values alone", got, str(model), _DO)
        self._input, self.kind = inputs[0].name, MEDIA_INPUTS[inputs[0].name]
        self._how = _preprocessing(directory / "preprocessor_config.json", inputs[0].shape)
        names = [port.name for port in self._session.get_outputs()]
        self._output = [next((name for name in _OUTPUTS if name in names), names[0])]
        self._text = _text(directory)
        self.bytes = model.stat().st_size + (self._text.bytes if self._text else 0)
        blank = Image.new("RGB", (8, 8))
        vector = self.encode_picture(blank) if self.kind == "picture" else self.encode_sound(np.zeros(1600), 16_000)
        self.dimensions = len(vector)
        if self._text is not None and self._text.dimensions != self.dimensions:
            got = f"{self._text.dimensions} and {self.dimensions}"
            raise InputError("text and media in vectors of one length", got, str(directory))

    @property
    def reads_text(self) -> bool:
        """Whether texts can be compared with what it encodes."""
        return self._text is not None

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return vectors of texts, shape (n, d).

        Raises:
            InputError: there is no encoder of text beside it.
        """
        if self._text is None:
            raise InputError("text_model.onnx and tokenizer.json next to the encoder", "none", str(self._directory),
                             "Search by example with --like FILE")  # fmt: skip
        return self._text.encode(texts)

    def encode_file(self, path: Path) -> NDArray[np.float32]:
        """Return the vector of a picture or a WAV file, shape (d,).

        Raises:
            InputError: it cannot be read as such, or is too large.
        """
        try:
            size = path.stat().st_size
            if size > _LARGEST:
                raise InputError(f"at most {_LARGEST >> 20} MB", f"{size >> 20} MB", str(path))
            content = path.read_bytes()
        except OSError as error:
            raise InputError(f"a {self.kind} that can be read", error.strerror or str(error), str(path)) from None
        if self.kind == "sound":
            sound = read_wav(content, str(path))
            return self.encode_sound(sound.values.mean(axis=1), sound.rate)
        return self.encode_picture(opened(content, str(path), lambda picture: picture.convert("RGB")))

    def encode_picture(self, picture: Image.Image) -> NDArray[np.float32]:
        """Return the vector of a picture, shape (d,)."""
        return self._run(self._ready(picture.convert("RGB")))

    def encode_sound(self, samples: NDArray[Any], rate: int) -> NDArray[np.float32]:
        """Return the vector of a sound, shape (d,), from samples of one channel at `rate` per second."""
        return self._run(self._wave(samples, rate))

    def _run(self, value: NDArray[np.float32]) -> NDArray[np.float32]:
        try:
            output: NDArray[Any] = self._session.run(self._output, {self._input: value})[0]
        except Exception as error:  # noqa: BLE001 - ONNX Runtime's own classes
            why = " ".join(str(error).split())[:200]
            raise InputError(f"a graph that takes {value.shape}", why, str(self._directory)) from None
        flat = output if output.ndim == 2 else output.reshape(1, -1, output.shape[-1]).mean(axis=1)
        return np.asarray(unit(flat)[0], np.float32)

    def _ready(self, picture: Image.Image) -> NDArray[np.float32]:
        """Shorter edge to size, centre cut out, channels first, normalised: shape (1, 3, H, W)."""
        height, width = _edges(self._how.crop_size or self._how.size)
        scale = max(height / picture.height, width / picture.width)
        wide, high = max(width, round(picture.width * scale)), max(height, round(picture.height * scale))
        resized = picture.resize((wide, high), Image.Resampling.BICUBIC)
        left, top = (wide - width) // 2, (high - height) // 2
        pixels = np.asarray(resized.crop((left, top, left + width, top + height)), np.float32) / 255
        if self._how.do_normalize:
            pixels = (pixels - np.array(self._how.image_mean, np.float32)) / np.array(self._how.image_std, np.float32)
        return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None], np.float32)

    def _wave(self, samples: NDArray[Any], rate: int) -> NDArray[np.float32]:
        """At the encoder's rate by straight lines, its first seconds, zeros behind: shape (1, samples)."""
        wanted = self._how.sampling_rate
        times = np.arange(0, len(samples) / rate, 1 / wanted)[: round(self._how.max_length_s * wanted)]
        wave = np.zeros(round(self._how.max_length_s * wanted), np.float32)
        wave[: len(times)] = np.interp(times, np.arange(len(samples)) / rate, samples)
        return wave[None]


def files_of(folder: Path, kind: Kind) -> list[Path]:
    """Pictures or sounds below a folder, by name.

    Raises:
        InputError: no folder, or none in it.
    """
    if not folder.is_dir():
        raise InputError(f"a folder of {kind}s", "no such folder", str(folder))
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES[kind] and path.is_file())
    if not files:
        raise InputError(f"a folder of {kind}s ({', '.join(SUFFIXES[kind])})", "none in it", str(folder))
    return files


def _existing(directory: Path, names: Sequence[str]) -> Path | None:
    return next((p for name in names for p in (directory / name, directory / "onnx" / name) if p.is_file()), None)


def _text(directory: Path) -> TextEncoder | None:
    model = _existing(directory, PAIRED[:1])
    if model is None or not (directory / "tokenizer.json").is_file():
        return None
    return TextEncoder(look(directory), model, model.stat().st_size)


def _preprocessing(path: Path, shape: Sequence[int | str | None]) -> _Preprocessing:
    """Return what the file says; without one, CLIP's means at the size that the graph takes, 224 where it takes any."""
    if not path.is_file():
        fixed = [edge for edge in shape[2:4] if isinstance(edge, int) and edge > 0]
        return _Preprocessing(size={"height": fixed[0], "width": fixed[1]}) if len(fixed) == 2 else _Preprocessing()
    try:
        how = msgspec.json.decode(path.read_bytes(), type=_Preprocessing)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError("a preprocessor_config.json", str(error), str(path)) from None
    sensible: Callable[[float, float], bool] = lambda value, maximum: 0 < value <= maximum  # noqa: E731 - used four times
    edges = _edges(how.crop_size or how.size)
    if not (sensible(min(edges), 4096) and sensible(max(edges), 4096) and sensible(how.sampling_rate, 200_000)
            and sensible(how.max_length_s, 120) and min(how.image_std) > 0):  # fmt: skip
        raise InputError("valid sizes and rates", "others", str(path))
    return how


def _edges(size: int | dict[str, int]) -> tuple[int, int]:
    if isinstance(size, int):
        return size, size
    edge = size.get("shortest_edge", 224)
    return size.get("height", edge), size.get("width", edge)
