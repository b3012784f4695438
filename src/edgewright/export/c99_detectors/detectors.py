"""The detectors of monitor/detectors as C99; their statements are in the .c files next to this one."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from edgewright.core.onnx.reader import read_onnx
from edgewright.export.c99_code.parts import filled, parts
from edgewright.export.c99_code.text import number
from edgewright.export.c99_detectors import (
    Learnt,
    Score,
    detector_writer,
    floats,
    indented,
    mean_of_rows,
    score_lines,
    season_of,
)
from edgewright.monitor.detectors.own_past import OwnPast


@detector_writer("autoencoder")
def _write_autoencoder(learnt: Learnt) -> Score:
    rows, channels = int(learnt["rows"]), len(np.asarray(learnt["mean"]))
    answer = "answer.prediction[i]" if channels > 1 else "answer.prediction"
    mean, state, counts = mean_of_rows(rows, channels, f"(x - @_mean[i]) / @_deviation[i] - {answer}")
    lines = score_lines(__file__, "autoencoder.c", channels=channels, rows=rows, mean=indented(mean))
    tables = {name: floats(learnt[name]) for name in ("mean", "deviation", "unit")}
    network = read_onnx(np.asarray(learnt["model"], np.uint8).tobytes())
    return Score(lines, tables, state, counts, network=network)


@detector_writer("k_means")
def _write_k_means(learnt: Learnt) -> Score:
    count, channels = np.asarray(learnt["centres"]).shape
    lines = score_lines(__file__, "k_means.c", count=count, channels=channels)
    return Score(lines, {name: floats(learnt[name]) for name in ("mean", "deviation", "centres")})


@detector_writer("limits")
def _write_limits(learnt: Learnt) -> Score:
    channels, logs = len(np.asarray(learnt["middle"])), bool((np.asarray(learnt["least"]) > 0).any())
    names = ("middle", "up", "down", *(("least",) if logs else ()))
    lines = score_lines(__file__, "limits.c", channels=channels, logs=logs)
    return Score(lines, {name: floats(learnt[name]) for name in names})


_DAY = 86400.0  # s


@detector_writer("own_past")
def _write_own_past(learnt: Learnt) -> Score:
    config, channels = learnt["config"], int(learnt["channels"])
    bins, warm = int(config["bins"]), int(config["warm_up"])
    names = ("near", "fast", "slow", "short", "deviations", "beyond", "leak", "forget")
    rates = {name: number(float(config[name])) for name in names} | {"past": number(1 / config["past"])}
    # Rows are counted as far as a rate or the warm-up asks; float32 holds them exactly.
    maximum = min(2**24, max(config["past"], math.ceil(1 / config["slow"]), warm) + 2)
    enough = math.ceil(1 / config["forget"]) + 1
    numbers = {
        **rates, "channels": channels, "bins": bins, "warm": warm, "maximum": maximum,
        # Values of a part of the day are counted as far as their rate asks.
        "enough": enough,
    }  # fmt: skip
    lines = score_lines(__file__, "own_past.c", **numbers)
    state = dict.fromkeys(("first", "seen", "low", "high", "near", "fast", "slow"), channels)
    state |= dict.fromkeys(("level", "shift"), 3 * channels)
    helpers = filled(parts(__file__, "own_past.c")["unusual"], **numbers)
    first = {"if (context->seen[i] == 0.0f)": 0.0}
    begin = _begin_own_past(learnt, maximum, enough) if "past" in learnt else {}
    if not bins:
        return Score(lines, {}, state, begin=begin, helpers=helpers, often=first)
    state |= {"day": 3 * channels, "timed": channels} | dict.fromkeys(("means", "counts"), bins * channels)
    return Score(lines, {}, state, begin=begin, helpers=helpers, season=season_of(_DAY, bins, "own_past"), often=first)


def _begin_own_past(learnt: Learnt, maximum: int, enough: int) -> dict[str, NDArray[np.float32]]:
    """Return the past of all channels as the state has it: values relative to the level at its end."""
    channels = OwnPast(dict(learnt)).remembered
    first = [np.float32(channel.near) for channel in channels]
    begin: dict[str, list[float]] = {"first": [float(value) for value in first]}
    begin["seen"] = [min(channel.rows, maximum) for channel in channels]
    for name in ("low", "high", "near", "fast", "slow"):
        begin[name] = [getattr(c, name) - float(level) for c, level in zip(channels, first, strict=True)]
    for name in ("level", "shift", *(("day",) if channels[0].means else ())):
        begin[name] = [value for channel in channels for value in getattr(channel, name)]
    if channels[0].means:
        begin["timed"] = [min(channel.timed, maximum) for channel in channels]
        begin["means"] = [
            mean - float(level) if seen else 0.0
            for c, level in zip(channels, first, strict=True)
            for mean, seen in zip(c.means, c.counts, strict=True)
        ]
        begin["counts"] = [min(seen, enough) for channel in channels for seen in channel.counts]
    return {name: np.array(values, np.float32) for name, values in begin.items()}


@detector_writer("pca")
def _write_pca(learnt: Learnt) -> Score:
    rows, (axes, channels) = int(learnt["rows"]), np.asarray(learnt["axes"]).shape
    mean, state, counts = mean_of_rows(rows, channels, "(x - @_mean[i]) / @_deviation[i]")
    lines = score_lines(__file__, "pca.c", channels=channels, axes=axes, rows=rows, mean=indented(mean))
    tables = {name: floats(learnt[name]) for name in ("mean", "deviation", "axes", "variances")}
    return Score(lines, {**tables, "limits": floats([learnt["t2_limit"], learnt["q_limit"]])}, state, counts)


@detector_writer("robust")
def _write_robust(learnt: Learnt) -> Score:
    bins, channels = np.asarray(learnt["centre"]).shape
    season = season_of(float(learnt["season"]), bins, "robust") if bins > 1 else None
    at = f"{channels} * part + i" if season else "i"
    mean, state, counts = mean_of_rows(int(learnt["mean"]), channels, f"(x - @_centre[{at}]) / @_unit[{at}]")
    # What has no known time is judged as the first part, as in Python.
    lines = score_lines(__file__, "robust.c", channels=channels, season=season is not None, mean=indented(mean))
    tables = {name: floats(learnt[name]) for name in ("centre", "unit")}
    return Score(lines, tables, state, counts, season=season)


# As Python has them: points from which the stream is prolonged, and by how many.
_SLOPE, _AHEAD = 5, 5


@detector_writer("spectral_residual")
def _write_spectral_residual(learnt: Learnt) -> Score:
    channels, samples, smooth = (int(learnt[name]) for name in ("channels", "samples", "smooth"))
    points = samples + _AHEAD
    half = points // 2 + 1
    # A mean over an odd number of places leaves the spectrum that of real numbers: half of it says all.
    whole = smooth % 2 == 0
    bins = points if whole else half
    sizes = {
        "samples": samples, "newest": samples - 1, "before": samples - 2, "first": samples - 2 - _SLOPE,
        "level": samples - 1 - _SLOPE, "slope": _SLOPE, "points": points, "half": half, "bins": bins, "whole": whole,
        "smooth": smooth, "from": smooth // 2 + 1 - smooth, "to": smooth // 2,
        # Half a spectrum counts twice but for its ends, which have no mirror image.
        "ends": f"f > 0 && 2 * f != {points}" if points % 2 == 0 else "f > 0",
    }  # fmt: skip
    turn = 2 * np.pi * np.arange(points) / points
    return Score(
        # Values are held within 1e37, so that the difference of the largest and the smallest is a number of float32.
        score_lines(__file__, "spectral_residual.c", channels=channels, samples=samples, newest=samples - 1),
        {"cosine": floats(np.cos(turn)), "sine": floats(np.sin(turn))},
        {"held": channels * samples, "values": points, "real": bins, "turned": bins, "logs": half},
        ("seen",),
        helpers=filled(parts(__file__, "spectral_residual.c")["helpers"], **sizes),
    )


@detector_writer("var")
def _write_var(learnt: Learnt) -> Score:
    channels, order, rows = len(np.asarray(learnt["weights"])), int(learnt["order"]), int(learnt["rows"])
    inputs = order * channels
    mean, state, counts = mean_of_rows(rows, channels, "(x - @_mean[i]) / @_deviation[i] - foretold[i]")
    lines = score_lines(
        __file__, "var.c", channels=channels, order=order, rows=rows, inputs=inputs, stride=inputs + 1,
        kept=inputs - channels, mean=indented(mean),
    )  # fmt: skip
    tables = {name: floats(learnt[name]) for name in ("mean", "deviation", "weights", "unit")}
    return Score(lines, tables, {**state, "last": inputs}, (*counts, "seen"))
