"""Label data with help: suggestions, active learning, reviews, likely errors, and audits by people."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from edgewright.cli.command import (
    Result,
    Stream,
    argument,
    declare,
    json_line,
    option,
    own_language_model,
    own_model,
    print_ahead,
    wants_json,
)
from edgewright.cli.interrupt import loading
from edgewright.cli.options import RowOptions
from edgewright.cli.text import wrote
from edgewright.core.errors import (
    DONE,
    CheckFailedError,
    ExistingFileError,
    InputError,
    LabelProjectError,
    MissingFileError,
    OptionMissingError,
)
from edgewright.core.formatting import plural, printable
from edgewright.core.request_origin import account

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgewright.core.records.data import LabelAudit
    from edgewright.language.labelling.project import Project
    from edgewright.language.labelling.suggestion_round import Round
    from edgewright.nlp.utterance.student import Encodes

EXAMPLE = "suggest calls.csv --out calls.labelling --encoder all-MiniLM-L6-v2"


PROJECT: Any = argument(metavar="PROJECT")
ENCODER: Any = option(
    metavar="DIR",
    help="Directory of an encoder of texts, pictures or sounds, or the name of a model of yours (the newest by "
    "default); without one, words or colours are counted.",
)
REVIEWER: Any = option(
    "--as", default=lambda: account("reviewer"), show_default=False, metavar="NAME",
    help="Name of the reviewer. [default: name of the account]",
)  # fmt: skip


def _encoder(project: Project, given: Path | None) -> Encodes | None:
    """Return the encoder of a directory, else one that the user registered for what the project holds."""
    from edgewright.language.labelling.vectors import ROLES, encoder_for

    role = ROLES.get(project.kind)
    return encoder_for(project, own_model(role, given) if role else given)


def _language_model(by: str) -> Path | None:
    """Return the file of the language model that `--by` names; None where it names no model."""
    from edgewright.core.own_models import own_models

    if Path(by).suffix == ".gguf" or by in {model.name for model in own_models()}:
        return own_language_model(by, "--by")
    return None


def plain(text: str, maximum: int = 400) -> str:
    """Return text that cannot move the cursor, shortened, on one line."""
    shown = printable(text[: maximum + 1], " ")
    return shown[:maximum] + f"... ({len(text):,} characters)" if len(text) > maximum else shown


@declare(example="calls.csv --out calls.labelling --class 'refund=money back' --encoder DIR", spreads=True)
def suggest(
    *,
    data: str = argument(),
    out: Path | None = option(metavar="PROJECT", help="New label project, if DATA is not one."),
    classes: tuple[str, ...] = option(
        "--class", metavar="NAME[=LINE]", help="A class with a one-line description; may be repeated."
    ),
    encoder: Path | None = ENCODER,
    by: str = option(
        metavar="NAME",
        help="Suggester, or a language model: one of yours or a .gguf file. An unknown name lists the suggesters. "
        "[default: automatic]",
    ),
    minimum: float = option(
        "--least", type=click.FloatRange(0.0, 1.0), default=0.7, help="Lowest confidence; items below it stay empty."
    ),
    count: int = option(
        "--next", type=click.IntRange(1, 500), default=20, help="Number of items to select for labelling."
    ),
    text: str = option(help="Column with the texts."),
    target: str = option(help="Column with existing labels."),
    window: int | None = option(type=click.IntRange(2), help="Rows in a window of recordings."),
    rows: bool = option(help="Treat each row of the recordings as an item."),
    read: RowOptions,
    rate: float | None = option(type=click.FloatRange(0.0, min_open=True), help="Samples a second."),
    seed: int = option(type=click.IntRange(0), default=0, help="Random seed."),
    then: str | None = option(
        type=click.Choice(["train"]),
        help="Then draw an audit; once people have answered it, the same command trains students of several sizes on "
        "the labels, compares them with ENCODER, and writes and proves the C99 code of the one that ships.",
    ),
    judge: Path | None = option(
        metavar="FILE|FOLDER",
        help="With --then train: things with true labels that the students are compared on: utterances as for "
        "`language train`; a folder with a folder for each label, or a CSV with file,label beside pictures or sounds. "
        "[default: the audited sample]",
    ),
    into: Path | None = option(metavar="FOLDER", help="Folder of the students. [default: PROJECT.students]"),
    label_errors: float | None = option(
        type=click.FloatRange(0.0, 1.0, min_open=True, max_open=True),
        help="With --then train: largest error rate of the machine's labels that the audit must confirm before it "
        "trains. [default: 0.05]",
    ),
) -> Result:
    """Suggest labels for DATA (texts, recordings, pictures, sounds: --out creates the project) or for a label project.

    Suggestions come from one-line descriptions of the classes (with an encoder), from the labels that people gave so
    far, or from a language model, which can write nothing but a class or none; uncertain items stay empty. Then it
    selects what to label next: uncertain items that differ from each other.

    With --then train, repeat the same command: it suggests and draws a sample, waits for the answers of `label review
    PROJECT --audit`, then trains. A stopped training goes on where it was.
    """
    with loading():
        from edgewright.data.audited_labels import LIMIT
        from edgewright.data.remote import located
        from edgewright.language.labelling.items import changed
        from edgewright.language.labelling.project import Project
        from edgewright.language.labelling.suggestion_round import suggest
        from edgewright.language.labelling.vectors import trainable

    named = dict(_named(class_text) for class_text in classes)
    path = source = Path(data if out is None or out.exists() else located(data))
    limit = LIMIT if label_errors is None else label_errors
    _check_students(then, judge, into, label_errors)
    if then and out is not None and out.exists():
        path, out = _continued(out, data), None
    if then and path.exists() and out is None and _audit_of(path).state in ("open", "done"):
        return _trained(path, encoder, judge, into, limit, seed)
    if out is not None:
        table = {**asdict(read), "ignore": list(read.ignore), "rate": rate}
        _create(out, source, data, named, text=text, target=target, window=window or 0, rows=rows, table=table)
        path = out
    try:
        with Project(path) as project:
            if then:
                trainable(project)
            for name, line in named.items():
                project.add_class(name, line)
            used = _encoder(project, encoder)
            suggestions = suggest(
                project, encoder=used, by=by, minimum=minimum, count=count, seed=seed, ahead=print_ahead,
                language_model=_language_model(by),
            )  # fmt: skip
            note = changed(project)
    except BaseException:
        # Nobody has labelled anything in it yet, and the same command is to work once it is corrected.
        if out is not None:
            out.unlink(missing_ok=True)
        raise
    with Project(path) as project:
        record = {"project": str(project.path), **msgspec.to_builtins(suggestions), "note": note}
        lines = [*_suggest_lines(project, suggestions, note)]
    if then and not suggestions.suggested and suggestions.labelled:
        return _trained(path, encoder, judge, into, limit, seed)  # people labelled everything
    return _with_audit(path, record, lines, limit) if then else Result(record, lines)


def _create(out: Path, source: Path, data: str, classes: dict[str, str], **columns: Any) -> None:  # noqa: ANN401
    """Write a project of the items in `source`; `columns` says how `read_items` takes them."""
    from edgewright.data.remote import is_remote
    from edgewright.language.labelling.items import make, read_items

    if out.exists():
        raise ExistingFileError("a new file", "an existing one", str(out), f"Continue it with: label suggest {out}")
    items = read_items(source, **columns)
    if items.understood:
        click.echo(items.understood, err=True)
    make(out, source, items, classes, data if is_remote(data) else "")


def _check_students(then: str | None, judge: Path | None, into: Path | None, label_errors: float | None) -> None:
    """Refuse options of students where none are trained, and judges that are not there."""
    for name, given in (("--judge", judge), ("--into", into), ("--label-errors", label_errors)):
        if given is not None and not then:
            raise OptionMissingError(f"{name} with --then train", f"{name} alone", "label suggest", "Add --then train")
    if judge is not None and not judge.exists():
        raise MissingFileError("a file or a folder", "no such file", f"--judge {judge}", "Check the path")


def _continued(out: Path, data: str) -> Path:
    from edgewright.data.remote import absolute
    from edgewright.language.labelling.project import Project

    with Project(out) as project:
        source = str(project.meta("source"))
    if source != absolute(data):
        raise LabelProjectError(f"a project of {data}", f"one of {source}", str(out), "Choose another --out")
    return out


def _audit_of(path: Path) -> LabelAudit:
    from edgewright.language.labelling.audit import audited
    from edgewright.language.labelling.project import Project

    with Project(path) as project:
        return audited(project)


def _with_audit(path: Path, record: dict[str, Any], lines: list[str], limit: float) -> Result:
    """Draw as many labels as an audit needs, or all where there are fewer; training waits for the answers."""
    from edgewright.language.labelling.audit import draw, level_of, needed
    from edgewright.language.labelling.project import Project

    with Project(path) as project:
        count = needed(limit, limit / 5, level_of(_audit_of(path).looks + 1))[0]
        report = draw(project, count)
    failure = CheckFailedError(
        f"{report.sampled:,} labels wait for an audit; nothing is trained before it",
        do=f"edgewright label review {click.format_filename(path)} --audit, then this command again",
    )
    lines = [line for line in lines if "before training:" not in line]
    return Result({**record, "audit": msgspec.to_builtins(report)}, lines, failure=failure)


def _trained(
    path: Path, encoder: Path | None, judge: Path | None, into: Path | None, limit: float, seed: int
) -> Result:
    with loading():
        from edgewright.language.distillation.workflow import distil, students_of
        from edgewright.language.labelling.project import Project

    folder = into or path.with_name(f"{path.name}.students")
    with Project(path) as project:
        brought = _encoder(project, encoder)
        students = students_of(project, brought, limit, seed, print_ahead)
        distilled = distil(
            project, students, folder, judges=judge, encoder=brought, limit=limit, seed=seed, say=print_ahead
        )
    return Result(distilled)


def _named(option: str) -> tuple[str, str]:
    name, _, line = option.partition("=")
    return name.strip(), line.strip()


def _suggest_lines(project: Project, suggestions: Round, note: str) -> Iterator[str]:
    name = click.format_filename(str(project.path))
    yield f"{name}: {suggestions.items:,} items ({project.kind}), {suggestions.labelled:,} labelled by people"
    if not suggestions.suggester:
        yield "  no suggestions yet: label some items, or describe classes (--class NAME=LINE --encoder DIR)"
    else:
        sure = (
            f"fitted on {suggestions.labelled:,} labels"
            if suggestions.fitted
            else "not calibrated yet: use them only for ranking"
        )
        yield (
            f"  {suggestions.suggester}: {suggestions.suggested:,} suggested, {suggestions.unsure:,} left empty; "
            f"confidences are {sure}"
        )
        if suggestions.right >= 0:
            yield f"  agrees with {100 * suggestions.right:.1f} % of held-out human labels where it is confident"
    if suggestions.absent:
        names = plain(", ".join(suggestions.absent), 200)
        yield f"  {names} have no labels, so such items get another label or none"
    yield f"  next: {suggestions.queued:,} items; edgewright label review {name}"
    if suggestions.suggested:
        yield f"  before training: edgewright label audit {name}"
    if note:
        yield f"  note: {note}"


_KEYS = "Enter takes the suggestion; a name, its beginning or its number; /none, /skip, /undo, /classes, +NAME, /quit"


@declare(example="calls.labelling --as ann")
def review(
    project: Path = PROJECT,
    reviewer: str = REVIEWER,
    audit: bool = option(help="Answer the audit's sample; the machine's labels are hidden."),
    second: bool = option(help="Label what others labelled, to measure agreement; settles items where two differ."),
    item: int | None = option(type=click.IntRange(1), help="Review one item again, by its number."),
    count: int | None = option(type=click.IntRange(1), help="Stop after this many items."),
) -> Stream:
    """Label items one after the other.

    Each label is stored before the next item is shown. Ctrl-C, /quit or the end of the input stop; the next review
    continues there. In a pipe each line is an answer; an invalid line ends the review with exit code 2, so that no
    answer goes to the wrong item.
    """
    from edgewright.language.labelling.project import Project, refuse_reviewer
    from edgewright.language.labelling.review import todo

    refuse_reviewer(reviewer)
    with Project(project) as opened:
        work = [item] if item else todo(opened, reviewer, audit=audit, second=second)
        session = _Session(opened, reviewer, audit, quiet=wants_json())
        try:
            session.run(work if count is None else work[:count])
        except KeyboardInterrupt:
            click.echo(err=wants_json())  # the terminal wrote ^C on the line
            raise
        finally:
            record = {"project": str(project), "reviewer": reviewer, "labelled": session.labelled,
                    "left": max(0, len(work) - session.labelled)}  # fmt: skip
            yield Result(record, [f"{record['labelled']:,} labelled by {reviewer}, {record['left']:,} left"])
    return DONE


class _Session:
    """One person's review."""

    def __init__(self, project: Project, reviewer: str, audit: bool, quiet: bool) -> None:
        self.project, self.reviewer, self.audit, self.quiet = project, reviewer, audit, quiet
        self.labelled = 0
        self.lines = 0
        self.typed = sys.stdin.isatty()

    def run(self, work: list[int]) -> None:
        """Ask for one after the other; `/undo` goes back to the one that was labelled last."""
        if not work:
            self.say("no items to label")
            return
        self.say(_KEYS)
        position = 0
        while position < len(work):
            answer = self.ask(work[position], f"{position + 1}/{len(work)}")
            if answer == "quit":
                return
            if answer == "undo":
                back = self.project.undo(self.reviewer)
                if back is None:
                    self.say("nothing to undo")
                    continue
                self.labelled = max(0, self.labelled - 1)
                self.say(f"removed {back.label or 'none'} from item {back.item}")
                if back.item in work:
                    position = work.index(back.item)
                else:
                    work.insert(position, back.item)
                continue
            position += 1

    def ask(self, number: int, of: str) -> str:
        """Show an item until it has an answer: 'labelled', 'skip', 'undo' or 'quit'."""
        from edgewright.language.labelling.review import how_of, meant, shown

        seen = shown(self.project, number, audit=self.audit)
        self.say(f"\n[{of}] {plain(seen.item.content)}")
        self.window(number)
        if seen.suggested:
            self.say(f"  {seen.suggested}, {100 * seen.confidence:.0f} %")
        while True:
            if self.typed:
                click.echo("> ", nl=False, err=self.quiet)
            line = sys.stdin.readline()
            self.lines += 1
            command = line.strip()
            if not line or command == "/quit":
                return "quit"
            if command in ("/skip", "/undo"):
                return command[1:]
            if command == "/classes":
                self.classes()
                continue
            try:
                if command.startswith("+"):
                    self.project.add_class(command[1:].strip())
                    label = command[1:].strip()
                else:
                    label = meant(line.rstrip("\n"), list(self.project.classes()), seen.suggested)
            except InputError as error:
                if not self.typed:
                    raise InputError(
                        error.expected, error.got, f"line {self.lines}", error.do, code=error.code
                    ) from None
                self.say(str(error))
                continue
            how = how_of(self.project, number, label, audit=self.audit)
            self.project.say(number, label, self.reviewer, how)
            self.labelled += 1
            return "labelled"

    def classes(self) -> None:
        """List them."""
        self.say("  " + "  ".join(f"{number} {name}" for number, name in enumerate(self.project.classes(), 1)))

    def window(self, number: int) -> None:
        """Print the values of a window as small bars, one line per channel."""
        if self.project.kind not in ("windows", "rows"):
            return
        from edgewright.language.labelling.review import bars

        for line in bars(self.project.data(number), list(self.project.meta("columns"))):
            self.say(line)

    def say(self, text: str) -> None:
        """Go to the standard error where the output is JSON."""
        click.echo(text, err=self.quiet)


@declare(example="calls.labelling")
def status(project: Path = PROJECT) -> Result:
    """Count labels by source, list equal texts with different labels, and report Cohen's kappa of reviewers."""
    from edgewright.language.labelling.audit import contradictions, decided, kappas
    from edgewright.language.labelling.project import Project
    from edgewright.language.labelling.review import labels_of

    with Project(project) as opened:
        review, items = opened.reviews(), opened.items()
        humans, labels = decided(review), labels_of(opened)
        odd = contradictions(items, humans) if opened.kind == "text" else []
        kind, classes = opened.kind, opened.classes()
    by = Counter(source for _, source, _ in labels.values())
    counts = Counter(label for label, _, _ in labels.values())
    disputed = [item for item, answers in humans.items() if answers.disputed]
    agreed = kappas(review)
    lines = [
        f"{len(items):,} items ({kind}), {len(labels):,} labelled",
        *(f"  {count:>7,} {source}" for source, count in by.most_common()),
        *(f"  {counts[name]:>7,} as {name}" for name in classes),
    ]
    lines += [
        f"{pair.first} and {pair.second} agree on {pair.agreed} of {pair.common}: Cohen's kappa {pair.value:.2f}"
        for pair in agreed
    ]
    if disputed:
        settle = f"settle: edgewright label review {project} --second"
        lines.append(f"{plural(len(disputed), 'item')} with two labels; {settle}")
    lines += [
        f"equal texts, two labels: {first.id} {label}, {other.id} {second}: {plain(first.content, 60)}"
        for first, other, label, second in odd[:5]
    ]
    record = {
        "items": len(items), "kind": kind, "by": dict(by), "classes": {name: counts[name] for name in classes},
        "disputed": disputed, "contradictions": [[a.id, b.id] for a, b, _, _ in odd],
        "agreement": [pair._asdict() for pair in agreed],
    }  # fmt: skip
    return Result(record, lines)


@declare(example="calls.labelling --encoder all-MiniLM-L6-v2", spreads=True)
def errors(
    project: Path = PROJECT,
    encoder: Path | None = ENCODER,
    top: int = option(type=click.IntRange(1), default=20, help="Number of labels to show."),
    seed: int = option(type=click.IntRange(0), default=0, help="Seed of the folds."),
) -> Result:
    """List labels that are probably wrong, by confident learning with out-of-group probabilities.

    Finds individual slips of people, but not classes that are mixed up throughout.
    """
    with loading():
        import numpy as np

        from edgewright.language.labelling.audit import CANNOT, likely_errors
        from edgewright.language.labelling.project import Project
        from edgewright.language.labelling.review import labels_of
        from edgewright.language.labelling.vectors import vectors_of

    with Project(project) as opened:
        labels = labels_of(opened, human_only=True)
        items, classes = opened.items(), list(opened.classes())
        places = [k for k, item in enumerate(items) if item.id in labels]
        vectors = vectors_of(opened, _encoder(opened, encoder))
    targets = np.array([classes.index(labels[items[k].id][0]) for k in places], np.int64)
    people = np.unique([items[k].person for k in places], return_inverse=True)[1] if places else targets
    grouped = len(np.unique(people)) > 1
    errors = likely_errors(vectors[places], targets, people if grouped else None, seed)
    listed = [
        {"item": items[places[error.index]].id, "content": items[places[error.index]].content,
         "label": classes[error.given], "by": labels[items[places[error.index]].id][1],
         "likelier": classes[error.likelier], "belief": error.belief}
        for error in errors
    ]  # fmt: skip
    lines = (
        f"  {error['item']:>6} {error['label']} (rather {error['likelier']}): {plain(str(error['content']), 80)}"
        for error in listed[:top]
    )
    return Result(
        {"looked_at": len(places), "found": len(errors), "errors": listed[:top], "cannot": CANNOT},
        [
            f"{len(errors):,} of {len(places):,} labels are likely wrong, most likely first:", *lines,
            f"review one: edgewright label review {project} --item NUMBER", f"note: {CANNOT}",
        ],
    )  # fmt: skip


@declare(example="calls.labelling --draw 100")
def audit(
    project: Path = PROJECT,
    count: int | None = option(
        "--draw",
        type=click.IntRange(1, 100_000),
        metavar="N",
        help="Draw a sample of N, or extend the answered one.",
    ),
    each: int = option(
        type=click.IntRange(0, 10_000),
        default=0,
        help="Also draw N of every class, for its own interval.",
        show_default=False,
    ),
    limit: float = option(
        type=click.FloatRange(0.0, 1.0, min_open=True, max_open=True),
        default=0.05,
        help="Error rate that training accepts.",
    ),
    seed: int | None = option(type=click.IntRange(0), help="Seed of the sample. [default: from the system]"),
) -> Result:
    """Sample the machine's labels for people to check, or report the result, or the sample size needed.

    People answer with `label review PROJECT --audit`, without seeing the machine's labels. Every further sample widens
    the interval, so repeating the audit until it passes does not help. Exits with 1 if the limit is not met (yet).
    """
    with loading():
        from edgewright.language.labelling import audit
        from edgewright.language.labelling.project import Project

    with Project(project) as opened:
        report = audit.audited(opened) if count is None else audit.draw(opened, count, each, seed)
    looks = report.looks + (report.state in ("none", "stale"))
    expect = limit / 5
    plan = audit.needed(limit, expect, audit.level_of(looks))
    lines = [*_audit_lines(report, str(project), limit)]
    if report.state in ("none", "stale"):
        lines.append(
            f"plan: {plan[0]:,} answers allow {plan[1]} wrong ones; labels of which {100 * expect:g} % are wrong "
            f"pass {100 * limit:g} % in four of five such audits"
        )
    failure = None
    if count is None and report.state != "done":
        failure = CheckFailedError(
            {"none": "no audit yet", "open": "the audit is incomplete", "stale": "the labels changed after the audit"}[
                report.state
            ],
            do={"open": "edgewright label review PROJECT --audit"}.get(report.state, "Draw a sample: --draw N"),
        )
    elif report.state == "done" and report.high > limit:
        rate = report.errors / report.answered
        # At the same share of wrong ones, and at the stricter level of a further look.
        longer = audit.extended(report.errors, report.answered, limit, audit.level_of(report.looks + 1))
        more = f", or draw a longer sample: --draw {longer}" if longer and longer <= report.population else ""
        failure = CheckFailedError(
            f"up to {100 * report.high:.1f} % of the machine's labels may be wrong; the limit is {100 * limit:g} %",
            do=f"{100 * rate:.1f} % were: label more and suggest again{more}",
        )
    record = {**msgspec.to_builtins(report), "limit": limit, "plan": {"answers": plan[0], "errors": plan[1]}}
    return Result(record, lines, failure=failure)


def _audit_lines(report: LabelAudit, project: str, limit: float) -> Iterator[str]:
    if report.state == "none":
        yield f"no audit of {project} yet"
        return
    yield (
        f"look {report.looks}: {report.answered:,} of {report.sampled:,} answered, "
        f"drawn at random from {report.population:,} labels"
    )
    if report.state == "open":
        yield f"  edgewright label review {project} --audit"
        return
    if report.state == "stale":
        yield "  the machine labels changed after this audit, so it does not cover them"
        return
    rate = report.errors / max(1, report.answered)
    yield (
        f"  {report.errors:,} wrong: {100 * rate:.1f} % ({100 * report.low:.1f} to {100 * report.high:.1f} %, exact, "
        f"level {100 * report.level:g} %), limit {100 * limit:g} %"
    )
    for row in report.classes:
        text = (
            f"{row.errors} of {row.answered} wrong (up to {100 * row.high:.0f} %)" if row.answered else "none answered"
        )
        yield f"  {row.label:<28} {text}, {row.population:,} labels"


@declare(example="calls.labelling --out calls.csv")
def export(
    project: Path = PROJECT,
    out: Path = option(required=True, help="File .csv, or .parquet for recordings."),
    human: bool = option(help="Only labels by people, which need no audit."),
    force: bool = option(help="Replace the files."),
) -> Result:
    """Write the labelled items, the source of each label, and FILE.labels.json with the audit.

    `run` and `language train` refuse data with a machine's labels if the audit is missing, unfinished, of other labels,
    or above the limit.
    """
    with loading():
        from edgewright.data.audited_labels import LIMIT, record_path
        from edgewright.language.labelling.project import Project
        from edgewright.language.labelling.review import export

    with Project(project) as opened:
        exported = export(opened, out, force=force, human_only=human)
    record = exported.record
    counts = f"{record.human:,} labels by people, {record.machine:,} by a machine, {exported.left:,} items left"
    lines = [f"{wrote(exported.path, record_path(exported.path))}: {counts}"]
    if exported.table:
        lines += ["[data]", *(f"{key} = {json_line(value)}" for key, value in exported.table.items())]
    high = record.audit.high
    if record.machine and (record.audit.state != "done" or high > LIMIT):
        far = f"up to {100 * high:.1f} % of the machine's labels may be wrong, the limit is {100 * LIMIT:g} %"
        why = far if record.audit.state == "done" else f"audit: {record.audit.state}"
        lines.append(f"note: training refuses it ({why}); edgewright label audit {project}")
    value = {"file": str(exported.path), **msgspec.to_builtins(record), "data": exported.table, "left": exported.left}
    return Result(value, lines)
