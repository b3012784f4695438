"""Training asks for the audit: missing, unfinished, of other labels, edited, above the limit; and then tells of it."""

from __future__ import annotations

import csv
from pathlib import Path

import msgspec
import numpy as np
import pytest

from cli_runner import Cli
from edgewright.core.errors import CheckFailedError, FormatNewerError, LabelProjectError
from edgewright.core.package import read_package
from edgewright.core.records.data import LabelRecord
from edgewright.data.audited_labels import read_record, record_path, records
from edgewright.language.labelling.audit import draw, unanswered
from edgewright.language.labelling.items import make, read_items
from edgewright.language.labelling.project import Project
from edgewright.language.labelling.review import export
from edgewright.nlp.utterance.parse import read_language
from edgewright.pipeline.config import read_config
from edgewright.pipeline.run import run_pipeline
from edgewright.race.problem import problem_of_pipeline
from label_example import answer, suggested, write_project

LIMIT = 0.05


def audited_project(folder: Path, count: int, wrong: int = 0) -> Path:
    """Return a project with a finished audit."""
    path = write_project(folder)
    with suggested(path, wrong) as project:
        draw(project, count, seed=1)
        answer(project, unanswered(project), how="blind")
    return path


def exported(path: Path, **more: bool) -> Path:
    """Return its data."""
    with Project(path) as project:
        return export(project, path.with_suffix(".csv").with_name("out.csv"), force=True, **more).path


def test_labels_without_a_finished_audit_are_refused(tmp_path: Path, cli: Cli) -> None:
    path = write_project(tmp_path)
    with suggested(path) as project:
        out = export(project, tmp_path / "out.csv").path
        with pytest.raises(CheckFailedError, match="no audit of its machine labels"):
            records(out, LIMIT)
        draw(project, 5, seed=0)
        export(project, out, force=True)
        with pytest.raises(CheckFailedError, match="0 of 5 answers"):
            records(out, LIMIT)
    assert "label audit" in cli("language", "train", out, "--out", tmp_path / "m.language", code=1)
    assert not (tmp_path / "m.language").exists()


def test_a_language_model_keeps_the_record_of_its_labels(tmp_path: Path, cli: Cli) -> None:
    out, model = exported(audited_project(tmp_path, 75)), tmp_path / "m.language"
    assert "0 of 75 drawn at random were wrong" in cli(
        "language", "train", out, "--out", model, "--size", "8kB", "--label-errors", "0.06"
    )
    spec, _ = read_language(model)
    assert msgspec.convert(spec.trained["labels"], list[LabelRecord]) == [read_record(record_path(out))]


def test_an_audit_above_the_limit_is_refused_and_the_limit_can_be_raised(tmp_path: Path, cli: Cli) -> None:
    project = audited_project(tmp_path, 30)
    out = exported(project)
    assert "note: training refuses it (up to 11.6 % of the machine's labels may be wrong" in cli(
        "label", "export", project, "--out", out, "--force"
    )
    # None of 30 is wrong: up to 11.6 % may be.
    with pytest.raises(CheckFailedError, match=r"up to 11\.6 % of the machine's labels"):
        records(out, LIMIT)
    record = records(out, 0.12)[0]
    assert (record.machine, record.human, record.audit.errors) == (50, 30, 0)
    assert records(tmp_path, 0.12) == (record,)


def test_edited_and_renamed_data_are_noticed(tmp_path: Path) -> None:
    out = exported(audited_project(tmp_path, 75))
    assert records(out, LIMIT)
    renamed = out.rename(tmp_path / "renamed.csv")
    assert records(renamed, LIMIT)[0].file == "out.csv"
    content = renamed.read_text()
    renamed.write_text(content.replace(",lamp,", ",food,", 1))
    with pytest.raises(CheckFailedError, match="without their audit"):
        records(renamed, LIMIT)
    out.write_text(content.replace(",lamp,", ",food,", 1))
    with pytest.raises(CheckFailedError, match="changed after the export"):
        records(out, LIMIT)
    record_path(out).unlink()
    with pytest.raises(CheckFailedError, match="without their audit"):
        records(out, LIMIT)
    out.write_text(content)
    record_path(out).write_text('{"version": 9}')
    with pytest.raises(FormatNewerError):
        records(out, LIMIT)


def test_labels_by_people_alone_need_no_audit(tmp_path: Path) -> None:
    path = write_project(tmp_path)
    with suggested(path) as project:
        answer(project, list(range(1, 20)))
    out = exported(path, human_only=True)
    record = records(out, LIMIT)[0]
    assert (record.machine, record.human) == (0, 19)
    with out.open(encoding="utf-8", newline="") as file:
        assert {row["label_from"] for row in csv.DictReader(file)} == {"human/ann"}


def test_labels_of_a_machine_cannot_come_back_as_those_of_people(tmp_path: Path) -> None:
    path = write_project(tmp_path)
    suggested(path).close()
    with pytest.raises(LabelProjectError, match="labels of a label project"):
        read_items(exported(path), target="intent")


def test_people_come_before_the_machine_in_what_is_exported(tmp_path: Path) -> None:
    path = write_project(tmp_path)
    with suggested(path) as project:
        project.say(1, "food", "ann", "typed")
        project.say(2, "", "ann", "typed")
        project.say(3, "lamp", "ann", "typed")
        project.say(3, "food", "bob", "typed")
    with exported(path).open(encoding="utf-8", newline="") as file:
        rows = {row["text"]: (row["intent"], row["label_from"]) for row in csv.DictReader(file)}
    with Project(path) as project:
        texts = [item.content for item in project.items()]
    assert rows[texts[0]] == ("food", "human/ann")
    assert texts[1] not in rows
    assert texts[2] not in rows
    assert rows[texts[3]] == ("lamp", "machine/test")


@pytest.mark.slow
def test_a_run_on_audited_windows_tells_of_it_in_its_record_and_package(tmp_path: Path) -> None:
    toml = _windows(tmp_path)
    with Project(tmp_path / "walk.labelling") as project:
        export(project, tmp_path / "out.csv")
        with pytest.raises(CheckFailedError, match="no audit"):
            run_pipeline(read_config(str(toml)), out=tmp_path / "runs")
        draw(project, 72, seed=0)
        for number in unanswered(project):
            project.say(number, "loud" if number % 2 else "still", "ann", "blind")
        export(project, tmp_path / "out.csv", force=True)
    result = run_pipeline(read_config(str(toml)), out=tmp_path / "runs")
    record = read_record(record_path(tmp_path / "out.csv"))
    assert result.trace.provenance.labels == (record,)
    assert any("0 of 72 drawn at random were wrong" in note for note in result.trace.stages[0].notes)
    assert result.package is not None
    assert "72 labels by people and 8 by a machine" in read_package(result.package).manifest.provenance["labels"]
    config = read_config(str(toml))
    unheard = tmp_path / "unheard.csv"
    unheard.write_bytes((tmp_path / "out.csv").read_bytes() + b"\n")
    with pytest.raises(CheckFailedError, match="without their audit"):
        problem_of_pipeline(config, str(unheard))
    assert problem_of_pipeline(config).samples.y.shape == (80,)
    strict = msgspec.structs.replace(config, data={**config.data, "label_errors": 0.01})
    with pytest.raises(CheckFailedError, match="the limit is 1 %"):
        run_pipeline(strict, out=tmp_path / "runs")


def _windows(folder: Path) -> Path:
    """Return a label project of 80 windows that are loud and still in turn, and a pipeline over its export."""
    values = np.random.default_rng(0).normal(size=(80, 10)) * np.where(np.arange(80) % 2, 0.1, 2.0)[:, None]
    rows = [f"{k / 10},{v:.4f},{'abcd'[k // 200]}" for k, v in enumerate(values.ravel())]
    (folder / "walk.csv").write_text("t,x,who\n" + "\n".join(rows) + "\n")
    read = read_items(folder / "walk.csv", window=10, table={"group": "who", "time": "t"})
    make(folder / "walk.labelling", folder / "walk.csv", read, {"loud": "", "still": ""})
    with Project(folder / "walk.labelling") as project, project.changing():
        for number in range(1, 81):
            label = "loud" if number % 2 else "still"
            project.execute("INSERT INTO suggestions VALUES (?, ?, 0.9, 'machine/test', '')", (number, label))
    toml = folder / "walk.toml"
    toml.write_text(
        f'name = "walk"\nseed = 1\n[data]\nkind = "csv"\npath = "{folder / "out.csv"}"\ntarget = "label"\n'
        'session = "session"\ngroup = "person"\ntime = "time_s"\n[window]\nsamples = 10\nstep = 10\n'
        '[split]\nby = "group"\ntest = 0.3\n[[stages]]\nkind = "statistics"\n[[stages]]\nkind = "scale"\n'
        '[[model.layers]]\nkind = "dense"\nunits = 4\n[training]\nepochs = 30\nlearning_rate = 0.05\n'
        "[compression]\nmax_drop = 1.0\n"
    )
    return toml
