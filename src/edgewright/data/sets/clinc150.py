"""CLINC150: questions to an assistant, 150 intents, and questions that are out of scope ('oos').

Layout: `data_full.json`, `{part: [[text, intent], ...]}`.
"""

from __future__ import annotations

from pathlib import Path

from edgewright.data.contract import Documented, PublicText
from edgewright.data.sets import _files as files
from edgewright.schema.data import TextSet


def _load(folder: Path) -> TextSet:
    path = files.need_files(folder, "data_full.json")[0]
    content = files.read_json(path, dict[str, list[tuple[str, str]]], "with sentences and intents by part")
    return TextSet(
        name="clinc150",
        columns=("part", "text", "intent"),
        rows=tuple((part, text, intent) for part, pairs in content.items() for text, intent in pairs),
    )


TEXT = PublicText(
    title="CLINC150: intents with out-of-scope questions",
    homepage="https://github.com/clinc/oos-eval",
    url="https://raw.githubusercontent.com/clinc/oos-eval/HEAD/data/data_full.json",
    check="23,700 sentences",
    licence="CC BY 3.0",
    citation="Larson et al.: An Evaluation Dataset for Intent Classification and Out-of-Scope Prediction. EMNLP 2019.",
    task="sentences: 150 intents and out of scope",
    loader=_load,
    folder="clinc150",
    file="data_full.json",
    documented=(Documented("whole set", rows=23_700), Documented("plain copy, without test", rows=18_200)),
)
