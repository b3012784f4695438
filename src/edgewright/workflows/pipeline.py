"""Stages in order that export, prove and estimate themselves once fitted, and what they propose for own data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edgewright.core.errors import RunError
from edgewright.core.records.footprint import Estimate
from edgewright.core.records.proof import ProofRecord
from edgewright.data.samples import cut
from edgewright.export.contract import Subject, find_target
from edgewright.export.write import write_files
from edgewright.graph.stage import select_fitted_columns
from edgewright.pipeline.pipeline import Pipeline as RunnablePipeline
from edgewright.pipeline.step_tables import step_tables
from edgewright.profiles.catalogue import load_profile
from edgewright.workflows.estimation import estimate_subject
from edgewright.workflows.own_data.proposal import OwnData, OwnDataRequest, Proposal, propose
from edgewright.workflows.own_data.recipes import Recipe
from edgewright.workflows.proof.adversarial import with_constructed
from edgewright.workflows.proof.comparison import prove_subject
from edgewright.workflows.proof.subject import Chosen, subject_of
from edgewright.workflows.proof.workflow import ROWS


class StagedPipeline(RunnablePipeline):
    """A pipeline that exports, proves and estimates its float form, and proposes how its steps run on own data."""

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
            raise RunError(
                "a stage that fills missing readings of windows", ", ".join(name for name, _ in self.steps),
                "Pipeline.run", "Begin with Fill() of edgewright.preprocessing.fill",
            )  # fmt: skip
        return proposal

    @property
    def _for_windows(self) -> bool:
        return any(getattr(step, "takes", ()) == (2,) for _, step in self.steps)

    def _recipe(self, data: OwnData) -> Recipe:
        if self._for_windows and data.framing.window is None:
            raise RunError("windows of rows", "single rows", "Pipeline.run", "Set window, such as '2 s' or '100 rows'")
        tables = step_tables(self.steps, cut(data.dataset, data.framing.window), data.framing.task)
        return Recipe("steps", "the steps of the pipeline", tables)

    def export(self, folder: str | Path, to: str = "c99", *, name: str = "", force: bool = False) -> list[Path]:
        """Write the fitted pipeline for a device or another tool and return the paths of the files.

        Args:
            folder: made when it is not there.
            to: target, such as 'c99', 'arduino' or 'onnx', as `edgewright export --to`.
            name: name of the files.
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
            raise RunError("at least one sample", "none", "Pipeline.prove")
        sampled = np.sort(np.random.default_rng(0).permutation(len(samples))[:rows])
        origins = tuple(f"sample {number}" for number in sampled)
        chosen = Chosen(samples[sampled], origins, "samples that were given")
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
