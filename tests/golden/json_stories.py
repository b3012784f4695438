"""Stories whose commands print JSON: small real inputs for every command with `--json`, and what of it always holds."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgewright import __version__
from edgewright.core.package import write_package
from support import ROOT

# Nobody can run these in a test; the reason stands beside each.
NOT_RUN = {
    "device board revert": "needs a board on a serial line; test_board_link.py runs it over a stand-in",
    "device board status": "needs a board on a serial line; test_board_link.py runs it over a stand-in",
    "device board update": "needs a board on a serial line; test_board_link.py runs it over a stand-in",
    "explain": "prints one text; test_error_codes.py runs it",
    "language shrink": "reads a published encoder of 90 MB",
    "demo": "runs the pipeline `demo` over an installed data set, as `run` does; its JSON is that of `run`",
    "device label": "needs an agent at work; test_agent_learns.py has one",
    "device trust-root": "needs a device that is enrolled and another root; test_fleet_trust.py has both",
    "init": "races models; test_init_command.py runs it on a terminal and without one",
    "device watch": "needs a network for pictures; test_camera_watch.py trains one and watches a folder",
    "studio-user add": "prints a token; test_studio_access.py reads it",
    "studio-user list": "test_studio_access.py runs it",
    "fleet enroll": "needs a server at work; test_agent_updates.py and its kind have one",
    "fleet stick write": "needs a mounted stick; test_fleet_export.py has one",
}
_ROWS = 240


@dataclass(frozen=True)
class Story:
    """Commands that one folder sees one after the other.

    Attributes:
        lines: a command a line, without `edgewright` and `--json`. `name =` before it keeps its document for
            `{name[key]}` in later lines; `:` before it runs a command without `--json` that only prepares;
            `< TEXT` behind it is its standard input; `@name` calls a function of `PREPARE`.
        prepare: writes the files into the folder that the commands read.
        figures: whether numbers are the same on every processor. Otherwise only their types are compared.
        slow: whether the story takes more than half a second.
    """

    lines: str
    prepare: Callable[[Path], object] = lambda folder: None
    figures: bool = True
    slow: bool = False


def _csv(path: Path, header: str, rows: list[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def _small(folder: Path) -> None:
    from small_pipeline import rows, write_rows, write_toml

    write_rows(folder / "unseen.csv", rows(count=60))
    write_toml(folder / "small.toml", write_rows(folder / "rows.csv"))


def _package(folder: Path) -> None:
    from edgewright.core.records.package import ReferenceColumn
    from runtime_example import numbers, parts

    columns = numbers(400, 10, seed=1).T
    shares = (0, 1, 5, 25, 50, 75, 95, 99, 100)
    reference = tuple(
        ReferenceColumn(
            name=f"c{number}", mean=float(column.mean()), deviation=float(column.std()), missing=0.0,
            quantiles=tuple(float(share) for share in np.percentile(column, shares)),
        )
        for number, column in enumerate(columns)
    )  # fmt: skip
    write_package(folder / "activity.edge", *parts(reference=reference))
    names = ",".join(f"c{number}" for number in range(10))
    rows = [",".join(f"{value:.5f}" for value in row) for row in numbers(60, 10, seed=2)]
    _csv(folder / "new.csv", names, rows)
    _csv(
        folder / "labelled.csv",
        f"{names},activity",
        [f"{row},{('walking', 'sitting')[n % 2]}" for n, row in enumerate(rows)],
    )
    for number, label in enumerate(("still", "slow")):
        _csv(folder / "examples" / f"{label}.csv", names, rows[10 * number : 10 * number + 10])
    # No row has examples of two labels at the same distance.
    _csv(folder / "fast.csv", names, rows[20:])


def _recordings(folder: Path) -> None:
    generator = np.random.default_rng(5)
    lines = []
    for person in range(4):
        for row in range(_ROWS):
            label = "run" if row // 60 % 2 else "walk"
            wave = np.sin(2 * np.pi * (5 if label == "run" else 2) * row / 50)
            lines.append(
                f"{row / 50:.2f},p{person},{wave + generator.normal() * 0.1:.4f},{generator.normal():.4f},{label}"
            )
    _csv(folder / "moves.csv", "time,person,x,y,label", lines)


def _detector(folder: Path) -> None:
    from detector_example import rows

    values, time = rows(400)
    _csv(
        folder / "good.csv",
        "time_s,a,b,c",
        [f"{t:g}," + ",".join(f"{x:.6g}" for x in row) for t, row in zip(time, values, strict=True)],
    )
    values, time = rows(400, seed=1)
    values[200:220, 1] += 8
    rows_of = zip(time, values, strict=True)
    lines = [
        f"{t:g}," + ",".join(f"{x:.6g}" for x in row) + f",{int(200 <= n < 220)}" for n, (t, row) in enumerate(rows_of)
    ]
    _csv(folder / "faulty.csv", "time_s,a,b,c,fault", lines)


def _worn(folder: Path) -> None:
    from adaptation_data import ODD, write_worn

    write_worn(folder, "output")
    rows = [line.split(",") for line in (folder / "worn.csv").read_text().splitlines()[1:]]
    for label in ("idle", "run", "walk"):
        mine = [",".join(row[2:]) for row in rows if row[:2] == [ODD, label]]
        _csv(folder / "examples" / f"{label}.csv", "c0,c1,c2,c3", mine[:15])


def _load(folder: Path) -> None:
    t = np.arange(500)
    values = 50 + 10 * np.sin(2 * np.pi * t / 24) + np.random.default_rng(0).normal(size=500)
    dates = [f"2024-01-{1 + row // 24:02d}T{row % 24:02d}:00:00Z" for row in range(500)]
    lines = [f"{date},{value:.4f}" for date, value in zip(dates, values, strict=True)]
    _csv(folder / "load.csv", "time,load", lines[:400])
    _csv(folder / "new.csv", "time,load", lines[400:])
    for number in range(3):
        _csv(folder / "meters" / f"{number}.csv", "load", [f"{value + number:.4f}" for value in values[:300]])
    _csv(folder / "sold.csv", "sold", [f"{round(value / 5)}" for value in values])


def _store(folder: Path) -> None:
    from store_example import event, opened, put_rows

    with opened(folder / "store", quota=20 << 20) as store:
        store.append_events([event("alarm", "fall", 1), event("decision", "walking", 2)])
        put_rows(store, 5)
    _csv(folder / "live.csv", "time,a,b", [f"{row / 25:.2f},{row % 7}.5,{row % 3}.25" for row in range(300)])


def _labels(folder: Path) -> None:
    from label_example import answer, suggested, write_project, write_texts

    write_texts(folder / "texts.csv")
    project = suggested(write_project(folder), wrong=3)
    answer(project, list(range(1, 80, 3)))


def _audited_labels(folder: Path) -> None:
    from edgewright.language.labelling.audit import draw, unanswered
    from label_example import answer, suggested, write_project

    project = suggested(write_project(folder), wrong=1)
    draw(project, 30, seed=1)
    answer(project, unanswered(project), how="blind")


def _language(folder: Path) -> None:
    from documents_example import manual
    from flow_example import FLOW

    manual(folder)
    (folder / "flow.toml").write_text(FLOW, encoding="utf-8")
    shutil.copy(ROOT / "docs" / "examples" / "vending.toml", folder)
    words = {"lamp": ("lamp", "light", "bulb"), "food": ("bread", "soup", "cheese")}
    sentences = {"lamp": "turn the {} {} please number {}", "food": "please cook {} {} for {} guests"}
    how = {"lamp": ("on", "off"), "food": ("now", "later")}
    lines = [
        f"{sentences[intent].format(word, way, number)},{intent}"
        for intent in words for word in words[intent] for way in how[intent] for number in ("two", "three", "four")
    ]  # fmt: skip
    _csv(folder / "utterances.csv", "text,intent", lines)
    (folder / "grammar.toml").write_text(
        '[rules]\nwish = ["I want", "give me"]\n[intents.drink]\ntemplates = ["{wish} a [(soda|tea)](drink)"]\n'
        '[intents.cancel]\ntemplates = ["stop ."]\n',
        encoding="utf-8",
    )


def _glove(folder: Path) -> None:
    from own_model_files import glove

    glove(folder / "glove.txt")


def _pair(folder: Path) -> None:
    from media_encoders import pictures, word_pair

    word_pair(folder / "pair")
    (folder / "labels.toml").write_text('[labels]\nred = ["red"]\ngreen = "green"\nblue = "blue"\n')
    (pictures(folder) / "broken.jpg").unlink()


def _finder(folder: Path) -> None:
    _pair(folder)
    shutil.copy(next((folder / "shelf" / "red").iterdir()), folder / "leaf.png")


def _denoiser(folder: Path) -> None:
    from denoiser_example import voices

    voices(folder / "voices")
    shutil.copy(folder / "voices" / "person0.wav", folder / "noisy.wav")


def _upscaler(folder: Path) -> None:
    from denoiser_example import voices
    from edgewright.core.input.riff import wav_bytes

    voices(folder / "voices")
    (folder / "slow.wav").write_bytes(wav_bytes(np.sin(np.arange(4_000.0) / 9)[:, None] / 2, 2_000))


def _fleet(folder: Path) -> None:
    from fleet_folder import package

    for seed in ("0", "1", "2"):
        package(folder, seed)
    (folder / "www").mkdir()


def _plan(folder: Path) -> None:
    (folder / "plan.toml").write_text('[[stages]]\nname = "all"\npercent = 100.0\ndwell = 60.0\n', encoding="utf-8")


def _enrol(folder: Path) -> None:
    from fleet_plane import enrolled_devices

    enrolled_devices(folder / "fleet", 2)


PREPARE = {"enrol": _enrol}
STORIES = {
    "speech": Story("synth speech computer --out words --copies 2 --speakers 1", figures=False, slow=True),
    "data": Story(
        """
        profiles cortex-m4
        """,
        _recordings,
    ),
    "samples": Story(
        """
        sample machine --out machine.csv
        sample utterances --out sentences.csv
        examples copy room
        device check device.toml
        """,
        lambda folder: (folder / "device.toml").write_text('[source]\nkind = "csv"\npath = "rows.csv"\n'),
    ),
    "check": Story("check moves.csv --target label --group person", _recordings, figures=False),
    "package": Story(
        """
        predict activity.edge --values 1,2,3,4,5,6,7,8,9,0
        predict activity.edge --csv new.csv
        score activity.edge --data labelled.csv --target activity
        drift activity.edge --csv new.csv --rhythm 20
        estimate activity.edge --device cortex-m4 --no-compile
        export activity.edge --to onnx --out onnx
        : fleet key new boards.key
        export activity.edge --to c99 --slots boards.pub --out firmware
        fleet weights activity.edge --layout firmware/activity_layout.json --key boards.key --counter 2
        few-shot learn activity.edge --examples examples --out shown.neighbours
        few-shot add shown.neighbours --csv fast.csv --label fast
        few-shot predict shown.neighbours --csv fast.csv
        """,
        _package,
        figures=False,
    ),
    "runs": Story(
        """
        run small.toml --out runs
        show runs/small --out page.html
        trace runs/small --row 3
        learn runs/small --mode quiz
        compare runs/small runs/small
        prove runs/small --rows 10
        tune runs/small --data unseen.csv --alarm on --out tuned
        """,
        _small,
        figures=False,
        slow=True,
    ),
    "compressed": Story(
        """
        : run small.toml --out runs
        compress runs/small --int8 --max-drop 1 --out compressed
        """,
        _small,
        figures=False,
        slow=True,
    ),
    "advise": Story(
        """
        curve rows.csv --target label --rung tree
        advise rows.csv --target label --out advice
        """,
        _small,
        figures=False,
        slow=True,
    ),
    "adapt": Story(
        """
        : run worn.toml --out runs --set 'split.test_groups=["p2","p3","p4","p5","p6","p7"]'
        adapt simulate runs/worn --examples 15
        adapt learn runs/worn --examples examples --state state
        adapt status runs/worn --state state
        adapt undo runs/worn --state state
        """,
        _worn,
        figures=False,
        slow=True,
    ),
    "detect": Story(
        """
        detect fit good.csv --time time_s --detector pca --out good.detector
        detect run good.detector --csv faulty.csv --alarms
        score good.detector --data faulty.csv --target fault
        : detect fit good.csv --time time_s --detector autoencoder --set epochs=2 --out net.detector
        export net.detector --to onnx --out model
        export good.detector --to c99 --out c
        """,
        _detector,
        figures=False,
        slow=True,
    ),
    "forecast": Story(
        """
        forecast fit load.csv --column load --horizon 24 --out load.forecaster
        forecast run load.forecaster --csv new.csv --horizon 3 --every 50
        score load.forecaster --data new.csv
        forecast pool meters --season 24 --horizon 12 --out meters.pool
        """,
        _load,
        figures=False,
        slow=True,
    ),
    "device": Story(
        """
        device status --store store --check
        device query --store store
        device export --store store --rows --column ax --out rows.csv
        device purge --store store --table rows
        device record --source replay:live.csv --label walking --person 7 --seconds 4 --out recordings
        """,
        _store,
    ),
    "agent": Story("device run activity.edge --source replay:new.csv --store store", _package, figures=False),
    "label": Story(
        """
        label status calls.labelling
        label review calls.labelling --as ann
        label audit calls.labelling
        label errors calls.labelling
        label export calls.labelling --out labels.csv
        label suggest texts.csv --text text --class lamp --class food --out new.labelling
        """,
        _labels,
        figures=False,
        slow=True,
    ),
    "label_then_train": Story(
        "label suggest calls.labelling --then train --label-errors 0.3", _audited_labels, figures=False, slow=True
    ),
    "documents": Story(
        """
        language index drill.md --out drill.index
        language ask batteries --index drill.index
        language dialogue check vending.toml
        language dialogue c vending.toml --out c
        language chat flow.toml < How many cells does the drill take?
        synth utterances grammar.toml --out more.csv --count 5
        """,
        _language,
        slow=True,
    ),
    "language": Story(
        """
        language train utterances.csv --out lights.language --size 8kB
        language parse "turn the lamp on" --model lights.language
        """,
        _language,
        figures=False,
        slow=True,
    ),
    "finder": Story(
        """
        : language index --pictures shelf --encoder pair --out shelf.index
        language pack shelf.index --encoder pair --licence MIT --question green --is "a red photo" --out shelf.finder
        device find shelf.finder leaf.png --top 1
        """,
        _finder,
        figures=False,
        slow=True,
    ),
    "zero_shot": Story("language zero-shot shelf --labels labels.toml --encoder pair", _pair, figures=False, slow=True),
    "own_models": Story(
        """
        models add glove.txt --licence PDDL-1.0
        models list
        models show glove
        models remove glove
        """,
        _glove,
    ),
    "denoise": Story(
        """
        restore denoise voices --noise white --epochs 2 --set hop=4 --set blocks=2 --windows 24 --out v.denoiser
        restore run v.denoiser --wav noisy.wav --out clean.wav
        restore score v.denoiser voices --noise white
        """,
        _denoiser,
        figures=False,
        slow=True,
    ),
    "upscale": Story(
        """
        restore upscale voices --epochs 2 --windows 64 --set filters=4 --set window=16 --out v.upscaler
        restore score v.upscaler voices
        restore run v.upscaler --wav slow.wav --out wide.wav
        """,
        _upscaler,
        figures=False,
        slow=True,
    ),
    "fleet": Story(
        """
        fleet init fleet
        fleet publish activity-0.edge --fleet fleet
        fleet publish activity-1.edge --fleet fleet --notes second
        fleet releases --fleet fleet
        fleet waiting --fleet fleet
        token = fleet token new --fleet fleet --tag north
        fleet token list --fleet fleet
        fleet operator add ada --role admin --fleet fleet
        fleet operator list --fleet fleet
        @enrol
        devices = fleet devices --fleet fleet
        : fleet device rename {devices[devices][0][id]} pump-1 --fleet fleet
        fleet devices pump-1 --fleet fleet
        fleet device deploy pump-1 main:1 --fleet fleet
        fleet device diagnose pump-1 --stored --fleet fleet
        fleet rollout start --id spring --stages canary:50%@1h,100% --dry-run --fleet fleet
        fleet rollout start --id spring --stages canary:50%@1h,100% --fleet fleet
        fleet rollout status --all --fleet fleet
        fleet rollout pause spring --fleet fleet
        fleet device logs pump-1 --reason ticket --wait 1s --fleet fleet
        fleet rollout resume spring --fleet fleet
        fleet rollout promote spring canary --reason seen --fleet fleet
        fleet rollout abort spring --revert --why smoke --fleet fleet
        fleet rollout confirm spring --fleet fleet
        fleet watch --once --fleet fleet
        fleet audit show --fleet fleet
        fleet audit verify --fleet fleet
        fleet backup fleet copy.sqlite
        fleet database fleet
        fleet migrate fleet --dry-run
        fleet export fleet www/fleet
        fleet stick init --fleet fleet
        fleet device tag pump-1 --add north --fleet fleet
        fleet device block pump-1 --reason repair --fleet fleet
        fleet device unblock pump-1 --reason repaired --fleet fleet
        fleet device retry pump-1 --fleet fleet
        fleet device retire pump-1 --reason stolen --fleet fleet
        """,
        _fleet,
        slow=True,
    ),
    "keys": Story(
        """
        fleet key new ann.key
        : fleet init fleet
        fleet key rotate releases --fleet fleet --keep --add ann.pub
        fleet key refresh --fleet fleet --all
        fleet publish activity-0.edge --fleet fleet --prepare change.json
        fleet key sign change.json --look
        fleet finish change.json --fleet fleet
        fleet restore --fleet fleet
        keys = fleet key list --fleet fleet
        fleet key revoke {keys[roles][2][keys][0]} --fleet fleet
        """,
        _fleet,
        slow=True,
    ),
    "simulated": Story(
        "fleet simulate 10 --days 0.1 --plan plan.toml --out simulated", _plan, figures=False, slow=True
    ),
}

# Fields whose numbers are a time, a duration, a size on this machine, or random.
_CHANGING = re.compile(
    r"(^|_)(at|seconds|cpu_seconds|expires|expiry|issued|until|since|now|time|times|us|ns|ms|s|date|seen|entered|due|starts"
    r"|enrolled|disk_bytes|written_ever|salt|bytes|length|wall|quota|free|uptime|created)$"
)
_TINY, _WORDS = 1e-9, 6  # a float that rounding made; words of a sentence
# Base64 of numbers that differ between processors.
_BYTES = {"values", "targets"}
_HEX = re.compile(
    r"\b[0-9a-f]{8,}\b|\b20\d{6}T\d{6}_\d{6}\b|(?<=^ew1\.)[\w-]+|(?<=^ewo\.ada\.)[\w-]+"
    r"|(?<=\blocal:)[\w.-]+|^a\d+$|(?<=deploy-main-1-)[0-9a-f]{6}|[\d,.]+(?= (bytes|B|kB|min)\b)"
)
_NUMBER = re.compile(r"(?<![\w.])[-+]?\d[\d.,]*(e-?\d+)?")
# A device answers by the engine that is the fastest there.
_ENGINE = re.compile(r"(?<=^float, )(numpy|onnxruntime)$")
_DATE = re.compile(r"\b20\d\d-\d\d-\d\d[T ]?[\d:.]*(Z|\+00:00| UTC)?")


def lasting(value: Any, folder: Path, *, figures: bool, key: str = "") -> Any:  # noqa: ANN401 - what JSON holds
    """Return what of a document is the same on every machine and day: keys, types, counts and labels, and figures.

    Args:
        value: what JSON holds.
        folder: whose path is left out.
        figures: whether numbers are the same on every processor.
        key: under which the value stands.
    """
    if isinstance(value, dict):
        return {
            _text(name, folder, figures=True): lasting(of, folder, figures=figures, key=name)
            for name, of in value.items()
        }
    if isinstance(value, list):
        return _short([lasting(of, folder, figures=figures, key=key) for of in value])
    if isinstance(value, str):
        return "bytes" if key in _BYTES and len(value) > 64 else _text(value, folder, figures=figures)
    if isinstance(value, bool) or value is None:
        return value
    if not figures or _CHANGING.search(key):
        return type(value).__name__
    return float(f"{value:.3g}") * (abs(value) > _TINY) if isinstance(value, float) else value


def _short(items: list[Any]) -> list[Any]:
    """Return a list in which what follows its like is only counted."""
    short: list[Any] = []
    count = 0
    for number, item in enumerate(items):
        count += 1
        if number + 1 < len(items) and items[number + 1] == item:
            continue
        short.append(item if count == 1 else {f"{count} times": item})
        count = 0
    return [*short[:6], f"and {len(short) - 6} more"] if len(short) > 12 else short


def _text(text: str, folder: Path, *, figures: bool) -> str:
    text = text.replace(str(folder), "FOLDER").replace(__version__, "VERSION")
    text = _ENGINE.sub("ENGINE", _HEX.sub("HEX", _DATE.sub("DATE", text)))
    masked = text if figures else _NUMBER.sub("#", text)
    # A sentence about figures may say something else of other figures.
    return "sentence" if masked != text and masked.count(" ") >= _WORDS else masked
