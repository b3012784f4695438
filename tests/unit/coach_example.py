"""A tiny coach with random weights, and a folder of recordings by voices of espeak-ng, for tests of pronunciation."""

from __future__ import annotations

import ctypes.util
from pathlib import Path

import numpy as np

from edgewright.compression.int8 import quantise
from edgewright.core.input.riff import wav_bytes
from edgewright.core.integer.network import marked
from edgewright.graph.onnx_writer import to_onnx
from edgewright.models.restoration import DenoiserConfig
from espeak import RATE, say
from network import CoachFile, with_test
from phones import OUTPUTS, PHONES
from records import COACH_VERSION, CoachLearnt, CoachSpec
from sound import MELS
from training import PhoneNetwork, graph_of

TINY = DenoiserConfig(hop=2, delay=4, filters=8, blocks=2, kernel=3, first=4)
LEXICON = "A AH0\nBEAR B EH1 R\nCALL K AO1 L\nIT IH1 T\nWE W IY1\nTHE DH AH0\nTHE DH IY0\nTHIN TH IH1 N\nRED R EH1 D\n"
SENTENCES = ("WE CALL IT BEAR", "THE BEAR", "A RED BEAR", "CALL THE RED BEAR", "A THIN BEAR", "WE CALL THE BEAR")


def has_speech() -> bool:
    """Return whether the library of espeak-ng is installed."""
    return ctypes.util.find_library("espeak-ng") is not None


def random_coach(seed: int = 0) -> CoachFile:
    """Return a coach whose weights are drawn."""
    rng = np.random.default_rng(seed)
    parameters = PhoneNetwork(TINY).initialise(rng)
    mean, deviation = np.full(MELS, -9.0, np.float32), np.full(MELS, 3.0, np.float32)
    x = (rng.standard_normal((16, MELS, 64)) * 3.0 - 9.0).astype(np.float32)
    graph = graph_of(TINY, parameters, mean, deviation, 64, "tiny")
    spec = CoachSpec(
        version=COACH_VERSION, name="tiny", phones=PHONES, mean=(-9.0,) * MELS, deviation=(3.0,) * MELS,
        offsets=(0.0,) * OUTPUTS, delay=TINY.delay, window=64, rounding="litert", parameters=1, macs=1,
        phone_limit=1.0, word_limit=1.0,
        learnt=CoachLearnt(origin="", trained=("a",), limits=("b",), held_out=("c",), sentences=1, epochs=1, loss=1.0,
                           seed=seed),
    )  # fmt: skip
    return with_test(spec, to_onnx(graph), to_onnx(marked(quantise(graph, x), "litert")), x[0].T.copy())


def recordings(folder: Path) -> Path:
    """Write what six voices of espeak-ng read, in the layout of recordings."""
    folder.mkdir()
    (folder / "lexicon.txt").write_text(LEXICON)
    texts, speakers = [], []
    for number, text in enumerate(SENTENCES):
        spoken = say(text.lower(), f"en-us+m{number + 1}", speed=130)
        (folder / f"s{number}.wav").write_bytes(wav_bytes(spoken.values[:, None] * 0.5, RATE))
        texts.append(f"s{number} {text}")
        speakers.append(f"s{number} voice{number}")
    texts += [f"spoken{number} {text} IT" for number, text in enumerate(SENTENCES)]
    speakers += [f"spoken{number} nobody" for number in range(len(SENTENCES))]
    (folder / "text").write_text("\n".join(texts) + "\n")
    (folder / "utt2spk").write_text("\n".join(speakers) + "\n")
    return folder
