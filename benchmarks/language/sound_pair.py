"""A small pair of sounds and text, trained here on words that espeak-ng says, because no published one was at hand.

The words are those of CLINC150's training sentences without the digits: no word that sounds as a digit or contains the
spelling of one. The sound tower takes a second at 8 kHz: log-mel bands below the loudest, convolutions, the largest
value of each filter over time. The text tower takes spelling in small letters or phones of the CMU dictionary in
capitals ("S EH V AH N"): convolutions over the tokens. A contrastive loss (Radford et al. 2021) compares each sound
with the spellings and with the phones of its batch.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.pre_tokenizers import WhitespaceSplit

from benchmarks.language.row import DATA
from edgewright.features import _dft
from edgewright.features._sound import mel_edges, mel_matrix
from edgewright.language.pronunciation.phones import PHONES, SILENCE
from edgewright.language.pronunciation.speech import RATE as SPOKEN_RATE
from edgewright.language.pronunciation.speech import VOICES, say
from edgewright.language.synthesis.speech import recorded_sound, resampled, speakers_of
from edgewright.training.backend import jax, jnp, optax, prepare

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
RATE, FRAME, HOP, BANDS, FLOOR = 8000, 256, 80, 40, 1e-4
WORDS, HELD_OUT_WORDS, TAKES, SPEAKERS, HELD_OUT_SPEAKERS = 3000, 200, 3, 300, 60
# What a throat, a tempo, a microphone and a noise change, after `RAMP` steps in whole.
STRENGTH, RAMP, WARPS, TEMPOS, COLOUR, NOISES = 0.35, 250, (0.85, 1.15), (0.8, 1.25), 0.6, (-11.0, -5.0)
WIDTHS, WIDTH, TOKEN, LONGEST = (96, 160, 192), 96, 48, 16
STEPS, BATCH, LEARNING_RATE, HEAT, SPELLING, SEED = 600, 112, 2e-3, 0.07, 0.2, 0
PAD, UNKNOWN = "[PAD]", "[UNK]"
LETTERS = "abcdefghijklmnopqrstuvwxyz"
TOKENS = {name: number for number, name in
          enumerate((PAD, UNKNOWN, *PHONES, *LETTERS, *(f"##{letter}" for letter in LETTERS)))}  # fmt: skip
Floats = NDArray[np.float32]
Numbers = NDArray[np.int64]
Weights = dict[str, Any]


@dataclass(frozen=True)
class Spoken:
    """Words that were said: log-mel bands, shape (n, frames, BANDS), the number of each word, and their tokens."""

    bands: Floats
    words: Numbers
    spellings: Numbers
    phones: Numbers


def phones_of(word: str) -> str:
    """Return the phones of a word, as the CMU dictionary writes them."""
    return " ".join(PHONES[phone] for phone in say(word, "en-us").phones if phone != SILENCE)


def vocabulary() -> dict[str, str]:
    """Return words with their phones, in an order that is drawn; none that is, contains or sounds as a digit."""
    parts = json.loads((DATA / "clinc150" / "data_full.json").read_bytes())
    every = sorted({word for text, _ in parts["train"] for word in re.findall(r"\b[a-z]{3,12}\b", text)})
    every = [word for word in every if not any(digit in word for digit in DIGITS)]
    sounds, words = {phones_of(digit) for digit in DIGITS}, dict[str, str]()
    for index in np.random.default_rng(SEED).permutation(len(every)).tolist():
        phones = phones_of(every[index])
        if phones and phones not in sounds and len(phones.split()) <= LONGEST:
            sounds.add(phones)  # of words that sound alike the first
            words[every[index]] = phones
        if len(words) == WORDS + HELD_OUT_WORDS:
            break
    return words


def tokens(text: str) -> list[int]:
    """Return what the tokenizer gives for a word or for phones."""
    if text.isupper():
        return [TOKENS[phone] for phone in text.split()]
    return [TOKENS[letter if not at else f"##{letter}"] for at, letter in enumerate(text)]


def padded(texts: Sequence[str]) -> Numbers:
    """Return tokens, shape (n, LONGEST), with zeros behind."""
    ids = np.zeros((len(texts), LONGEST), np.int64)
    for row, text in enumerate(texts):
        own = tokens(text)[:LONGEST]
        ids[row, : len(own)] = own
    return ids


def kernels() -> tuple[Floats, Floats]:
    """Return cosines and sines of a frame, shape (2 * bins, FRAME), and the mel filters, shape (bins, BANDS)."""
    bins = FRAME // 2 + 1
    angle = 2 * np.pi * np.arange(bins)[:, None] * np.arange(FRAME) / FRAME
    taper = _dft.hann(FRAME) / np.sqrt(FRAME)
    waves = np.concatenate([np.cos(angle) * taper, np.sin(angle) * taper]).astype(np.float32)
    edges = mel_edges(BANDS, 60.0, 3900.0, "htk")
    return waves, np.asarray(mel_matrix(_dft.frequencies(FRAME, float(RATE)), edges, "the pair"), np.float32)


def log_mel(sound: Floats) -> Floats:
    """Return bands of the first second below the loudest, shape (frames, BANDS)."""
    waves, filters = kernels()
    second = np.zeros(RATE, np.float32)
    second[: min(RATE, len(sound))] = sound[:RATE]
    frames = np.lib.stride_tricks.sliding_window_view(second, FRAME)[::HOP] @ waves.T
    mel = (np.square(frames[:, : FRAME // 2 + 1]) + np.square(frames[:, FRAME // 2 + 1 :])) @ filters
    return np.asarray(np.log(mel / (mel.max() + 1e-10) + FLOOR), np.float32)


def spoken(words: Mapping[str, str], voices: Sequence[str], takes: int, seed: int) -> Spoken:
    """Say each word in so many voices, as different microphones in different rooms record it."""
    random, bands, numbers = np.random.default_rng([seed, 3]), list[Floats](), list[int]()
    for number, word in enumerate(words):
        for voice in random.choice(len(voices), takes, replace=False):
            speed, pitch, moves = (int(random.integers(*limits)) for limits in ((120, 240), (10, 90), (20, 80)))
            sound = say(word, voices[voice], speed=speed, pitch=pitch, range_=moves).values
            if len(sound) < SPOKEN_RATE // 10 or np.abs(sound).max() < 1e-3:
                continue
            # Another rate is another size of the throat, too.
            at = np.arange(0, len(sound) - 1, random.uniform(0.85, 1.2))
            sound = np.interp(at, np.arange(len(sound)), sound).astype(np.float32)
            sound = resampled(sound, SPOKEN_RATE, RATE)
            before = np.zeros(int(random.integers(0, RATE // 10)), np.float32)
            bands.append(log_mel(recorded_sound(np.concatenate([before, sound]), RATE, random)))
            numbers.append(number)
    return Spoken(np.stack(bands), np.array(numbers), padded(list(words)), padded(list(words.values())))


def start(random: np.random.Generator) -> Weights:
    """Return weights before training."""
    shapes = {"a1": (5 * BANDS, WIDTHS[0]), "a2": (5 * WIDTHS[0], WIDTHS[1]), "a3": (3 * WIDTHS[1], WIDTHS[2]),
              "a4": (WIDTHS[2], WIDTH), "t1": (3 * TOKEN, WIDTHS[0]), "t2": (3 * WIDTHS[0], WIDTHS[1]),
              "t3": (WIDTHS[1], WIDTH)}  # fmt: skip
    weights: Weights = {
        name: random.standard_normal(shape).astype(np.float32) * np.float32((2 / shape[0]) ** 0.5)
        for name, shape in shapes.items()
    }
    offsets = {f"{name}b": np.zeros(shape[1], np.float32) for name, shape in shapes.items()}
    return weights | offsets | {"token": random.standard_normal((len(TOKENS), TOKEN)).astype(np.float32)}


def _windows(x: Any, size: int, stride: int) -> Any:  # noqa: ANN401 - arrays of JAX
    """Return stretches of so many steps as one vector each: shape (n, steps, size * channels)."""
    count = (x.shape[1] - size) // stride + 1
    return jnp.concatenate([x[:, at : at + stride * (count - 1) + 1 : stride] for at in range(size)], axis=2)


def _unit(x: Any) -> Any:  # noqa: ANN401 - arrays of JAX
    return x / jnp.sqrt(jnp.sum(x * x, axis=1, keepdims=True) + 1e-12)


def sound_vectors(w: Weights, bands: Any) -> Any:  # noqa: ANN401 - arrays of JAX
    """Return unit vectors of log-mel bands."""
    x = jax.nn.relu(_windows(bands, 5, 2) @ w["a1"] + w["a1b"])
    x = jax.nn.relu(_windows(x, 5, 2) @ w["a2"] + w["a2b"])
    x = jax.nn.relu(_windows(x, 3, 1) @ w["a3"] + w["a3b"])
    return _unit(x.max(axis=1) @ w["a4"] + w["a4b"])


def text_vectors(w: Weights, ids: Any) -> Any:  # noqa: ANN401 - arrays of JAX
    """Return unit vectors of tokens."""
    mask = (ids > 0)[:, :, None].astype(jnp.float32)
    x = w["token"][ids] * mask
    for name in ("t1", "t2"):
        around = jnp.pad(x, ((0, 0), (1, 1), (0, 0)))
        x = jax.nn.relu(_windows(around, 3, 1) @ w[name] + w[f"{name}b"]) * mask
    return _unit(x.max(axis=1) @ w["t3"] + w["t3b"])


def _loss(w: Weights, bands: Any, spellings: Any, phones: Any) -> Any:  # noqa: ANN401 - arrays of JAX
    sounds, total = sound_vectors(w, bands), jnp.zeros(())
    for ids, weight in ((spellings, SPELLING), (phones, 1.0)):
        scores = sounds @ text_vectors(w, ids).T / HEAT
        own = jnp.diagonal(scores)
        both = jax.nn.logsumexp(scores, axis=1) + jax.nn.logsumexp(scores, axis=0) - 2 * own
        total += weight * jnp.mean(both)
    return total


def varied(bands: Floats, strength: float, random: np.random.Generator) -> Floats:
    """Return recordings of other throats, tempos, microphones and noises, with a gap in time and one in the bands."""
    count, frames, _ = bands.shape
    # Between which bands and frames each new band and frame lies.
    for axis, low, high in ((2, *WARPS), (1, *TEMPOS)):
        size = bands.shape[axis]
        at = np.clip(np.arange(size) * random.uniform(low, high, (count, 1)) ** strength, 0, size - 1)
        left = at.astype(np.int64)
        share = np.expand_dims((at - left).astype(np.float32), 3 - axis)
        left = np.expand_dims(left, 3 - axis)
        after = np.take_along_axis(bands, np.minimum(left + 1, size - 1), axis)
        bands = (1 - share) * np.take_along_axis(bands, left, axis) + share * after
    waves = np.cos(np.pi * np.outer(np.arange(1, 5), (np.arange(BANDS) + 0.5) / BANDS))
    bands = bands + (random.normal(0, strength * COLOUR, (count, 1, 4)) @ waves).astype(np.float32)
    noise = random.uniform(*NOISES, (count, 1, 1)) + random.normal(0, 0.5, (count, 1, 4)) @ waves
    noise += 4 * (strength - 1)
    bands = np.logaddexp(bands, noise.astype(np.float32))
    for row in bands[: round(strength * count)]:
        frame, band = int(random.integers(frames)), int(random.integers(BANDS))
        row[frame : frame + int(random.integers(8))] = bands.min()
        row[:, band : band + int(random.integers(6))] = row.mean()
    return np.asarray(bands, np.float32)


def batches(data: Spoken, random: np.random.Generator) -> Iterator[Numbers]:
    """Yield numbers of sounds, of different words each."""
    of_word = [np.flatnonzero(data.words == word) for word in range(len(data.spellings))]
    of_word = [sounds for sounds in of_word if len(sounds)]
    while True:
        yield np.array([random.choice(of_word[word]) for word in random.permutation(len(of_word))[:BATCH]])


def fit(data: Spoken, seed: int = SEED) -> Weights:
    """Train both towers."""
    prepare()
    random = np.random.default_rng(seed)
    weights = start(random)
    rule = optax.adamw(optax.cosine_decay_schedule(LEARNING_RATE, STEPS), weight_decay=0.01)

    @jax.jit
    def step(w: Weights, state: Any, bands: Any, spellings: Any, phones: Any) -> Any:  # noqa: ANN401 - arrays of JAX
        loss, gradient = jax.value_and_grad(_loss)(w, bands, spellings, phones)
        update, state = rule.update(gradient, state, w)
        return optax.apply_updates(w, update), state, loss

    state, losses = rule.init(weights), []
    for number, some in zip(range(STEPS), batches(data, random), strict=False):
        bands, words = data.bands[some], data.words[some]
        bands = varied(bands, STRENGTH * min(1.0, number / RAMP), random)
        weights, state, loss = step(weights, state, bands, data.spellings[words], data.phones[words])
        losses.append(float(loss))
        if number % 100 == 99:
            print(f"step {number + 1}: loss {np.mean(losses[-100:]):.2f}", file=sys.stderr, flush=True)
    return {name: np.asarray(value, np.float32) for name, value in weights.items()}


def accuracy(weights: Weights, data: Spoken, classes: int = 10) -> dict[str, float]:
    """Return how often a sound lies nearer to its own word than to nine drawn others."""
    random, sounds = np.random.default_rng(SEED), np.asarray(sound_vectors(weights, data.bands))
    shares = {}
    for name, ids in (("spelling", data.spellings), ("phones", data.phones)):
        scores = sounds @ np.asarray(text_vectors(weights, ids)).T
        right = []
        for row, word in zip(scores, data.words.tolist(), strict=True):
            others = random.permutation(np.delete(np.arange(len(ids)), word))[: classes - 1]
            right.append(row[word] > row[others].max())
        shares[name] = float(np.mean(right))
    return shares


def write_pair(folder: Path, weights: Weights) -> Path:
    """Return a directory as published pairs are laid out."""
    folder.mkdir()
    model = WordPiece(TOKENS, unk_token=UNKNOWN, max_input_chars_per_word=100)
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = WhitespaceSplit()
    tokenizer.save(str(folder / "tokenizer.json"))
    how = {"sampling_rate": RATE, "max_length_s": 1.0}
    (folder / "preprocessor_config.json").write_text(json.dumps(how), encoding="utf-8")
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\nSmall and trained here.\n", encoding="utf-8")
    _write_sound_tower(folder / "audio_model.onnx", weights)
    _write_text_tower(folder / "text_model.onnx", weights)
    return folder


def _node(kind: str, inputs: str, output: str, **settings: Any) -> onnx.NodeProto:  # noqa: ANN401 - as ONNX takes it
    return helper.make_node(kind, inputs.split(), [output], **settings)


def _save(path: Path, nodes: list[onnx.NodeProto], given: list[onnx.ValueInfoProto], constants: dict[str, Any]) -> None:
    output = helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, ["N", WIDTH])
    tensors = [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, path.stem, given, [output], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def _kernel(matrix: Floats, size: int) -> Floats:
    """Return a matrix of stretches of steps as a kernel of a convolution, shape (filters, channels, size)."""
    return matrix.reshape(size, -1, matrix.shape[1]).transpose(2, 1, 0)


def _write_sound_tower(path: Path, w: Weights) -> None:
    waves, filters = kernels()
    nodes = [
        _node("Unsqueeze", "input_values one", "channel"),
        _node("Conv", "channel waves", "spectrum", strides=[HOP]),
        _node("Mul", "spectrum spectrum", "squares"),
        _node("Conv", "squares mel", "power"),
        _node("ReduceMax", "power", "loudest", axes=[1, 2]),
        _node("Add", "loudest tiny", "above_zero"),
        _node("Div", "power above_zero", "share"),
        _node("Add", "share floor", "above_floor"),
        _node("Log", "above_floor", "bands"),
    ]
    constants: dict[str, Any] = {
        "one": np.array([1]), "waves": waves[:, None], "tiny": np.array(1e-10, np.float32),
        "mel": np.concatenate([filters, filters]).T[:, :, None], "floor": np.array(FLOOR, np.float32),
    }  # fmt: skip
    before = "bands"
    for name, size, stride in (("a1", 5, 2), ("a2", 5, 2), ("a3", 3, 1)):
        nodes += [_node("Conv", f"{before} {name} {name}b", f"{name}_raw", strides=[stride]),
                  _node("Relu", f"{name}_raw", f"{name}_out")]  # fmt: skip
        constants |= {name: _kernel(w[name], size), f"{name}b": w[f"{name}b"]}
        before = f"{name}_out"
    nodes += [_node("ReduceMax", before, "largest", axes=[2], keepdims=0),
              _node("Gemm", "largest a4 a4b", "audio_embeds")]  # fmt: skip
    constants |= {name: w[name] for name in ("a4", "a4b")}
    _save(path, nodes, [helper.make_tensor_value_info("input_values", TensorProto.FLOAT, ["N", RATE])], constants)


def _write_text_tower(path: Path, w: Weights) -> None:
    nodes = [
        _node("Cast", "attention_mask", "mask_values", to=TensorProto.FLOAT),
        _node("Unsqueeze", "mask_values one", "mask"),
        _node("Gather", "token input_ids", "vectors"),
        _node("Transpose", "vectors", "t0_all", perm=[0, 2, 1]),
        _node("Mul", "t0_all mask", "t0"),
    ]
    constants: dict[str, Any] = {"one": np.array([1]), "token": w["token"]}
    for before, name in (("t0", "t1"), ("t1", "t2")):
        nodes += [_node("Conv", f"{before} {name}k {name}b", f"{name}_raw", pads=[1, 1]),
                  _node("Relu", f"{name}_raw", f"{name}_all"),
                  _node("Mul", f"{name}_all mask", name)]  # fmt: skip
        constants |= {f"{name}k": _kernel(w[name], 3), f"{name}b": w[f"{name}b"]}
    nodes += [_node("ReduceMax", "t2", "largest", axes=[2], keepdims=0),
              _node("Gemm", "largest t3 t3b", "text_embeds")]  # fmt: skip
    constants |= {name: w[name] for name in ("t3", "t3b")}
    given = [helper.make_tensor_value_info(name, TensorProto.INT64, ["N", "T"])
             for name in ("input_ids", "attention_mask")]  # fmt: skip
    _save(path, nodes, given, constants)


def brought(folder: Path) -> Path:
    """Say words, train, and return the pair's directory."""
    words = vocabulary()
    voices = speakers_of(VOICES, SPEAKERS + HELD_OUT_SPEAKERS, np.random.default_rng(SEED))
    items = list(words.items())
    weights = fit(spoken(dict(items[:-HELD_OUT_WORDS]), voices[:SPEAKERS], TAKES, seed=0))
    reached = accuracy(weights, spoken(dict(items[-HELD_OUT_WORDS:]), voices[SPEAKERS:], TAKES, seed=1))
    shares = ", ".join(f"{100 * share:.1f} % by {name}" for name, share in reached.items())
    print(f"{HELD_OUT_WORDS} words left out, voices left out, one of ten: {shares}", flush=True)
    return write_pair(folder, weights)
