"""`fit`: one call from a frame or a file of your own to a trained and packaged model, as `edgewright run` makes it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgewright.core.files import write_atomic
from edgewright.core.predictor import Answers
from edgewright.core.samples import Frame
from edgewright.export.answering import load
from edgewright.export.contract import find_target
from edgewright.export.subject import read_subject
from edgewright.export.write import write_files
from edgewright.pipeline.run import RunResult, run_pipeline
from edgewright.schema.errors import CheckFailedError, InputError
from edgewright.schema.proof import ProofRecord
from edgewright.workflows.own_data.document import choices
from edgewright.workflows.own_data.proposal import OwnDataRequest, Proposal, propose
from edgewright.workflows.proof.workflow import prove_place


@dataclass(frozen=True)
class FittedModel:
    """A model that `fit` trained.

    Attributes:
        result: what the run left: its folder, record, package and page.
        proposal: the pipeline that was chosen, with the reason of every choice.
    """

    result: RunResult
    proposal: Proposal

    def report(self) -> str:
        """Return the choices with their reasons, the verdict, and where the page of the run is."""
        trace, page = self.result.trace, self.result.page
        lines = [*choices(self.proposal), f"Verdict: {trace.verdict}", f"Insight: {trace.insight.sentence}"]
        return "\n".join([*lines, f"Page: {page}" if page else f"Run: {self.result.folder}"])

    def predict(self, data: Any) -> Answers:  # noqa: ANN401 - arrays, lists, frames and rows
        """Return answers for samples or for a frame, whose columns are taken by name.

        Raises:
            InputError: a column is missing, or the samples have another shape.
            CheckFailedError: the run made no package.
        """
        return load(self._package()).predict(data)

    def prove(self, device: str = "") -> ProofRecord:
        """Send the test samples through every form of the model and compare them.

        Args:
            device: profile of a processor that is emulated as one more form; empty for none.
        """
        return prove_place(str(self.result.folder), device=device)

    def to_c(self, folder: str | Path, *, name: str = "", force: bool = False) -> list[Path]:
        """Write the whole pipeline as C99 into a folder and return the paths of the files.

        Raises:
            InputError: a file of another content is there, and `force` is not given.
            CheckFailedError: the run made no package.
        """
        subject = read_subject(self._package())
        named = replace(subject, name=name or subject.name)
        return list(write_files(Path(folder), find_target("c99").files(named), force=force))

    def package(self, path: str | Path) -> Path:
        """Copy the package to a path and return it.

        Raises:
            CheckFailedError: the run made no package.
        """
        write_atomic(Path(path), self._package().read_bytes())
        return Path(path)

    def _package(self) -> Path:
        if self.result.package is None:
            raise CheckFailedError(f"no package: {self.result.refused}")
        return self.result.package

    def _repr_html_(self) -> str | None:
        return self.result._repr_html_()


def fit(
    data: Any,  # noqa: ANN401 - a path or a frame of Polars or pandas
    target: str = "",
    *,
    group: str = "",
    session: str = "",
    time: str = "",
    ignore: tuple[str, ...] = (),
    window: str = "",
    device: str = "",
    name: str = "",
    need: float | None = None,
    budget_s: float | None = None,
    out: str | Path = "runs",
    force: bool = False,
) -> FittedModel:
    """Choose, train, evaluate and package a model with the defaults of `edgewright run`.

    A column that is left out is found by its name and content; 'none' says that there is no such column.

    Args:
        data: a file or folder, or a frame of Polars or pandas; a frame is written to a CSV file in `out`.
        target: column to predict.
        group: column with the person or machine of a row; splits keep each one whole.
        session: column with the recording of a row.
        time: column with the time of a row.
        ignore: columns that are not measurements.
        window: what one decision is about: 'row', 'recording', '2 s' or '100 rows'; chosen from the data when empty.
        device: profile or TOML file of the device.
        name: name of the run; that of the file, or 'model' for a frame, when empty.
        need: share of right answers (R² of an amount) below which the verdict is 'not ready'.
        budget_s: processor seconds of the race of models; chosen by the number of samples when None.
        out: folder of runs.
        force: replace a run folder of this name.

    Raises:
        InputError: the data cannot be read or have no target.
    """
    request = OwnDataRequest(
        path="", target=target, group=group, session=session, time=time, ignore=tuple(ignore), decision=window,
        device=device, name=name, need=need, budget_s=budget_s,
    )  # fmt: skip
    proposal = propose(at_data(request, data, Path(out), "fit"))
    result = run_pipeline(proposal.config, out=out, force=force, command="edgewright.fit", race=proposal.race)
    return FittedModel(result, proposal)


def at_data(request: OwnDataRequest, data: Any, out: Path, where: str) -> OwnDataRequest:  # noqa: ANN401 - as of `fit`
    """Return the request with the path of its data; a frame is written to a CSV file in `out`.

    Args:
        request: without its path.
        data: path or frame.
        out: folder of runs.
        where: for messages.

    Raises:
        InputError: the data are neither a path nor a frame.
    """
    if isinstance(data, Frame):
        name = request.name or "model"
        return replace(request, path=str(_as_csv(data, out, name)), name=name)
    if not isinstance(data, str | Path):
        raise InputError("a path, or a frame of Polars or pandas", type(data).__name__, where)
    return replace(request, path=str(data))


def _as_csv(frame: Any, out: Path, name: str) -> Path:  # noqa: ANN401 - a frame of Polars or pandas
    """Write a frame beside the runs; its name has the content's hash, so no other run's data is replaced."""
    text: str = frame.write_csv() if hasattr(frame, "write_csv") else frame.to_csv(index=False)
    content = text.encode()
    path = out / f"{name}-{hashlib.sha256(content).hexdigest()[:12]}.csv"
    out.mkdir(parents=True, exist_ok=True)
    write_atomic(path, content)
    return path
