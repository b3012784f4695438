"""speechocean762: English sentences read by 250 learners, what they read and who they are; the sound beside it.

Layout: `train/text` (utterance TAB words), `train/utt2spk`, `train/spk2age`, `train/spk2gender`, the same in `test`;
`WAVE/<utterance>.WAV`, which `kind = "wav"` reads.
"""

from __future__ import annotations

from pathlib import Path

from edgewright.data.contract import Documented, PublicText
from edgewright.data.sets import _files as files
from edgewright.schema.data import TextSet
from edgewright.schema.errors import InputError


def _pairs(path: Path) -> dict[str, str]:
    """First word of each line and the rest of it."""
    pairs = {}
    for number, line in enumerate(files.read_text(path).splitlines(), 1):
        if line.strip():
            parts = line.split(maxsplit=1)
            if len(parts) != 2:
                raise InputError("a name and a text", repr(line), f"{path} line {number}")
            pairs[parts[0]] = parts[1]
    return pairs


def _load(folder: Path) -> TextSet:
    sound = {p.stem for p in files.find_files(folder, "*.WAV")}
    rows = []
    for path in files.need_files(folder, "text"):
        part = path.parent
        speakers = _pairs(part / "utt2spk")
        # Folders of one's own in this layout seldom say how old speakers are.
        ages, genders = (_pairs(part / n) if (part / n).is_file() else {} for n in ("spk2age", "spk2gender"))
        for utterance, words in _pairs(path).items():
            speaker = speakers.get(utterance, "")
            has_sound = "yes" if utterance in sound else "no"
            rows.append(
                (part.name, utterance, words, speaker, ages.get(speaker, ""), genders.get(speaker, ""), has_sound)
            )
    return TextSet(
        name="speechocean",
        columns=("part", "utterance", "text", "speaker", "age", "gender", "sound"),
        rows=tuple(rows),
    )


TEXT = PublicText(
    title="speechocean762: English read by learners",
    homepage="https://www.openslr.org/101/",
    url="https://www.openslr.org/resources/101/speechocean762.tar.gz",
    check="5,000 utterances of 250 speakers",
    licence="CC BY 4.0",
    citation="Zhang et al.: speechocean762: An Open-Source Non-native English Speech Corpus for Pronunciation "
    "Assessment. Interspeech 2021.",
    task="read sentences of learners, by speaker",
    loader=_load,
    folder="speechocean762",
    documented=(Documented("whole set", rows=5_000), Documented("plain copy, training part", rows=2_500)),
)
