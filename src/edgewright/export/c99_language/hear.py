"""A dialogue and what understands its sentences as one piece of C99: text in, the steps of the table out.

    vending_machine machine;
    vending_begin(&machine, 0.0, act, context);
    vending_hear(&context, &machine, text, bytes, VENDING_WORDS_NO_DATE, seconds, act, context);

An intent becomes its event and slots become what guards see, as in `nlp.dialogue`; what is no text is out of scope.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from edgewright.core.state_machine.validation import CheckedTable
from edgewright.export.c99_code.parts import filled, parts
from edgewright.export.c99_code.text import guarded, template_comment
from edgewright.export.c99_language.dialogue import dialogue_files, numbers_of
from edgewright.export.c99_language.slots import Slots
from edgewright.export.c99_language.student import write_language_c99
from edgewright.nlp.dialogue import CONFIDENCE, UNCLEAR, event_name
from edgewright.schema.language import LanguageSpec

WORDS = "_words"
"""What is added to a dialogue's name for the model that understands its sentences."""


_H = parts(__file__, "hear.h")
HEADER = _H["title"] + guarded("@@_HEAR_H", '"@.h" "@_words.h"', _H["header"])


def hearing_files(
    checked: CheckedTable, spec: LanguageSpec, arrays: dict[str, NDArray[Any]], name: str
) -> dict[str, str]:
    """NAME.h and .c of the dialogue, NAME_words.h and .c of the model, NAME_hear.h and .c that join them.

    Args:
        checked: the table, as `language.dialogue.check` leaves it.
        spec: of the model, from `read_language`.
        arrays: of the model, from `read_language`.
        name: prefix of all names.
    """
    events, slots = numbers_of(checked)
    numbers = {
        "events": ", ".join(str(events.get(event_name(intent), 0)) for intent in spec.intents),
        "asked": ", ".join(str(_asked(slots, slot)) for slot in Slots(spec, arrays).names),
        "unclear": events.get(UNCLEAR, 0), "confidence": slots[CONFIDENCE],
        "title": template_comment(checked.table.name),
    }  # fmt: skip
    joined = {
        f"{name}_hear.h": filled(HEADER, **numbers),
        f"{name}_hear.c": filled(parts(__file__, "hear.c")["source"], **numbers),
    }
    joined = {file: text.replace("@@", name.upper()).replace("@", name) for file, text in joined.items()}
    return {**dialogue_files(checked, name), **write_language_c99(spec, arrays, name=name + WORDS), **joined}


def _asked(slots: dict[str, int], name: str) -> int:
    """Return the machine's number of a slot; the probability of the intent is none that can be said."""
    called = event_name(name)
    return -1 if called == CONFIDENCE else slots.get(called, -1)
