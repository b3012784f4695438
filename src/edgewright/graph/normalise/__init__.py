"""Conversion of a foreign model to the dialect: every module of this folder is a pass.

A pass offers `ORDER`, its place among the passes, and `run(draft)`, which changes the draft.
"""

from __future__ import annotations

import importlib
from functools import cache
from types import ModuleType

import numpy as np

from edgewright.core import catalogue
from edgewright.graph.draft import Draft
from edgewright.schema.errors import InputError

# Errors that an attribute of a wrong type or length causes: the file is damaged, or its writer is wrong.
_MISFIT = (TypeError, ValueError, KeyError, IndexError, AttributeError, OverflowError)


@cache
def passes() -> tuple[ModuleType, ...]:
    """All passes in their order."""
    names = catalogue.listing(__name__, "ORDER")
    modules = [importlib.import_module(f"{__name__}.{name}") for name in names]
    return tuple(sorted(modules, key=lambda module: (module.ORDER, module.__name__)))


def normalise(draft: Draft) -> None:
    """Run all passes twice: the changes of a pass may allow an earlier pass to change more.

    Raises:
        InputError: the dialect does not support an operator; the message names it and its nodes.
    """
    for module in (*passes(), *passes()):
        try:
            # An overflow becomes infinite here, as in the model itself.
            with np.errstate(all="ignore"):
                module.run(draft)
        except _MISFIT as error:
            text = " ".join(str(error).split()) or type(error).__name__
            got = "attributes and constants of the types the ONNX standard gives them"
            raise InputError(got, text, f"model {draft.name}, {module.__name__.rpartition('.')[2]}") from None
        draft.prune()
