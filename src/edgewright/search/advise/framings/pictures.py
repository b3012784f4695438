"""Pictures: labels by a ready encoder and descriptions, an index, or a model from elsewhere."""

from __future__ import annotations

import shlex

from edgewright.pipeline.duration_estimate import Ahead
from edgewright.schema.advice import Existing, Frame
from edgewright.search.advise.contract import AdviceRequest, Doing, Found, Framing, capabilities
from edgewright.search.advise.inspection import Look

_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
# Published for MobileCLIP-S0: 11.4 million parameters of its pictures' side, a byte each; recalled, not looked up.
_LEAST = 11.4e6
_NEEDED = "there is no network of pictures to train here: labels come from descriptions by an encoder that is ready"


def _fits(seen: Look, request: AdviceRequest) -> bool:
    if seen.place is None or request.kind:
        return False
    known = sum(count for ending, count in seen.endings.items() if ending in _ENDINGS)
    return known > 0 and known >= 0.8 * sum(seen.endings.values())


def _advise(seen: Look, request: AdviceRequest, doing: Doing, ahead: Ahead) -> Found:
    assert seen.place is not None  # noqa: S101 - as `_fits` has it
    files = [path for path in ([seen.place] if seen.place.is_file() else sorted(seen.place.rglob("*")))
             if path.suffix.lower() in _ENDINGS]  # fmt: skip
    folders = sorted({path.parent.name for path in files if path.parent != seen.place})
    size = sum(path.stat().st_size for path in files) / len(files)
    place = shlex.quote(str(seen.place))
    zero = f"edgewright language zero-shot {place} --labels labels.toml --encoder DIR"
    index = f"edgewright language index --pictures DIR {place} --out pictures.index"
    why = [f"{len(files):,} pictures of {size:,.0f} bytes in the mean"]
    if len(folders) > 1:
        why.append(f"{len(folders)} folders ({', '.join(folders[:6])}{' and more' if len(folders) > 6 else ''}) could "
                   "be classes: a classification of pictures")  # fmt: skip
    task = "classification" if len(folders) > 1 else "retrieval"
    needed = {"zero_shot": _NEEDED} if len(folders) > 1 else {
        "zero_shot": _NEEDED, "retrieval": "pictures without labels are found by what they show"}  # fmt: skip
    return Found(
        name=seen.place.stem,
        target="",
        frame=Frame(
            task=task,
            why=(*why, "rungs of the ladder are for readings; for pictures a ready encoder is the simple solution"),
            capabilities=capabilities(**needed),
            commands=(zero, index),
        ),
        columns=("picture",),
        usual_rows=288.0,
        least_bytes=_LEAST,
        least_why="an encoder of pictures",
        bytes_row=size,
        existing=(
            Existing(
                name="an encoder of pictures and text", what="labels by descriptions, without any example", command=zero
            ),
            Existing(
                name="the same encoder as an index",
                what="a picture like this one, or one of what is described",
                command=index,
            ),
            Existing(
                name="a model from elsewhere",
                what="ONNX or .tflite is brought into the dialect, made int8 and exported",
                command="edgewright compress MODEL.onnx --int8 --data DATA --target LABEL",
            ),
        ),
        choice="a ready encoder with descriptions of the labels",
        choice_why="nothing has to be trained; whether it is good enough is seen on labelled pictures",
        measured=(("a ready encoder", "not measured: --encoder names one, and none comes with Edgewright"),),
        curve_note="not measured: nothing is trained",
        commands=(zero, index),
    )


FRAMING = Framing(rank=20, tasks=("classification", "retrieval"), fits=_fits, advise=_advise)
