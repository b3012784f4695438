"""Commands and options that were removed and what replaces them; an entry stays for one version."""

from __future__ import annotations

import click

from edgewright.core.errors import CommandRemovedError, InputError

_FLOWER = "Flower with SecAgg+, as the section on federated learning of docs/fleet.md describes"
_PUBLIC_SETS = "edgewright examples: the README of an example names the data set that it reads and where to download it"
_GGUF = "a small language model (.gguf): edgewright models add FILE.gguf, then edgewright serve FILE.gguf"
_AUGMENT = "[training] augment of a pipeline, which changes training samples alone: docs/pipeline.md"
_COMPARE = "edgewright language train with the sentences and without: it is scored on real sentences alone"
_SPEECH = "[training] synthetic of a pipeline, which is scored on measured recordings alone: docs/pipeline.md"
COMMANDS = {
    "adapt federate": _FLOWER,
    "bus": "[[sink]] kind = 'mqtt' with an MQTT sensor of Home Assistant: docs/device.md",
    "denoise": "edgewright restore: denoise trains, run and score use the file",
    "data": _PUBLIC_SETS,
    "detect score": "edgewright score DETECTOR --data DATA",
    "detect c99": "edgewright export DETECTOR --to c99",
    "detect model": "edgewright export DETECTOR --to onnx",
    "coach": "edgewright examples copy coach",
    "jobs": "edgewright examples",
    "fleet device list": "edgewright fleet devices",
    "fleet device show": "edgewright fleet devices NAME",
    "fleet federation": _FLOWER,
    "fleet key stolen": "fleet key rotate, rollout confirm and token revoke: 'A key was stolen' in docs/operations.md",
    "fleet operator remove": "edgewright fleet operator revoke",
    "forecast reorder": "edgewright examples copy shop, which follows a re-order point",
    "forecast score": "edgewright score FORECASTER --data FILE.csv",
    "search": "edgewright run DATA --search 10m",
    "ladder": "edgewright run DATA --explain ladder, or edgewright advise DATA for a pipeline",
    "language export": "edgewright export MODEL --to c99",
    "language suggest": _GGUF,
    "language train-text": _GGUF,
    **dict.fromkeys(("synth pictures", "synth signals", "synth utility"), _AUGMENT),
    "upscale": "edgewright restore: upscale trains, run and score use the file",
}
"""Replacement by the words of a command after `edgewright`."""
OPTIONS = {
    "advise": {
        **dict.fromkeys(("--window", "--step"), "--decision '100 rows'"),
        "--by": "--group COLUMN or --session COLUMN",
        "--curve": "edgewright curve DATA",
        "--leave-out": "--group COLUMN: of 4 to 11 groups, each is left out once",
        "--metric": "edgewright advise DATA: the metric is that of the verdict",
        "--seed": "edgewright init DATA and seed of its pipeline.toml",
        "--no-curve": "edgewright advise DATA without it: a curve is drawn by edgewright curve DATA",
        "--keep": "edgewright init DATA and [data] ignore of its pipeline.toml",
    },
    "curve": {
        **dict.fromkeys(("--window", "--step"), "--decision '100 rows'"),
        "--against": "edgewright curve of each file",
        "--by": "--group COLUMN or --session COLUMN",
        "--out": "edgewright curve DATA --json > FILE",
        "--check": "edgewright curve DATA, which always compares the prediction from half of the data",
        "--texts": "edgewright curve MODEL.gguf --text FILE",
        "--utterances": "edgewright language train",
    },
    "fleet rollout start": dict.fromkeys(
        ("--simulate", "--anyway"), "fleet simulate N --plan FILE --break FAULT before the start"
    ),
    "fleet serve": dict.fromkeys(
        ("--broker", "--broker-ca"), "device run --poll SECONDS: devices poll for updates with conditional requests"
    ),
    "forecast fit": {
        "--chronos": "chronos-forecasting, and edgewright score FORECASTER --data FILE.csv on the same rows",
        "--page": "edgewright forecast DATA, which plots the forecast, or its --json",
    },
    "fleet simulate": dict.fromkeys(
        ("--federate", "--data", "--rounds", "--mislabelled", "--poisoners", "--attack"), _FLOWER
    ),
    "profiles": dict.fromkeys(
        ("--llm", "--model", "--context"), "llama-bench of llama.cpp, which measures memory and speed"
    ),
    "synth speech": dict.fromkeys(
        ("--real", "--pattern", "--hold-out", "--folds", "--people", "--every", "--force"), _SPEECH
    ),
    "synth utterances": dict.fromkeys(("--real", "--hold-out", "--folds"), _COMPARE),
    "tune": {
        **dict.fromkeys(("--point", "--alarms-per-day"), "--cost: a larger cost of false alarms gives fewer of them"),
        **dict.fromkeys(
            ("--smoothing", "--debounce", "--refractory"),
            "edgewright tune without it: it tries the usual settings; [packages.decision] of a pipeline sets others",
        ),
        "--tolerance": "edgewright tune without it: an alarm counts up to a window and a step after an event",
        "--form": "edgewright tune without it: the package's default form predicts",
        "--device": "edgewright estimate PACKAGE --device PROFILE",
    },
}
"""Replacement by command and option."""


def check_removed_command(words: str) -> None:
    """Raise an error that names the replacement of a removed command.

    Args:
        words: words of the command after `edgewright`.

    Raises:
        InputError: the command was removed.
    """
    if (replacement := COMMANDS.get(words)) is not None:
        raise _error(words, replacement)


def removed_option(error: click.NoSuchOption) -> InputError | None:
    """Return the error that names the replacement of a removed option; None for an option that never existed."""
    words = "" if error.ctx is None else error.ctx.command_path.removeprefix("edgewright").lstrip(" -")
    replacement = OPTIONS.get(words, {}).get(error.option_name)
    return None if replacement is None else _error(f"{words} {error.option_name}", replacement)


def _error(words: str, replacement: str) -> InputError:
    kind = "option" if " --" in words else "command"
    return CommandRemovedError(f"a current {kind}", f"edgewright {words}, which was removed", do=f"Use {replacement}")
