"""Train it here: the page trains the run's network again, and a smaller or larger one, on samples of the run."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import msgspec
import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from edgewright.core.formatting import bytes_text
from edgewright.schema.trace import Trace
from edgewright.schema.trace_flow import TRAINABLE_KINDS, TRAINABLE_PARAMETERS, TrainableNetwork
from edgewright.trace.blocks.view_blocks import Template, ViewBlock, line
from edgewright.trace.page_model import packed
from edgewright.trace.sections import Exported, Section

# Training samples that a page has at least, of rows and of windows.
_FEWEST, _FEWEST_WINDOWS = 200, 40
# Of the parameters of the run: what a small network has at most.
_SMALL = 20


def page_blocks(trace: Trace, exported: Exported) -> Sequence[ViewBlock]:
    """Build the form with the samples, as many as fit the page."""
    known = trace.trainable
    if trace.training is None or trace.state != "finished":
        return ()
    if known is None:
        return tuple(line(text) for text in (_absent(trace),) if text)
    values, targets = _sides(known)
    frame = exported.size((Template("train.html", _context(trace, known, known.training, known.validation)),))
    size = len(packed(known.values)) + len(packed(known.targets))
    share = min(1.0, (exported.room - frame) / size)
    kept = [int(share * n) for n in (known.training, known.validation)]
    if kept[0] < min(_FEWEST if known.samples == 1 else _FEWEST_WINDOWS, known.training):
        left = bytes_text(max(0, exported.room - frame))
        return (line(f"The samples are too large for the page: they take {bytes_text(size)}, and {left} are left."),)
    count = known.training + known.validation
    chosen = np.concatenate([_spread(0, known.training, kept[0]), _spread(known.training, count, kept[1])])
    context = _context(trace, known, *kept)
    context |= {"values": packed(values[chosen].tobytes()), "targets": packed(targets[chosen].tobytes())}
    return (Template("train.html", context),)


def _absent(trace: Trace) -> str:
    """Return why the page does not train this network; empty where that is the run's own choice."""
    others = dict.fromkeys(layer.kind for layer in trace.layers if layer.kind not in TRAINABLE_KINDS)
    if others:
        return f"The page trains dense layers, convolutions over windows and pools, not {' and '.join(others)}."
    parameters = _parameters(trace)
    if parameters > TRAINABLE_PARAMETERS:
        return f"The page trains networks of up to {TRAINABLE_PARAMETERS:,} parameters; this one has {parameters:,}."
    return ""


def _context(trace: Trace, known: TrainableNetwork, training: int, validation: int) -> dict[str, object]:
    """Return what the form is filled with, but for the samples."""
    return {
        "recipe": Markup(escape(_recipe(trace, known, training, validation), quote=False)),  # noqa: S704 - escaped
        "values": "",
        "targets": "",
        "training": training,
        "whole": training == known.training_samples and known.encoding == "float32" and not known.differences,
        "known": known,
        "parameters": _parameters(trace),
        "small": _small(trace, known),
        "layers": _shape(known),
        "faster": _times(trace) is not None,
        "grows": trace.scaling is not None and known.samples == 1,
    }


def _sides(known: TrainableNetwork) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the bytes of values and of targets, a row a sample."""
    count = known.training + known.validation
    values = np.frombuffer(known.values, np.uint8).reshape(count, -1)
    return values, np.frombuffer(known.targets, np.uint8).reshape(count, -1)


def _spread(first: int, end: int, count: int) -> NDArray[np.int64]:
    return np.linspace(first, end - 1, count).astype(np.int64)


def _shape(known: TrainableNetwork) -> str:
    inputs = len(known.names) + len(known.left)
    first = str(inputs) if known.samples == 1 else f"{inputs}×{known.samples}"
    return "-".join([first, *(str(layer.units) for layer in known.layers if layer.units)])


def _parameters(trace: Trace) -> int:
    return sum(layer.parameters for layer in trace.layers)


def _small(trace: Trace, known: TrainableNetwork) -> int:
    """Return the parameters of a small network: a share of the run's, enough for two units or none; 0 for no such."""
    inputs, outputs = (len(known.names) + len(known.left)) * known.samples, known.layers[-1].units
    fewest = min((inputs + 1) * outputs, 2 * (inputs + 1) + 3 * outputs)
    small = max(_parameters(trace) // _SMALL, fewest)
    return small if small < _parameters(trace) else 0


def _times(trace: Trace) -> list[list[float]] | None:
    """Return parameters, and microseconds as float and as int8, of this network and of the large one."""
    record, table = trace.compression, trace.config.get("compression")
    megabytes = table.get("reference_megabytes") if isinstance(table, dict) else None
    if record is None or record.reference is None or not isinstance(megabytes, float) or len(record.variants) < 2:
        return None
    whole, small = record.variants[0].latency_p50_us, record.variants[-1].latency_p50_us
    if not whole or not small:
        return None
    large = record.reference
    return [[_parameters(trace), whole, small], [megabytes * 250_000, large.float_us, large.int8_us]]


def _recipe(trace: Trace, known: TrainableNetwork, training: int, validation: int) -> str:
    """Return the network, how it is trained, and the run's own curves as JSON."""
    table = msgspec.to_builtins(known)
    for name in ("values", "targets"):
        del table[name]
    epochs = [] if trace.training is None else trace.training.epochs
    table |= {
        "training": training,
        "validation": validation,
        "curves": [[e.loss, e.accuracy, e.validation_loss, e.validation_accuracy] for e in epochs],
        "small": _small(trace, known),
        "times": _times(trace),
        "grows": trace.scaling is not None,
    }
    return msgspec.json.encode(table).decode()


SECTION = Section(
    63, "Train it here", lambda trace: (), page=page_blocks, last=True, folds=False, tab="steps",
)  # fmt: skip
