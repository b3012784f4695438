"""Options, questions and output that `init` and `run` share for a person's own file."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgewright.cli.command import option
from edgewright.cli.interrupt import loading
from edgewright.cli.laps import RACE, lasting
from edgewright.cli.options import command_line
from edgewright.core.errors import OptionFormatError, OptionsConflictError
from edgewright.core.formatting import plural, some_of

if TYPE_CHECKING:
    from edgewright.core.records.data import Labels
    from edgewright.core.records.race import RaceRecord
    from edgewright.pipeline.run_folder.journal import Listener
    from edgewright.race.fold_fits import Keeper
    from edgewright.workflows.own_data.proposal import OwnDataRequest, Proposal

# Columns that are listed before the first question.
_SHOWN = 40
# Choices about one column that a brief run shows.
_COLUMNS = 4


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """Description of the data; every missing part is chosen from the data."""

    target: str = option(metavar="COLUMN", help="Column to predict.")
    group: str = option(metavar="COLUMN", help="Column with the person or machine of a row, or 'none'.")
    session: str = option(metavar="COLUMN", help="Column with the recording of a row, or 'none'.")
    time: str = option(metavar="COLUMN", help="Column with the time of a row, or 'none'.")
    time_unit: str = option(
        type=click.Choice(["", "s", "ms", "us", "ns", "min", "h", "d", "y", "dmy", "mdy"]), metavar="UNIT",
        help="Unit of a time in numbers: s, ms, us, ns, min, h, y, or d for days of a spreadsheet; dmy or mdy for "
        "dates with the day or the month first.",
    )  # fmt: skip
    ignore: tuple[str, ...] = option(metavar="COLUMN", help="Column that is not a measurement; may be repeated.")
    skip_bad_rows: bool = option(help="Leave out rows and files that cannot be read; more than 5 % are an error.")
    fill_labels: bool = option(help="Fill labels down: an empty label is that of the last labelled row above it.")
    decision: str = option(help="What one decision is about: row, recording, '2 s' or '100 rows'.")
    device: str = option(metavar="PROFILE", help="Profile or TOML file of the device.  [default: cortex-m4]")

    def data_request(self, path: str, **more: Any) -> OwnDataRequest:  # noqa: ANN401 - fields of the request
        """Return the request for a path."""
        with loading():
            from edgewright.workflows.own_data.proposal import OwnDataRequest

        values = {one.name: getattr(self, one.name) for one in fields(DataOptions)}
        return OwnDataRequest(path=path, **values, **more)


@dataclass(frozen=True, kw_only=True)
class OwnDataOptions(DataOptions):
    """Options of the race and of the run."""

    need: float | None = option(
        type=click.FloatRange(0, 1, min_open=True, max_open=True), metavar="SHARE",
        help="Right answers (R² of an amount) below which the run is not ready, such as 0.95.",
    )  # fmt: skip

    features: int | None = option(
        type=click.IntRange(min=1), metavar="NUMBER",
        help="Features that the model takes, those that differ most with the target.  [default: all]",
    )  # fmt: skip
    budget: str = option(
        metavar="TIME",
        help="Processor time of the race of models, such as 10m; 0s races the cheapest alone.  "
        "[default: 60s up to 10,000 samples, else 180s]",
    )

    search: str = option(
        metavar="TIME",
        help="Also race other sizes of the models (widths, layers, trees, learning rates) for this processor time, "
        "such as 10m.",
    )

    @property
    def given(self) -> list[str]:
        """Names of the options about data that were given."""
        return [
            f"--{name.replace('_', '-')}"
            for name in self.__dataclass_fields__
            if name != "need" and getattr(self, name)
        ]

    def request(self, path: str) -> OwnDataRequest:
        """Return the request for a path."""
        from edgewright.cli.options import seconds_of

        if self.budget and self.search:
            raise OptionsConflictError(
                "--budget or --search", "both", "--search", "Leave out --budget: --search sets the time"
            )
        budget_s = seconds_of(self.budget, "--budget", zero=True) if self.budget else None
        if self.search:
            budget_s = seconds_of(self.search, "--search")
        return self.data_request(
            path, need=self.need, features=self.features, budget_s=budget_s, variants=bool(self.search)
        )


@contextmanager
def racing_on(request: OwnDataRequest, out: Path, resume: bool) -> Iterator[Keeper]:
    """Keep the fits of the race in a block that is stopped, and say how to go on.

    Args:
        request: what a person says of the data.
        out: folder that keeps them.
        resume: go on with the race of this name that was stopped.

    Yields:
        As `race.finished_fits.finished_fits`.
    """
    from edgewright.cli.listeners import says_what_is_kept
    from edgewright.race.fold_fits import finished_fits

    def on_anew() -> None:
        click.echo("the data, an option or Edgewright changed since the race was stopped: it begins anew", err=True)

    name = request.pipeline
    with says_what_is_kept(out, name), finished_fits(out, name, resume=resume, on_anew=on_anew) as kept:
        yield kept


def make_proposal(
    request: OwnDataRequest, leading: Callable[[Proposal], str] | None = None, journal: Listener | None = None
) -> Proposal:
    """Choose a pipeline and show on stderr that work is going on, and how the race stands.

    Args:
        request: what a person says of the data.
        leading: receives pipelines that lead the race, and says what it made of them, empty for nothing.
        journal: hears of the race, too.
    """
    from edgewright.cli.listeners import Working
    from edgewright.pipeline.cost import reading_s, tell_ahead
    from edgewright.pipeline.run_folder.journal import Listener, Several
    from edgewright.trace.page import Terminal
    from edgewright.trace.views.reports import shown_race
    from edgewright.workflows.own_data.proposal import propose

    console = Terminal(stderr=True)
    running = journal or Listener()
    listener = Several(running, Working(console))
    running.start(request.pipeline, "", request.device)
    tell_ahead(listener.ahead, "Reading data", reading_s(request.path))

    @contextmanager
    def racing() -> Iterator[Callable[[RaceRecord], None]]:
        with lasting(RACE), shown_race(console) as show, running.doing("Racing models"):

            def watch(race: RaceRecord) -> None:
                running.race(race)
                if show is not None:
                    show(race)

            yield watch

    def led(proposal: Proposal) -> None:
        if leading is not None and (line := leading(proposal)):
            console.print(line, highlight=False, markup=False, soft_wrap=True)

    return propose(
        request, listener.doing, racing=racing, interrupted=listener.interrupted,
        leading=led if leading is not None else None,
    )  # fmt: skip


def first_pipeline(options: OwnDataOptions, data: str, yes: bool, folder: Path) -> tuple[Proposal, dict[Path, bytes]]:
    """Choose a pipeline for a person's data; ask what was not given where there is a terminal.

    Args:
        options: of the command.
        data: file or folder.
        yes: ask nothing.
        folder: that will hold the files.

    Returns:
        The proposal, and the text of `pipeline.toml` and `data.md` by path.
    """
    from edgewright.data.remote import relative
    from edgewright.workflows.own_data.document import data_document, pipeline_text

    request = options.request(data)
    interactive = not yes and sys.stdin is not None and sys.stdin.isatty()
    proposal = make_proposal(ask_all(request) if interactive else request)
    proposal.table["data"]["path"] = relative(data, folder)
    if not (interactive or yes):
        click.echo("no terminal, so no questions were asked: the choices come from the data", err=True)
    file = folder / "pipeline.toml"
    text = pipeline_text(proposal, command_line(), click.format_filename(file))
    return proposal, {file: text.encode(), folder / "data.md": data_document(proposal, data).encode()}


def echo_choices(proposal: Proposal, *, whole: bool = True) -> None:
    """Print each choice with its reason to stderr; of those about one column the first four where not `whole`."""
    from edgewright.workflows.own_data.document import ONE_COLUMN, choices

    lines = choices(proposal, loaded=True)
    folded = [] if whole else [line for line in lines if line.startswith(ONE_COLUMN)][_COLUMNS:]
    for line in (line for line in lines if line not in folded):
        click.echo(f"  {line}", err=True)
    if folded:
        click.echo(f"  {plural(len(folded), 'more column')} read in another way or left out: see --verbose", err=True)


def ask_all(request: OwnDataRequest) -> OwnDataRequest:
    """Ask at most five questions: target, person, time, decision, device. Enter takes what the data suggest.

    A further one is asked where labels stand only in the rows where they change.
    """
    from edgewright.cli.options import ask
    from edgewright.data.preview import read_preview
    from edgewright.data.roles import NONE, assign_roles
    from edgewright.data.table_proposal import choose_framing
    from edgewright.profiles.catalogue import load_profile
    from edgewright.workflows.own_data.proposal import DEVICE, look

    preview = read_preview(request.path, named=request.names_columns, skip_bad_rows=request.skip_bad_rows)
    columns = preview.columns

    def profile(text: str) -> str:
        load_profile(text)
        return text

    def put(key: str, question: str, default: str, read: Callable[[str], str]) -> OwnDataRequest:
        return request if getattr(request, key) else replace(request, **{key: ask(question, default, read)})  # type: ignore[arg-type]

    questions = {
        "target": "Which column is to be predicted",
        "group": "Which column names the person or machine ('none' if no column)",
        "time": "Which column holds the time ('none' if no column)",
    }
    if columns:
        click.echo(f"columns: {some_of(list(columns), _SHOWN)}", err=True)
    for key, question in questions.items() if columns else ():
        parts = {one: getattr(request, one) for one in ("target", "group", "session", "time")}
        default = getattr(assign_roles(columns, parts, request.ignore, few=preview.is_folder), key) or NONE
        request = put(key, question, default, partial(_column, request=request, columns=columns, key=key))
    if request.target == NONE:
        request = replace(request, target="")
    inspected = look(request)
    if inspected.has_sparse_labels and not request.fill_labels:
        request = replace(request, fill_labels=ask("Fill the labels down (yes or no)", "yes", _yes_or_no))
        inspected = look(request)
    usual = inspected.framing.kind if inspected.framing.window is None else f"{inspected.framing.window.samples} rows"

    def decision(text: str) -> str:
        if text == usual:
            return ""
        choose_framing(inspected.dataset, text)
        return text

    request = put("decision", "What is one decision about: row, recording, '2 s' or '100 rows'", usual, decision)
    return put("device", "Which device (edgewright profiles lists them)", DEVICE, profile)


def _yes_or_no(text: str) -> bool:
    """Return whether the answer is yes.

    Raises:
        InputError: it is neither yes nor no.
    """
    if text.lower() not in ("yes", "y", "no", "n"):
        raise OptionFormatError("yes or no", repr(text))
    return text.lower().startswith("y")


def _column(text: str, request: OwnDataRequest, columns: Mapping[str, Labels], key: str) -> str:
    """Return the answer where such a column is there, or 'none'."""
    from edgewright.data.roles import assign_roles

    assign_roles(columns, {key: text}, request.ignore)
    return text
