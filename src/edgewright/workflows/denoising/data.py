"""Clean signals and the noise that is mixed into them: what stands on which side, and the pairs."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgewright.data.noises import Noise, draw_noise, noise_kind, pieces, read_noise, scaled
from edgewright.data.synthetic import is_synthetic
from edgewright.schema.data import DataSet, Floats, Recording
from edgewright.schema.errors import InputError, UnknownNameError

# Shares of the groups or recordings that are held out and that validate.
_HELD_OUT, _VALIDATED = 0.25, 0.15
# Share of the samples at the end of the range from which a recording is called clipped.
_CLIPPED = 1e-3
# Recorded noise: the last part of it is never trained on.
_NOISE_HELD = 0.3


@dataclass(frozen=True)
class Clean:
    """A clean recording: who or what it is of, and values of shape (channels, samples)."""

    name: str
    unit: str
    values: Floats


@dataclass(frozen=True)
class Sides:
    """Clean recordings by side, and what stands on one side only ('group' or 'recording')."""

    train: tuple[Clean, ...]
    validation: tuple[Clean, ...]
    held_out: tuple[Clean, ...]
    held_by: str

    @staticmethod
    def units(side: tuple[Clean, ...]) -> tuple[str, ...]:
        """Return names of the groups or recordings of a side."""
        return tuple(sorted({clean.unit for clean in side}))


@dataclass(frozen=True)
class NoiseSource:
    """A kind that is drawn, or noise that was recorded, cut into what trains and what is held out."""

    name: str
    train: tuple[Noise, ...] = ()
    held_out: tuple[Noise, ...] = ()

    def draw(self, shape: tuple[int, ...], rate: float, rng: np.random.Generator, *, held_out: bool) -> Noise:
        """Noise of shape (channels, samples), of any power."""
        recorded = self.held_out if held_out else self.train
        if not recorded:
            return draw_noise(self.name, shape, rate, rng)
        chosen = recorded[int(rng.integers(len(recorded)))]
        # A signal that is longer than the noise gets it again and again.
        whole = np.tile(chosen, -(-shape[-1] // len(chosen)) + 1)
        return pieces(whole, shape, rng)


def clean_recordings(data: DataSet) -> tuple[tuple[Clean, ...], str, list[str]]:
    """Return recordings cut where the person or machine changes, what a split holds together, and what there is to say.

    Raises:
        InputError: no rate, missing values, or nothing but silence.
    """
    if not data.rate:
        raise InputError("recordings with a rate", "rows without a time", data.name, "Set the column with --time")
    cleans: list[Clean] = []
    silent = short = clipped = 0
    grouped = all(recording.groups is not None for recording in data.recordings)
    for recording in data.recordings:
        for begin, end, unit in _stretches(recording, grouped):
            values = np.ascontiguousarray(recording.values[begin:end].T)
            if recording.sessions is not None and is_synthetic(recording.sessions[begin:end]).any():
                short += 1
                continue
            if not np.isfinite(values).all():
                index = int(np.argwhere(~np.isfinite(values.T))[0][0]) + begin
                raise InputError("clean signals without gaps", "a missing value", f"{recording.name} row {index}",
                                 "Cut the gap out, or fill it first")  # fmt: skip
            # The deviation of equal numbers may be a rounding above zero.
            if not values.size or not np.ptp(values, axis=1).any():
                silent += 1
                continue
            clipped += _clipped(values, data)
            cleans.append(Clean(recording.name if begin == 0 else f"{recording.name} from row {begin}", unit, values))
    if not cleans:
        raise InputError("clean signals", "nothing but silence" if silent else "none that was measured", data.name)
    reported = [
        (silent, "silent: left out"),
        (short, "synthetic: left out"),
        (clipped, "clipped: what is cut off there is learned as clean"),
    ]
    return (
        tuple(cleans),
        "group" if grouped else "recording",
        [f"{n} recordings are {reason}" for n, reason in reported if n],
    )


def _stretches(recording: Recording, grouped: bool) -> list[tuple[int, int, str]]:
    """Begin, end and name of what a split holds together."""
    length = len(recording.values)
    if not grouped or recording.groups is None:
        return [(0, length, recording.name)]
    names = np.asarray(recording.groups)
    changes = [0, *(np.flatnonzero(names[1:] != names[:-1]) + 1).tolist(), length]
    return [(a, b, str(names[a])) for a, b in pairwise(changes)]


def _clipped(values: Floats, data: DataSet) -> bool:
    """Return whether a channel stays at an end of its declared range for more than a thousandth of the samples."""
    for channel, column in zip(values, data.columns, strict=True):
        if column.minimum is None or column.maximum is None:
            continue
        step = 1e-3 * (column.maximum - column.minimum)
        at_end = (channel >= column.maximum - step) | (channel <= column.minimum + step)
        if float(at_end.mean()) > _CLIPPED:
            return True
    return False


def sides_of(recordings: tuple[Clean, ...], held_by: str, hold_out: tuple[str, ...], seed: int) -> Sides:
    """Who trains, validates and is held out.

    Args:
        recordings: clean ones.
        held_by: 'group' or 'recording'.
        hold_out: names of groups or recordings; a quarter of them, drawn, where it is empty.
        seed: seed of the choice.

    Raises:
        InputError: fewer than three groups or recordings, or names that are not there.
    """
    units = sorted({clean.unit for clean in recordings})
    word = "groups" if held_by == "group" else "recordings"
    if len(units) < 3:
        raise InputError(
            f"at least three {word}", str(len(units)), "the clean signals",
            "Training, validation and test each need one: add recordings, or set the person of each",
        )  # fmt: skip
    absent = sorted(set(hold_out) - set(units))
    if absent:
        raise InputError(f"{word} of the clean signals", ", ".join(absent), "--hold-out",
                         f"Known: {', '.join(units[:12])}")  # fmt: skip
    order = [units[i] for i in np.random.default_rng([seed, 1]).permutation(len(units)).tolist()]
    held_out = list(hold_out) or order[: max(1, round(_HELD_OUT * len(units)))]
    rest = [unit for unit in order if unit not in held_out]
    if len(rest) < 2:
        raise InputError(f"two {word} that are not held out", str(len(rest)), "--hold-out")
    validated = rest[: max(1, round(_VALIDATED * len(units)))][: len(rest) - 1]
    sides: dict[str, list[Clean]] = {"held": [], "validated": [], "train": []}
    for clean in recordings:
        side = "held" if clean.unit in held_out else "validated" if clean.unit in validated else "train"
        sides[side].append(clean)
    return Sides(tuple(sides["train"]), tuple(sides["validated"]), tuple(sides["held"]), held_by)


def noise_sources(lines: tuple[str, ...], rate: float, minimum: int) -> tuple[NoiseSource, ...]:
    """Noise by kinds, WAV files or folders of them.

    Of recorded noise a part is held out: whole files where there are two or more, the end of a single one.

    Args:
        lines: kinds, and paths.
        rate: samples a second.
        minimum: samples that a file must have.

    Raises:
        UnknownNameError: neither a kind nor a path.
        InputError: no noise asked for, or files as `data.noises.read_noise` refuses them.
    """
    sources: list[NoiseSource] = []
    for name in lines:
        path = Path(name)
        if name in noise_kind.known or not path.exists():
            if name not in noise_kind.known:
                raise UnknownNameError("kind of noise", name, noise_kind.known)
            sources.append(NoiseSource(name))
            continue
        files = sorted(p for p in path.rglob("*") if p.suffix.lower() == ".wav") if path.is_dir() else [path]
        if not files:
            raise InputError("WAV files of noise", "none", name)
        sounds = [read_noise(str(file), rate, minimum) for file in files]
        if len(sounds) == 1:
            cut = round(len(sounds[0]) * (1 - _NOISE_HELD))
            sounds = [sounds[0][:cut], sounds[0][cut:]]
        whole = max(1, round(len(sounds) * (1 - _NOISE_HELD)))
        whole = min(whole, len(sounds) - 1)
        sources.append(NoiseSource(path.stem or name, tuple(sounds[:whole]), tuple(sounds[whole:])))
    if not sources:
        raise InputError("noise", "none", "--noise", f"Known: {', '.join(sorted(noise_kind.known))}, or WAV files")
    return tuple(sources)


def noisy(clean: Floats, noise: Noise, snr: float) -> Floats:
    """Scale noise to add to (channels, samples), each channel at this ratio over the whole recording."""
    return np.asarray(scaled(noise, clean, snr), np.float32)


def windows(
    side: tuple[Clean, ...], sources: tuple[NoiseSource, ...], *, rate: float, samples: int, count: int,
    snr: tuple[float, float], mean: NDArray[np.float64], gain: tuple[float, float], rng: np.random.Generator,
) -> tuple[Floats, Floats]:  # fmt: skip
    """Clean windows about the mean and the noise of each: (count, channels, samples) twice.

    Noise is drawn for a whole recording and scaled to its power, so that pauses are as noisy as speech; windows are
    then cut at random places. A recording that is shorter than a window is followed by silence.

    Args:
        side: recordings.
        sources: of noise.
        rate: samples a second.
        samples: of a window.
        count: windows.
        snr: lowest and highest ratio in decibels.
        mean: of the channels.
        gain: lowest and highest change of level in decibels; noise changes with its signal.
        rng: of all that is drawn.
    """
    x: list[Floats] = []
    y: list[Floats] = []
    # Recordings count by their length, at most so many windows are cut from one mixture.
    lengths = np.array([clean.values.shape[1] for clean in side], np.float64)
    while len(x) < count:
        clean = side[int(rng.choice(len(side), p=lengths / lengths.sum()))].values
        clean = np.asarray(clean - mean[:, None], np.float32)
        source = sources[int(rng.integers(len(sources)))]
        noise = source.draw(clean.shape, rate, rng, held_out=False)
        added = noisy(clean, noise, float(rng.uniform(*snr)))
        level = np.float32(10.0 ** (rng.uniform(*gain) / 20.0))
        short = samples - clean.shape[1]
        if short > 0:
            clean, added = (np.pad(part, ((0, 0), (0, short))) for part in (clean, added))
        maximum = max(1, min(count - len(x), clean.shape[1] // samples, 6))
        for begin in rng.integers(0, clean.shape[1] - samples + 1, maximum).tolist():
            x.append(clean[:, begin : begin + samples] * level)
            y.append(added[:, begin : begin + samples] * level)
    return np.stack(x), np.stack(y)
