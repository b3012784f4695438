"""The public `Pipeline`: what scikit-learn's tools take, and what exports, proves and estimates itself once fitted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, overload

import numpy as np

from edgewright.core.samples import Frame
from edgewright.data.samples import cut
from edgewright.export.contract import Subject, find_target
from edgewright.export.write import write_files
from edgewright.graph.transformer import select_fitted_columns
from edgewright.pipeline.listener import Listener
from edgewright.pipeline.pipeline import Pipeline as RunnablePipeline
from edgewright.pipeline.run import RunResult
from edgewright.pipeline.step_tables import step_tables
from edgewright.profiles.catalogue import load_profile
from edgewright.schema.errors import InputError
from edgewright.schema.footprint import Estimate
from edgewright.schema.proof import ProofRecord
from edgewright.workflows.estimation.workflow import estimate_subject
from edgewright.workflows.model import Model
from edgewright.workflows.own_data.proposal import OwnData, OwnDataRequest, Proposal, propose
from edgewright.workflows.own_data.recipes import Recipe
from edgewright.workflows.proof.adversarial import with_constructed
from edgewright.workflows.proof.rows import Chosen
from edgewright.workflows.proof.subject import subject_of
from edgewright.workflows.proof.workflow import ROWS, prove_subject


class Pipeline(RunnablePipeline):
    """Stages in order, the model last: read from a TOML file, or made of steps as in scikit-learn.

    X is (n, columns) for rows or (n, channels, samples) for windows, float32, NaN where a value is missing; a Polars
    or pandas frame is accepted for rows, and its columns are taken by name. A fitted pipeline exports its float form;
    an int8 form and a package come from `run`.
    """

    @overload
    def run(
        self, data: None = None, *, out: str | Path = "runs", force: bool = False, listener: Listener | None = None
    ) -> RunResult: ...

    @overload
    def run(
        self, data: str | Path | Frame, target: str = "", *, group: str = "", session: str = "", time: str = "",
        ignore: tuple[str, ...] = (), window: str = "", device: str = "", name: str = "", need: float | None = None,
        out: str | Path = "runs", force: bool = False, listener: Listener | None = None,
    ) -> Model: ...  # fmt: skip

    def run(
        self,
        data: str | Path | Frame | None = None,
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
        out: str | Path = "runs",
        force: bool = False,
        listener: Listener | None = None,
    ) -> RunResult | Model:
        """Split, train, evaluate, quantise and package, as `edgewright run` does: with the TOML file, or these steps.

        The record holds a configuration that builds the steps again. A step that no configuration describes is
        refused: its arguments count samples or places that do not fit these data, or it is not Edgewright's.

        Args:
            data: file, folder or frame for a pipeline of steps; None for one with a configuration.
            target: column to predict.
            group: column with the person or machine of a row; splits keep each one whole.
            session: column with the recording of a row.
            time: column with the time of a row.
            ignore: columns that are not measurements.
            window: what one decision is about: 'row', 'recording', '2 s' or '100 rows'; when empty a row, or chosen
                from the data where a step is for windows.
            device: profile or TOML file of the device.
            name: name of the run; that of the file, or 'model' for a frame, when empty.
            need: share of right answers (R² of an amount) below which the verdict is 'not ready'.
            out: folder of runs.
            force: replace a run folder of this name.
            listener: hears every part of the record, `TerminalTrace` for example.

        Returns:
            A `RunResult` for a pipeline with a configuration, a `Model` for one of steps.

        Raises:
            InputError: a step that no configuration describes, or whatever is wrong with the data.
        """
        if data is None:
            return super().run(out=out, force=force, listener=listener)
        if self.config is not None:
            raise InputError(
                "no data for a pipeline with a configuration", "data", "Pipeline.run",
                "Use Pipeline.from_toml(..., data=...), or sklearn.base.clone(pipeline).run(...) for its steps alone",
            )  # fmt: skip
        model = Model(
            target, group=group, session=session, time=time, ignore=ignore, window=window, device=device, name=name,
            need=need, pipeline=self, out=out, force=force,
        )  # fmt: skip
        return model.fit(data, listener=listener)

    def proposal(self, request: OwnDataRequest) -> Proposal:
        """Return the configuration with which these steps run on a person's data, and why.

        Raises:
            InputError: a step that no configuration describes, or whatever is wrong with the data.
        """
        chosen = request.decision or ("" if self._for_windows else "row")
        proposal = propose(replace(request, decision=chosen), recipe_for=self._recipe)
        if not request.decision and not self._for_windows:
            proposal = replace(proposal, why={**proposal.why, "window": "a row, as no step is for windows only"})
        if len(proposal.config.stages) >= len(self.steps):
            raise InputError(
                "a stage that fills missing readings of windows", ", ".join(name for name, _ in self.steps),
                "Pipeline.run", "Begin with Fill() of edgewright.preprocessing.fill",
            )  # fmt: skip
        return proposal

    @property
    def _for_windows(self) -> bool:
        return any(getattr(step, "takes", ()) == (2,) for _, step in self.steps)

    def _recipe(self, found: OwnData) -> Recipe:
        if self._for_windows and found.framing.window is None:
            raise InputError(
                "windows of rows", "single rows", "Pipeline.run", "Set window, such as '2 s' or '100 rows'"
            )
        tables = step_tables(self.steps, cut(found.dataset, found.framing.window))
        return Recipe("steps", "the steps of the pipeline", tables)

    def export(self, folder: str | Path, to: str = "c99", *, name: str = "", force: bool = False) -> list[Path]:
        """Write the fitted pipeline for a device or another tool and return the paths of the files.

        Args:
            folder: made when it is not there.
            to: target, such as 'c99', 'arduino' or 'onnx', as `edgewright export --to`.
            name: of the files.
            force: replace files of other content, and remove those of earlier exports of this name and target there.

        Raises:
            InputError: the pipeline is not fitted, or a file of another content is there.
        """
        files = find_target(to).files(self._subject(name))
        return list(write_files(Path(folder), files, f"{to} {self._name(name)}", force=force).files)

    def prove(self, X: Any, *, device: str = "", rows: int = ROWS) -> ProofRecord:  # noqa: ANN401 - arrays and frames
        """Send samples through this pipeline, its ONNX form and its C code, and compare them stage by stage.

        Args:
            X: samples or a frame; training samples do, because nothing is scored.
            device: profile of a processor that is emulated as one more form; empty for none.
            rows: most samples that are taken, drawn by chance.

        Raises:
            InputError: the pipeline is not fitted, or the samples have another shape.
        """
        samples = np.asarray(select_fitted_columns(self, X), np.float32)
        if not len(samples):
            raise InputError("at least one sample", "none", "Pipeline.prove")
        drawn = np.sort(np.random.default_rng(0).permutation(len(samples))[:rows])
        origins = tuple(f"sample {number}" for number in drawn)
        chosen = Chosen(samples[drawn], origins, "samples that were given")
        subject = subject_of(self._name(""), {"float": self.graph()}, pipeline=self, device=device)
        return prove_subject(subject, subject.name, with_constructed(subject, chosen))

    def estimate(self, device: str) -> Estimate:
        """Estimate flash, RAM, latency and energy of the float form on a device, as `edgewright estimate` does.

        Args:
            device: a profile, such as 'cortex-m4', or the path of a TOML file.

        Raises:
            InputError: the pipeline is not fitted, or the device is unknown.
        """
        return estimate_subject(self._subject(""), load_profile(device))

    def _subject(self, name: str) -> Subject:
        return Subject(self._name(name), self.graph(name=self._name(name)), columns=self.columns)

    def _name(self, name: str) -> str:
        return name or (self.config.name if self.config is not None else "pipeline")
