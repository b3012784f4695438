"""What the file of a pronunciation coach says of itself and what a measurement of one says."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from edgewright.core.records.trace_flow import Interval

COACH_VERSION = 1
Count = Annotated[int, msgspec.Meta(ge=1, le=1024)]


class CoachLearnt(msgspec.Struct, frozen=True, kw_only=True):
    """What trained.

    Attributes:
        origin: of the recordings.
        trained: speakers whose recordings trained the network.
        limits: speakers whose recordings chose the limits.
        held_out: speakers that took no part.
        sentences: synthetic ones.
        epochs: passes that were made.
        loss: of the last of them.
        seed: of all that was drawn.
    """

    origin: str
    trained: tuple[str, ...]
    limits: tuple[str, ...]
    held_out: tuple[str, ...]
    sentences: int
    epochs: int
    loss: float
    seed: int


class CoachSpec(msgspec.Struct, frozen=True, kw_only=True):
    """`coach.json`.

    Attributes:
        version: version of the format.
        name: name of the coach.
        phones: that the network tells apart; silence follows them.
        mean, deviation: of the bands of sound.
        offsets: added to the logit of each phone and of silence: half of how rare it is, in logarithms.
        delay: steps of 20 ms that an answer is late.
        window: frames of the window form.
        rounding: which kernels the integers equal.
        parameters: numbers of the network.
        macs: multiply-accumulates a step.
        phone_limit, word_limit: mistake beyond which a phone or a word is told; 5 % of the right ones of the
            speakers that chose it lie beyond.
        sentence_limit: the same for the mean mistake of a reading's first phones, beyond which something else is read;
            None in older files, and where fewer than ten readings could choose it.
        learnt: what trained.
    """

    version: int
    name: str
    phones: tuple[str, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    offsets: tuple[float, ...]
    delay: Count
    window: Count
    rounding: Literal["litert", "tflm"]
    parameters: int
    macs: int
    phone_limit: float
    word_limit: float
    sentence_limit: float | None = None
    learnt: CoachLearnt


class CoachScore(msgspec.Struct, frozen=True, kw_only=True):
    """A measurement on speakers that took no part; intervals draw whole speakers anew.

    Attributes:
        name: name of the coach.
        speakers: who judged.
        recordings: theirs.
        phones: right and changed phones of all changed prompts.
        phone: area under the ROC curve of phones, any phone in place of any.
        confusable: the same for phones in place of those with which they are easily confused.
        word: area for words of which a phone was changed.
        other_word: area for words in place of which the prompt has another word of the dictionary.
        recall, false_alarms: share of changed and of right phones beyond the coach's limit, any phone in place of any.
        other_sentence: share of readings of another sentence that are recognised as such.
        own_sentence: share of readings of the prompt that are taken for another sentence.
        named: share of confused phones where the phone named in its place is what was said.
        network_bytes: weights, biases, multipliers and shifts of the int8 network.
        verdict_ms: from the end of a word to its verdict, median.
        late_verdict_ms: the same for the slowest tenth.
    """

    name: str
    speakers: int
    recordings: int
    phones: int
    phone: Interval
    confusable: Interval
    word: Interval
    other_word: Interval
    recall: Interval
    false_alarms: Interval
    other_sentence: Interval
    own_sentence: Interval
    named: Interval
    network_bytes: int
    verdict_ms: float
    late_verdict_ms: float


class PhoneVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """A phone of a prompt as it was said.

    Attributes:
        phone: of the prompt.
        begin_s, end_s: seconds of the recording.
        mistake: how much it sounds like another phone, less the coach's limit; beyond 0 it is told.
        instead: the phone that it sounds like; empty for a right one.
        advice: what to do with tongue, lips and throat to say it; empty for a right one.
    """

    phone: str
    begin_s: float
    end_s: float
    mistake: float
    instead: str = ""
    advice: str = ""


class WordVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """A word of a prompt as it was said.

    Attributes:
        word: itself.
        begin_s, end_s: seconds of the recording.
        known_s: when the verdict was known: seconds of sound that had been heard.
        mistake: as that of a phone.
        phones: of the pronunciation that was heard.
    """

    word: str
    begin_s: float
    end_s: float
    known_s: float
    mistake: float
    phones: tuple[PhoneVerdict, ...]

    @property
    def right(self) -> bool:
        """Whether neither the word nor one of its phones is told."""
        return self.mistake <= 0 and all(not phone.instead for phone in self.phones)
