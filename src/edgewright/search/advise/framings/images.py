"""Pictures without labels, or with few: zero-shot labels from a pretrained encoder, an index, or an imported model."""

from __future__ import annotations

import shlex

from edgewright.pipeline.cost.duration_estimate import Ahead, Progress
from edgewright.race.problem import FEWEST_SAMPLES
from edgewright.schema.advice import Existing, Frame
from edgewright.search.advise.contract import AdviceRequest, Framing, FramingResult, capabilities
from edgewright.search.advise.inspection import Inspection

_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
# Published for MobileCLIP-S0: 11.4 million parameters of the image encoder, one byte each; from memory, not verified.
_ENCODER_BYTES = 11.4e6
_NEEDED = "without labelled pictures a pretrained encoder assigns labels from descriptions"


def _fits(seen: Inspection, request: AdviceRequest) -> bool:
    if seen.location is None or request.kind:
        return False
    known = sum(count for ending, count in seen.endings.items() if ending in _ENDINGS)
    if not known or known < 0.8 * sum(seen.endings.values()):
        return False
    # Folders by label with enough pictures are measured by the ladder.
    folders = {path.parent for path in seen.location.rglob("*") if path.suffix.lower() in _ENDINGS}
    return request.task not in ("auto", "classification") or len(folders) < 2 or known < FEWEST_SAMPLES


def _advise(seen: Inspection, request: AdviceRequest, progress: Progress, ahead: Ahead) -> FramingResult:
    assert seen.location is not None  # noqa: S101 - `_fits` ensures it
    files = [path for path in ([seen.location] if seen.location.is_file() else sorted(seen.location.rglob("*")))
             if path.suffix.lower() in _ENDINGS]  # fmt: skip
    folders = sorted({path.parent.name for path in files if path.parent != seen.location})
    size = sum(path.stat().st_size for path in files) / len(files)
    location = shlex.quote(str(seen.location))
    zero = f"edgewright language zero-shot {location} --labels labels.toml --encoder DIR"
    index = f"edgewright language index --pictures DIR {location} --out pictures.index"
    why = [f"{len(files):,} pictures of {size:,.0f} bytes on average"]
    if len(folders) > 1:
        why.append(f"{len(folders)} folders ({', '.join(folders[:6])}{' and more' if len(folders) > 6 else ''}) could "
                   "be classes")  # fmt: skip
    task = "classification" if len(folders) > 1 else "retrieval"
    needed = {"zero_shot": _NEEDED} if len(folders) > 1 else {
        "zero_shot": _NEEDED, "retrieval": "unlabelled pictures can be searched by content"}  # fmt: skip
    return FramingResult(
        name=seen.location.stem,
        target="",
        frame=Frame(
            task=task,
            why=(*why, f"from {FEWEST_SAMPLES} pictures in a folder for each label on, the ladder compares models"),
            capabilities=capabilities(**needed),
            commands=(zero, index),
        ),
        columns=("picture",),
        usual_rows=288.0,
        least_bytes=_ENCODER_BYTES,
        least_why="an encoder of pictures",
        bytes_row=size,
        existing=(
            Existing(
                name="an encoder of pictures and text",
                purpose="labels from descriptions, without examples",
                command=zero,
            ),
            Existing(
                name="the same encoder as an index",
                purpose="finds similar pictures, or pictures that match a description",
                command=index,
            ),
            Existing(
                name="an imported model",
                purpose="import .onnx or .tflite, quantize to int8 and export",
                command="edgewright compress MODEL.onnx --int8 --data DATA --target LABEL",
            ),
        ),
        choice="a pretrained encoder with descriptions of the labels",
        choice_why="it needs no training; test its accuracy on labelled pictures",
        measured=(("a pretrained encoder", "not measured: set one with --encoder; Edgewright includes none"),),
        curve_note="not measured: nothing is trained",
        commands=(zero, index),
    )


FRAMING = Framing(rank=20, tasks=("classification", "retrieval"), fits=_fits, advise=_advise)
