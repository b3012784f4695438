"""The public `Pipeline`: what scikit-learn's tools take, and what exports, proves and estimates itself once fitted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edgewright.export.contract import Subject, find_target
from edgewright.export.write import write_files
from edgewright.graph.transformer import select_fitted_columns
from edgewright.pipeline.pipeline import Pipeline as RunnablePipeline
from edgewright.profiles.catalogue import load_profile
from edgewright.schema.errors import InputError
from edgewright.schema.footprint import Estimate
from edgewright.schema.proof import ProofRecord
from edgewright.workflows.estimation.workflow import estimate_subject
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

    def export(self, folder: str | Path, to: str = "c99", *, name: str = "", force: bool = False) -> list[Path]:
        """Write the fitted pipeline for a device or another tool and return the paths of the files.

        Args:
            folder: made when it is not there.
            to: target, such as 'c99', 'arduino' or 'onnx', as `edgewright export --to`.
            name: of the files.
            force: replace files of other content.

        Raises:
            InputError: the pipeline is not fitted, or a file of another content is there.
        """
        return list(write_files(Path(folder), find_target(to).files(self._subject(name)), force=force))

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
