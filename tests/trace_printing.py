"""A stored record on the terminal, part by part, as a listener hears the run that wrote it."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from edgewright.core.records.trace import Trace
from edgewright.trace.terminal import TerminalTrace


def print_trace(trace: Trace, console: Console, folder: Path = Path("runs/activity")) -> None:
    """Print a record whole; parts that are missing are left out."""
    labels = trace.evaluation.labels if trace.evaluation is not None else ()
    view = TerminalTrace(console)
    view.start(trace.name, trace.title or trace.task, trace.device.profile if trace.device is not None else "")
    for stage in trace.stages:
        view.stage(stage)
    view.layers(trace.layers)
    if trace.training is not None:
        view.training_started(len(trace.training.epochs), len(labels))
        for epoch in trace.training.epochs:
            view.epoch(epoch)
        view.training(trace.training)
    if trace.evaluation is not None:
        view.evaluation(trace.evaluation)
    if trace.scaling is not None:
        view.scaling(trace.scaling)
    if trace.compression is not None:
        view.compression(trace.compression)
    if trace.device is not None:
        view.device(trace.device)
    for prediction in trace.predictions:
        view.prediction(prediction)
    if trace.insight.sentence:
        view.insight(trace.insight)
    view.finish(trace, folder)
