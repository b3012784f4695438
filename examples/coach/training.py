"""Training the phone network: synthetic sentences whose phones are known, then recordings that it aligns itself.

Its body is that of a denoiser, so that it runs step by step in the same integers, here and in C. An answer belongs to
the sound of `delay` steps before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from alignment import Prompt, align
from edgewright.compression.int8 import quantise, ranges_and_grids
from edgewright.core.errors import InputError
from edgewright.core.integer.network import marked
from edgewright.core.records.data import Floats
from edgewright.core.records.network import Graph
from edgewright.core.records.trace import EpochRecord
from edgewright.graph.builder import Builder
from edgewright.graph.onnx_writer import to_onnx
from edgewright.graph.stage import Parameters
from edgewright.models.architecture import Grid
from edgewright.models.restoration import DenoiserConfig, Denoising
from edgewright.training.loop import Result, Sampled, Settings, train
from edgewright.training.program import forward
from edgewright.training.rows import ArrayRows
from espeak import SpokenSentence, sentences
from evaluation import cases, openings
from network import CoachFile, PhoneStream, log_softmax, with_test
from phones import OUTPUTS, PHONES, SILENCE
from records import COACH_VERSION, CoachLearnt, CoachSpec
from sound import FRAMES, MELS, REACH, log_mel, step_time
from takes import Corpus, Take, held_out

SIZES = DenoiserConfig(hop=FRAMES, delay=4, filters=92, blocks=5, kernel=3, first=2 * FRAMES)


class PhoneNetwork(Denoising):
    """(batch, bands, frames) -> (batch, phones, 1, steps), as the loss of a map takes it."""

    def __init__(self, config: DenoiserConfig, grids: tuple[Grid, ...] = ()) -> None:
        super().__init__(config, MELS, OUTPUTS, grids)

    def __call__(self, parameters: list[Parameters], x: Any) -> Any:  # noqa: ANN401 - a JAX array or tracer
        """Compute logits."""
        return super().__call__(parameters, x)[:, :, None]


def graph_of(
    config: DenoiserConfig, parameters: Sequence[Parameters], mean: Floats, deviation: Floats, frames: int, name: str
) -> Graph:
    """Return the window form: log-mel frames (bands, frames) in, logits (phones, steps) out.

    Args:
        config: sizes.
        parameters: of the layers.
        mean: of the bands, shape (bands,).
        deviation: of the bands, shape (bands,).
        frames: of the window.
        name: name of the graph.
    """
    builder = Builder(name, (MELS, frames))
    centred = builder.op("Sub", builder.input, builder.constant(mean[:, None]))
    value = builder.op("Mul", centred, builder.constant(np.float32(1.0) / deviation[:, None]))
    value = builder.op("Clip", value, builder.number(-REACH), builder.number(REACH))
    builder.stage("scaled", value)
    builder.boundary(value)
    value = PhoneNetwork(config).to_graph(parameters, builder, value, (MELS, frames))
    return builder.finish({"prediction": (value, "float32", (OUTPUTS, frames // config.hop))})


_STEPS = 128
_BATCH, _RATE, _ADAPT_RATE, _DECAY = 16, 4e-3, 1e-3, 0.01
_AUGMENT = ({"kind": "speaker", "tract": 0.08, "tempo": 0.0, "shift": 0.0, "tilt": 0.3, "level": 0.4},)
# Share of the logarithm of how often a phone is heard that is taken off, and the least that counts.
_PRIOR, _RAREST = 0.5, 1e-3
# A whole recording is answered at once, in windows of one of these lengths, so that few programs are compiled.
_PIECE = 512
# Steps of the test that a file carries.
_TEST = 100
OnEpoch = Callable[[EpochRecord], bool | None]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class CoachRequest:
    """What is asked of a training.

    Attributes:
        name: name of the coach.
        sentences: synthetic, drawn from the texts of the recordings' folder.
        epochs: of synthetic speech alone, of all, and with the roundings of int8.
        repeats: passes over the recordings in one over the synthetic sentences.
        hold_out: share of the speakers that take no part and judge.
        limits: share of the others whose recordings choose the limits.
        config: sizes of the network.
        seed: seed of the random number generators.
    """

    name: str = "coach"
    sentences: int = 1200
    epochs: tuple[int, int, int] = (6, 12, 3)
    repeats: int = 4
    hold_out: float = 0.3
    limits: float = 0.2
    config: DenoiserConfig = SIZES
    seed: int = 0


@dataclass(frozen=True)
class TrainedCoach:
    """What came of it: the file, and the recordings of the speakers that took no part."""

    file: CoachFile
    judges: tuple[Take, ...]


@dataclass(frozen=True)
class LabelledFrames:
    """Frames of a recording, and the phone of each step; -1 where it is not known."""

    frames: Floats
    labels: Labels


def labelled(sentence: SpokenSentence) -> LabelledFrames:
    """Return a synthetic sentence as the network takes it."""
    frames = log_mel(sentence.values)
    steps = len(frames) // FRAMES
    phone = np.searchsorted(np.asarray(sentence.begins), step_time(np.arange(steps)), side="right") - 1
    return LabelledFrames(frames, np.asarray(sentence.phones, np.int64)[np.maximum(phone, 0)])


def windows(parts: Sequence[LabelledFrames], delay: int, mean: Floats, deviation: Floats) -> Sampled:
    """Cut recordings into windows of `_STEPS`; an answer is late by `delay` steps."""
    inputs, targets = [], []
    for part in parts:
        scaled = np.clip((part.frames - mean) / deviation, -REACH, REACH)
        late = np.concatenate([np.full(delay, -1), part.labels])
        for start in range(0, len(late), _STEPS):
            x = np.zeros((_STEPS * FRAMES, scaled.shape[1]), np.float32)
            cut = scaled[start * FRAMES : (start + _STEPS) * FRAMES]
            x[: len(cut)] = cut
            y = np.full(_STEPS, -1)
            own = late[start : start + _STEPS]
            y[: len(own)] = own
            if (y >= 0).sum() < _STEPS // 8:
                continue
            inputs.append(x.T)
            targets.append(np.stack([np.maximum(y, 0), y >= 0])[:, None].astype(np.float32))
    return Sampled(ArrayRows(np.stack(inputs)), np.stack(targets), np.ones(len(inputs), np.float32))


def together(first: Sampled, other: Sampled, repeats: int) -> Sampled:
    """Return windows of both, the second ones several times."""
    parts = [first, *[other] * repeats]
    return Sampled(
        ArrayRows(np.concatenate([part.rows.take(np.arange(len(part.rows))) for part in parts])),
        np.concatenate([part.targets for part in parts]), np.concatenate([part.weights for part in parts]),
    )  # fmt: skip


@dataclass
class FloatNetwork:
    """A trained network in floats: frames in, log-probabilities of each step out.

    Attributes:
        config: sizes.
        layers: of the network, with roundings or without.
        parameters: of the layers.
        mean, deviation: of the bands.
    """

    config: DenoiserConfig
    layers: PhoneNetwork
    parameters: Any
    mean: Floats
    deviation: Floats

    def scores(self, frames: Floats) -> Floats:
        """Return log-probabilities, shape (steps, phones + 1), each in its place."""
        steps, late = len(frames) // FRAMES, self.config.delay
        length = -(-(steps + late) // _PIECE) * _PIECE * FRAMES
        x = np.zeros((1, frames.shape[1], length), np.float32)
        x[0, :, : steps * FRAMES] = np.clip((frames[: steps * FRAMES] - self.mean) / self.deviation, -REACH, REACH).T
        raw = forward(self.layers, self.parameters, x)[0, :, 0].T[late : late + steps]
        return log_softmax(raw)


def aligned(network: FloatNetwork, takes: Sequence[Take]) -> list[LabelledFrames]:
    """Return recordings with the phones that the network itself finds in them; those too short are left out."""
    parts = []
    for take in takes:
        scores = network.scores(take.frames)
        try:
            segments = align(scores, Prompt(take.pronunciations))
        except InputError:
            continue
        labels = np.full(len(scores), SILENCE)
        for segment in segments:
            labels[segment.begin : segment.end] = segment.phone
        parts.append(LabelledFrames(take.frames, labels))
    return parts


def train_coach(corpus: Corpus, request: CoachRequest, on_epoch: OnEpoch | None = None) -> TrainedCoach:
    """Train a coach on synthetic speech and on recordings, make it int8, and choose its limits.

    Sentences that the judges or the speakers of the limits read are never spoken for the training.

    Args:
        corpus: recordings, sentences and dictionary.
        request: sizes and shares.
        on_epoch: told of every epoch.

    Raises:
        InputError: too few speakers, or no sentence of other speakers to speak.
    """
    training, judges = held_out(corpus.takes, request.hold_out, request.seed)
    fitted, limits = held_out(training, request.limits, request.seed + 1)
    synthetic = _synthetic(corpus, [*judges, *limits], request)
    every = np.concatenate([*(part.frames for part in synthetic), *[take.frames for take in fitted] * request.repeats])
    mean, deviation = every.mean(axis=0), np.maximum(every.std(axis=0), 1e-3)
    config = request.config
    spoken = windows(synthetic, config.delay, mean, deviation)
    layers = PhoneNetwork(config)
    start = layers.initialise(np.random.default_rng([request.seed, 4]))
    first, second, third = request.epochs
    result = train(layers, start, spoken, _settings(first, _RATE, request.seed), on_epoch=on_epoch)

    def read(result: Result, layers: PhoneNetwork) -> Sampled:
        recordings = aligned(FloatNetwork(config, layers, result.parameters, mean, deviation), fitted)
        if not recordings:
            raise InputError("recordings as long as their sentences", "none", "the recordings")
        return together(spoken, windows(recordings, config.delay, mean, deviation), request.repeats)

    both = read(result, layers)
    result = train(layers, result.parameters, both, _settings(second, _RATE, request.seed + 1), on_epoch=on_epoch)
    both = read(result, layers)
    raw = np.asarray(both.rows.take(np.arange(0, len(both.rows), max(1, len(both.rows) // 200))), np.float32)
    raw = raw * deviation[:, None] + mean[:, None]
    graph = graph_of(config, result.parameters, mean, deviation, raw.shape[2], request.name)
    ranges, grids = ranges_and_grids(graph, raw)
    rounded = PhoneNetwork(config, grids)
    result = train(rounded, result.parameters, both, _settings(third, _ADAPT_RATE, request.seed + 2), on_epoch=on_epoch)
    graph = graph_of(config, result.parameters, mean, deviation, raw.shape[2], request.name)
    integers = quantise(graph, raw, known=ranges, per_channel="always")
    spec = CoachSpec(
        version=COACH_VERSION, name=request.name, phones=PHONES, mean=_single(mean), deviation=_single(deviation),
        offsets=(0.0,) * OUTPUTS, delay=config.delay, window=raw.shape[2], rounding="litert",
        parameters=sum(int(np.size(part)) for own in result.parameters for part in own.values()), macs=layers.macs(),
        phone_limit=0.0, word_limit=0.0,
        learnt=CoachLearnt(
            origin=corpus.origin, trained=_speakers(fitted), limits=_speakers(limits), held_out=_speakers(judges),
            sentences=len(synthetic), epochs=sum(request.epochs), loss=result.history[-1].loss, seed=request.seed,
        ),
    )  # fmt: skip
    models = to_onnx(graph), to_onnx(marked(integers, spec.rounding))
    coach = with_test(spec, *models, np.ascontiguousarray(fitted[0].frames[: _TEST * FRAMES]))
    spec = msgspec.structs.replace(spec, offsets=_offsets(PhoneStream(spec, coach.network), fitted))
    stream = PhoneStream(spec, coach.network)
    phones, words = cases(limits, stream.whole, confused=False, seed=request.seed)
    begun = openings(limits, training, replace(coach, spec=spec), stream.whole, request.seed)
    chosen = msgspec.structs.replace(
        spec, phone_limit=phones.limit(), word_limit=words.limit(), sentence_limit=begun.border()
    )
    return TrainedCoach(replace(coach, spec=chosen), tuple(judges))


def _offsets(stream: PhoneStream, takes: Sequence[Take]) -> tuple[float, ...]:
    """Return what turns probabilities half way into likelihoods (H. Bourlard and N. Morgan, 1994)."""
    share = np.mean([np.exp(stream.whole(take.frames)).mean(axis=0) for take in takes], axis=0)
    return _single(-_PRIOR * np.log(np.maximum(share, _RAREST)))


def _synthetic(corpus: Corpus, others: Sequence[Take], request: CoachRequest) -> list[LabelledFrames]:
    read = {take.text for take in others}
    texts = sorted({text for text in corpus.texts.values() if text not in read})
    if not texts or not request.sentences:
        raise InputError("sentences that the held-out speakers do not read", "none", "text",
                         "Add lines without recordings to `text`: they are spoken by espeak-ng")  # fmt: skip
    rng = np.random.default_rng([request.seed, 6])
    order = np.concatenate([rng.permutation(len(texts)) for _ in range(-(-request.sentences // len(texts)))])
    return [labelled(sentence) for sentence in sentences([texts[i] for i in order[: request.sentences]], request.seed)]


def _settings(epochs: int, rate: float, seed: int) -> Settings:
    return Settings(loss="map_of_objects", epochs=epochs, batch=_BATCH, optimiser="adamw", learning_rate=rate,
                    weight_decay=_DECAY, schedule="one_cycle", augment=_AUGMENT, seed=seed)  # fmt: skip


def _single(values: Floats) -> tuple[float, ...]:
    return tuple(float(np.float32(value)) for value in values)


def _speakers(takes: Sequence[Take]) -> tuple[str, ...]:
    return tuple(sorted({take.speaker for take in takes}))
