"""Which students a project gets, by what it holds."""

from __future__ import annotations

from typing import cast

from edgewright.language.distillation.contract import Say, Students
from edgewright.language.distillation.texts import TextStudents
from edgewright.language.embedding import Encoder
from edgewright.language.labelling.audit import answered_sample
from edgewright.language.labelling.export import labels_of
from edgewright.language.labelling.project import Project
from edgewright.language.labelling.vectors import trainable
from edgewright.nlp.utterance.head import Encodes


def students_of(project: Project, encoder: Encodes | None, limit: float, seed: int, say: Say) -> Students:
    """Return the students of a project.

    Args:
        project: with its labels.
        encoder: that gave them; None for words alone.
        limit: error rate of the machine's labels that the audit must confirm.
        seed: of the fits.
        say: told what is done.

    Raises:
        InputError: a kind of project that has none.
    """
    role = trainable(project)
    if role == "text":
        known = labels_of(project).keys() | answered_sample(project).keys()  # none of the classes judges too
        unsure = [item.content for item in project.items() if item.id not in known]
        return TextStudents(cast("Encoder | None", encoder), unsure, seed, say)
    from edgewright.language.distillation.media import MediaStudents  # noqa: PLC0415 - trains networks

    return MediaStudents(role, project.source, limit, seed)
