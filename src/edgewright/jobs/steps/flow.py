"""`flow`: a dialogue that retrieves, its model and index in one folder; questions are put through the whole of it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgewright.core.files import write_atomic
from edgewright.core.toml_tables import convert_table, read_toml
from edgewright.jobs.steps import Step, Work
from edgewright.jobs.steps.answers import INDEX, ManualConfig, read_manual
from edgewright.language.dialogue.conversation import Conversation
from edgewright.language.dialogue.validation import read_dialogue, vocabulary
from edgewright.language.documents.judging import Judgement, SectionQuestion, plain
from edgewright.language.intents.network import size_of
from edgewright.language.intents.train import How
from edgewright.language.training import describe_chance, lines, train
from edgewright.language.utterances.read import read
from edgewright.nlp.dialogue import DialogueOutput
from edgewright.nlp.documents.retrieval import Retriever
from edgewright.nlp.utterance.model_file import write_language
from edgewright.nlp.utterance.parse import Understanding
from edgewright.schema.errors import InputError
from edgewright.schema.job import JobFigure, StepRecord
from edgewright.schema.state_table import StateTable
from edgewright.schema.trace import Interval

_SIZE = "64kB"


class Config(ManualConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A flow; further keys are those of what is read.

    Attributes:
        flow: the table, a file of the job's folder.
        utterances: what people say, for the model that the table names; empty: it names none.
        answers: step that made the index.
    """

    flow: str = "flow.toml"
    utterances: str = ""
    answers: str = "answers"


def _flow(config: Config, work: Work) -> StepRecord:
    manual = read_manual(config, work)
    table = convert_table(read_toml(work.folder / config.flow, "a state table"), StateTable, config.flow)
    folder = work.new_folder(config)
    says, intents = _files(config, work, table)
    with work.listener.doing("Holding the dialogue"):
        model = Understanding.load(folder / table.model) if table.model else None
        checked, summary = read_dialogue(folder / "flow.toml", vocabulary(model.spec) if model else None)
        with Retriever(table, folder) as look:
            conversation = Conversation(checked, look, model)
            states = sorted(_asking(table))
            results = {
                state: [_put(conversation, state, question) for question in manual.questions] for state in states
            }
    every = [pair for state in states for pair in results[state]]
    groups = np.array([question.group for _ in states for question in manual.questions])
    lowest = min(states, key=lambda state: float(np.mean([looked for looked, _ in results[state]])))
    worst = float(np.mean([looked for looked, _ in results[lowest]]))
    reached, answered = (share_by_group([pair[n] for pair in every], groups) for n in (0, 1))
    table_path = f"runs/{work.folder.name}/{folder.name}/flow.toml"
    return StepRecord(
        command=f"edgewright language chat {table_path} --steps",
        says=(
            f"{summary.states} states, {summary.steps} steps; every question is put to each of {', '.join(states)}.",
            *says, *summary.findings,
            "In the studio (edgewright studio runs) the page Flow edits and runs it.",
        ),
        figures=(
            JobFigure.of_interval("reached", "questions that are looked up", reached),
            JobFigure.of("worst", f"the same in state {lowest}", worst),
            JobFigure.of_interval("answered", "answered from the right section", answered),
            *intents,
        ),
        folder=folder.name,
    )  # fmt: skip


def _files(config: Config, work: Work, table: StateTable) -> tuple[list[str], list[JobFigure]]:
    """Put the table, its model and its index into one folder; return what training said, and measured."""
    folder = work.out / config.step_name
    write_atomic(folder / "flow.toml", (work.folder / config.flow).read_bytes())
    index = work.file_of(config.answers, "answers", INDEX)
    for name in dict.fromkeys(retrieval.index for retrieval in table.retrieve.values()):
        shutil.copyfile(index, folder / name)
    if bool(table.model) != bool(config.utterances):
        where = f"{work.folder.name} job.toml"
        raise InputError("`utterances` for the `model` that the table names", "one of them", where)
    if not table.model:
        return [], []
    with work.listener.doing("Training intents"):
        trained = train(read(work.folder / config.utterances), How(size=size_of(_SIZE), reject=None), name=table.name)
    write_language(folder / table.model, trained.spec, trained.arrays)
    right = Interval(**trained.spec.trained["as_answered"], method="wilson")
    title = f"intents of {trained.spec.trained['judged']:,} utterances, left out in turn"
    says = [next(iter(lines(trained.spec.trained))).strip(), describe_chance(trained.spec.trained)]
    return [sentence for sentence in says if sentence], [JobFigure.of_interval("intents", title, right)]


def _asking(table: StateTable) -> set[str]:
    """Return states in which a step leads to a retrieval."""
    states: set[str] = set()
    for step in table.steps:
        if step.to in table.retrieve:
            states |= {step.state} if isinstance(step.state, str) else set(step.state)
    if "*" in states:
        states = set(table.states)
    return states - set(table.retrieve) - set(table.final)


def _put(conversation: Conversation, state: str, question: SectionQuestion) -> tuple[bool, bool]:
    """Return whether a question was looked up, and whether it was answered from its section."""
    conversation.talk.machine.recall(state, 0.0)
    outputs = conversation.take(question.text, 0.0).outputs
    return any(output.retrieved is not None for output in outputs), answered_from(outputs, question.section)


def answered_from(outputs: Sequence[DialogueOutput], section: str) -> bool:
    """Return whether the last retrieval, if there is one, answered from a section."""
    retrievals = [output.retrieved for output in outputs if output.retrieved is not None]
    return bool(retrievals) and retrievals[-1].answered and section in map(plain, retrievals[-1].passages[0].path)


def share_by_group(hits: list[bool], groups: NDArray[np.str_]) -> Interval:
    """Return a share with its interval by group."""
    rows = np.array(hits)
    return Judgement(np.where(rows, 0, -1), ~rows, np.zeros(len(rows)), groups).recall(1)


STEP = Step(Config, "The flow", _flow)
