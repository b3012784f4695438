"""Generate docs/pipeline.md, pages of docs/cli, functions of C, and the list of decision records.

    python tools/make_docs.py           writes the files
    python tools/make_docs.py --check   exits with 1 when a file differs from what the code says

Nothing is listed by hand: keys come from the structs, meanings from their docstrings, kinds from the folders, commands
from their own help, functions from the headers that exports write, records from their titles.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
import textwrap
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from edgewright.cli.main import cli
from edgewright.core.catalogue import find, listing
from edgewright.core.records.config import PipelineConfig
from edgewright.profiles.catalogue import listing as profiles
from edgewright.profiles.catalogue import load_profile

DOCS = Path(__file__).resolve().parent.parent / "docs"
EXPORT = DOCS.parent / "src" / "edgewright" / "export"
C_PAGE = "generated-c.md"
WIDTH = 100

# Room, object, title, and the sentence above its kinds.
ROOMS = (
    ("edgewright.data.sources", "SOURCE", "Sources: `[data]`", "Where rows come from; the table's `kind`."),
    ("edgewright.preprocessing", "STAGE", "Preprocessing: `[[stages]]`", "Stages, in the order they are written."),
    ("edgewright.features", "STAGE", "Features: `[[stages]]`", "Stages that make or choose columns."),
    ("edgewright.models.nn", "LAYER", "Layers: `[[model.layers]]`", "The output layer is added by itself."),
    ("edgewright.training.augmentations", "AUGMENTATION", "Augmentations: `[[training.augment]]`",
     "Changed copies of training windows; the table's `kind`."),
)  # fmt: skip
NAMED = (
    ("edgewright.models", "MODEL", "Models: `model.kind`"),
    ("edgewright.training.optimisers", "OPTIMISER", "Optimisers: `training.optimiser`"),
)

# Values of the example where a key has no default or its default is that it is left out.
EXAMPLE: dict[str, Any] = {
    "name": "example",
    "title": "Every key of a pipeline",
    "data": {"kind": "csv", "path": "readings.csv", "target": "label", "group": "person"},
    "need": 0.9,
    "keep_samples": False,
    "split.leave_one_out_s": 600,
    "device.test_vectors_kb": 64,
    "model.backbone": "vww_96_int8.tflite",
    "model.depth": 0.4,
    "model.freeze": 0.8,
    "model.pixels": [0.0, 1.0],
    "training.mixup": 0.2,
    "training.false_alarms": 0.01,
    "window.step": 25,
    "window.samples": 50,
    "scaling.rows": [1000, 10000],
    "scaling.architectures": {
        "small": [{"kind": "dense", "units": 50}, {"kind": "dense", "units": 50}],
        "large": [{"kind": "dense", "units": 200}, {"kind": "dense", "units": 200}],
    },
    "stages": [{"kind": "impute"}, {"kind": "scale"}, {"kind": "flatten"}, {"kind": "select", "k": 10}],
    "training.augment": [{"kind": "noise"}],
    "decision.false_switch_s": 2.56,
}
NO_DEFAULT = msgspec.NODEFAULT
# A page with these words that no command makes any more is outdated.
GENERATED = "`python tools/make_docs.py` generates this page"
# A path of the tree or of the package as documents name it, its end `.py` at will; capitals stand for any name.
PATH = re.compile(r"`([a-z][\w.-]*(?:/[\w.-]+)+)/?`")


def meanings(struct: type) -> dict[str, str]:
    """Meaning of each field from the `Attributes:` of the struct's docstring and its bases'."""
    described: dict[str, str] = {}
    for one in reversed(struct.__mro__):
        block = inspect.cleandoc(one.__doc__ or "").split("\nAttributes:\n")
        if len(block) < 2 or one.__module__ == "builtins":
            continue
        entries = re.split(r"\n(?=    \S)", "\n" + block[1].split("\n\n")[0])
        for entry in entries:
            described.update(_entry(" ".join(entry.split())))
    return described


def _entry(entry: str) -> Iterator[tuple[str, str]]:
    """Yield the pairs of 'a, b: text; c: text'."""
    names, _, text = entry.partition(":")
    if text and re.fullmatch(r"[\w, ]+", names):
        for name in names.split(","):
            yield name.strip(), text.strip()


def summary(struct: object) -> str:
    """Return the first paragraph of a docstring, on one line."""
    return " ".join((struct.__doc__ or "").split("\n\n")[0].split())


def type_text(kind: msgspec.inspect.Type) -> str:
    """Return a type in the words of a reader of TOML."""
    words = {
        msgspec.inspect.BoolType: "true or false",
        msgspec.inspect.AnyType: "anything",
        msgspec.inspect.DictType: "table",
        msgspec.inspect.StructType: "table",
        msgspec.inspect.NoneType: "nothing",
    }
    if isinstance(kind, msgspec.inspect.Metadata):
        return type_text(kind.type)
    if isinstance(kind, msgspec.inspect.IntType | msgspec.inspect.FloatType):
        word = "whole number" if isinstance(kind, msgspec.inspect.IntType) else "number"
        return word + limits(kind)
    if isinstance(kind, msgspec.inspect.StrType):
        return f"text matching `{kind.pattern}`" if kind.pattern else "text"
    if isinstance(kind, msgspec.inspect.LiteralType):
        return " or ".join(f"`{_toml(value)}`" for value in sorted(kind.values, key=str))
    if isinstance(kind, msgspec.inspect.VarTupleType | msgspec.inspect.ListType):
        return f"list of {type_text(kind.item_type)}"
    if isinstance(kind, msgspec.inspect.TupleType):
        return "[" + ", ".join(type_text(item) for item in kind.item_types) + "]"
    if isinstance(kind, msgspec.inspect.UnionType):
        return " or ".join(type_text(t) for t in kind.types if not isinstance(t, msgspec.inspect.NoneType))
    return next((word for one, word in words.items() if isinstance(kind, one)), type(kind).__name__)


def limits(kind: msgspec.inspect.IntType | msgspec.inspect.FloatType) -> str:
    """', above 0, at most 100'."""
    named = (("above", kind.gt), ("at least", kind.ge), ("below", kind.lt), ("at most", kind.le))
    return "".join(f", {word} {value:g}" for word, value in named if value is not None)


def _struct(kind: msgspec.inspect.Type) -> type | None:
    """Return the struct of a table, also where it may be left out."""
    if isinstance(kind, msgspec.inspect.UnionType):
        return next((s for s in map(_struct, kind.types) if s is not None), None)
    return kind.cls if isinstance(kind, msgspec.inspect.StructType) else None


def tables_in(kind: msgspec.inspect.Type) -> list[type]:
    """Structs inside lists and alternatives, in the order they are written."""
    if isinstance(kind, msgspec.inspect.StructType):
        return [kind.cls]
    if isinstance(kind, msgspec.inspect.UnionType):
        return [one for inner in kind.types for one in tables_in(inner)]
    if isinstance(kind, msgspec.inspect.VarTupleType | msgspec.inspect.ListType):
        return tables_in(kind.item_type)
    return []


def fields(struct: type) -> Iterator[tuple[msgspec.inspect.Field, Any]]:
    """Yield fields of a struct with their defaults (`NO_DEFAULT` where one must be given)."""
    info = msgspec.inspect.type_info(struct)
    assert isinstance(info, msgspec.inspect.StructType)  # noqa: S101 - a struct's info is a struct's
    for field in info.fields:
        default = field.default
        if default is NO_DEFAULT and field.default_factory is not NO_DEFAULT:
            default = field.default_factory()
        # Neither required nor with a default: unset, as a table that records leave out when nobody wrote it.
        yield field, None if default is NO_DEFAULT and not field.required else default


def _toml(value: Any) -> str:  # noqa: ANN401 - any value of a TOML
    """Return a value as TOML on one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, dict):
        inside = ", ".join(f"{key} = {_toml(one)}" for key, one in value.items())
        return "{ " + inside + " }" if inside else "{}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(one) for one in value) + "]"
    if isinstance(value, float) and value == int(value) and abs(value) < 1e15:
        return f"{value:.1f}"
    return str(value)


def key_table(struct: type) -> list[str]:
    """Return a Markdown table of a struct's keys."""
    rows = list(fields(struct))
    if not rows:
        return ["No keys.", ""]
    record = meanings(struct)
    lines = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for field, default in rows:
        if default is NO_DEFAULT:
            shown = "must be given"
        elif default is None:
            shown = "left out"
        else:
            shown = "a table of defaults" if isinstance(default, msgspec.Struct) else f"`{_toml(default)}`"
        cells = (f"`{field.encode_name}`", type_text(field.type), shown, record.get(field.name, ""))
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return [*lines, ""]


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(text, WIDTH - 2)]


def example(struct: type = PipelineConfig, path: str = "") -> list[str]:
    """Return the TOML with every key of the schema at its default, plain values first because TOML wants it so."""
    record, plain, tables = meanings(struct), [], []
    for field, default in fields(struct):
        name = f"{path}.{field.encode_name}".lstrip(".")
        meaning = record.get(field.name, "")
        value = EXAMPLE.get(name, default)
        inner = _struct(field.type)
        if inner is not None:
            tables += ["", *_comment(meaning), f"[{name}]", *example(inner, name)]
        elif name == "data":
            tables += ["", *_comment(meaning), "[data]", *(f"{key} = {_toml(one)}" for key, one in value.items())]
        elif name == "stages":
            tables += ["", *_comment(meaning), *_stages(value)]
        else:
            text = f" Default: {_toml(default)}." if name in EXAMPLE and default not in (NO_DEFAULT, None) else ""
            text = " Left out by default." if default is None else text
            plain += [*_comment(f"{type_text(field.type)}: {meaning}{text}"), f"{field.encode_name} = {_toml(value)}"]
    return [*plain, *tables]


def _stages(stages: Sequence[dict[str, Any]]) -> list[str]:
    """Return stages of the example, with all of their keys that have a value."""
    lines: list[str] = []
    for stage in stages:
        room = next(r for r, a, *_ in ROOMS if a == "STAGE" and stage["kind"] in listing(r, a))
        lines += ["", "[[stages]]", f"kind = {_toml(stage['kind'])}"]
        struct = find(room, stage["kind"], "STAGE", "stage").config
        record = meanings(struct)
        for field, default in fields(struct):
            value = stage.get(field.encode_name, default)
            if value is not None and value is not NO_DEFAULT:
                meaning = f"{type_text(field.type)}: {record.get(field.name, '')}"
                lines += [*_comment(meaning), f"{field.encode_name} = {_toml(value)}"]
    return lines


def schema_tables(struct: type = PipelineConfig, path: str = "") -> list[str]:
    """Return a heading and a table for the pipeline and for every table inside it."""
    heading = f"## `[{path}]`" if path else "## At the top"
    lines = [heading, "", summary(struct), "", *key_table(struct)]
    for field, _ in fields(struct):
        inner = _struct(field.type)
        if inner is not None:
            lines += schema_tables(inner, f"{path}.{field.encode_name}".lstrip("."))
    return lines


def room_tables() -> list[str]:
    """Every kind of every room with its keys."""
    lines: list[str] = []
    for room, attribute, title, sentence in ROOMS:
        parts = {kind: find(room, kind, attribute, "part") for kind in listing(room, attribute)}
        lines += [f"## {title}", "", sentence if parts else "None yet.", ""]
        for kind, part in parts.items():
            lines += [f"### `{kind}`", "", getattr(part, "title", "") or summary(part.config), ""]
            formula = getattr(part, "formula", "")
            if isinstance(formula, str) and formula:
                lines += [f"Formula: `{formula}`", ""]
            lines += key_table(part.config)
            for field, _ in fields(part.config):
                for inner in tables_in(field.type):
                    lines += [f"A table of `{field.encode_name}`: {summary(inner)}", "", *key_table(inner)]
    for room, attribute, title in NAMED:
        kinds = listing(room, attribute)
        lines += [f"## {title}", ""]
        lines += [f"- `{kind}`: {summary(importlib.import_module(f'{room}.{kind}'))}" for kind in kinds]
        lines += [""]
    lines += ["## Profiles: `device.profile`", ""]
    return [*lines, *(f"- `{name}`: {load_profile(name).description}" for name in profiles()), ""]


def document() -> str:
    """Return the whole of docs/pipeline.md."""
    lines = [
        "# A pipeline's TOML",
        "",
        "A pipeline is a TOML file that names the data, the stages, the model and the device; this page has every key.",
        "`init` writes a first one for your data:",
        "",
        *_example("edgewright init my.csv\nedgewright run pipeline.toml", "README.md runs these commands"),
        "`python tools/make_docs.py` makes this page from the schema and the parts: change those, not this page.",
        "",
        "A key that is left out takes its default; a key that does not exist is refused by name. Any key can be given",
        "on the command line: `edgewright run FILE.toml --set training.epochs=30`.",
        "",
        "## Example with every key",
        "",
        "```toml",
        *example(),
        "```",
        "",
        *schema_tables(),
        *room_tables(),
    ]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines).rstrip() + "\n")


def commands_of(command: click.Command, context: click.Context) -> Iterator[tuple[click.Command, click.Context]]:
    """Yield a command and the commands below it, each with a context whose help is `WIDTH` columns wide."""
    yield command, context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None and not inner.hidden:
                yield from commands_of(inner, click.Context(inner, info_name=name, parent=context, **wide(inner)))


def wide(command: click.Command) -> dict[str, Any]:
    """Return the settings of a command's context, with help of `WIDTH` columns on every terminal."""
    return {**command.context_settings, "terminal_width": WIDTH, "max_content_width": WIDTH}


def cli_pages() -> dict[str, str]:
    """Return the pages of docs/cli: a list, and a page for each command at the top and for each group of commands."""
    lines = [
        "# Commands",
        "",
        "These pages have the help of every command, as `edgewright COMMAND --help` prints it:",
        "",
        *_example("edgewright run --help", "the pages have what it prints"),
        "[How-to by job](../how-to.md) shows which commands a task needs. Exit codes: 0 done, 1 a check failed,",
        "2 wrong use or bad input, 74 input or output failed, 130 Ctrl-C, 143 a termination signal.",
        "",
        "| command | what it does |",
        "|---|---|",
    ]
    pages = {"README.md": lines}
    top = click.Context(cli, info_name="edgewright", **wide(cli))
    for command, context in commands_of(cli, top):
        if context.parent is None:
            continue
        if context.parent is top or isinstance(command, click.Group):
            pages[_page(context)] = _command_start(command, context)
            lines.append(f"| [`{context.command_path}`]({_page(context)}) | {_meaning(command)} |")
            if context.parent is not top:
                pages[_page(context.parent)] += [
                    f"[`{context.command_path}`]({_page(context)}) has a page of its own.",
                    "",
                ]
        page = pages.get(_page(context)) or pages[_page(context.parent)]
        page += [f"## `{context.command_path}`", "", "```text", command.get_help(context), "```", ""]
    return {f"cli/{name}": "\n".join(page).rstrip() + "\n" for name, page in pages.items()}


def _page(context: click.Context) -> str:
    """Return the name of the page that a command at the top, or a group, has."""
    return "-".join(context.command_path.split()[1:]) + ".md"


def _command_start(command: click.Command, context: click.Context) -> list[str]:
    """Return the top of a command's page: what it is for, and the example of its help."""
    _, _, typed = (command.epilog or "").partition("Example: ")
    if not typed:
        raise SystemExit(f"{context.command_path}: its help has no 'Example: ...'; add one as epilog")
    return [
        f"# `{context.command_path}`",
        "",
        _meaning(command),
        "",
        *_example(typed, "needs files or a device of yours"),
        f"{GENERATED} from the help of the command: change that, not this page.",
        "",
    ]


def _meaning(command: click.Command) -> str:
    return " ".join((command.help or "").split("\n\n")[0].split())


def _example(typed: str, reason: str) -> list[str]:
    """Return a block of a shell with the reason why no test runs it."""
    return [f"<!-- not run: {reason} -->", "```sh", typed, "```", ""]


def decision_list() -> str:
    """Return the page that lists the decision records."""
    titles = {}
    for path in sorted((DOCS / "adr").glob("[0-9]*.md")):
        number, _, title = path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ").partition(". ")
        titles[int(number)] = f"[{title}]({path.name})"
    lines = [
        "# Decisions",
        "",
        "A record says why the code is as it is, for whoever wants to change it: context, decision, measurement,",
        "consequences, in at most 400 words. Search them before you change a file, such as `monitor/drift`:",
        "",
        *_example("grep -il drift docs/adr/*.md", "it prints names of files"),
        "A later record may replace a part of an earlier one; the line `Status` of the earlier one says so.",
        "Missing numbers are unused or moved: measurements that bind no change are pages by topic in `docs/research/`.",
        "",
    ]
    lines += [f"- {number}. {text}" for number, text in sorted(titles.items())]
    return "\n".join(lines) + "\n"


def c_functions(page: str) -> str:
    """Return a page with tables of C functions: after each marker, those of the headers that it names."""

    def table(match: re.Match[str]) -> str:
        headers = [
            path for name in match[2].split() for path in sorted([*EXPORT.glob(f"{name}/*.h"), *EXPORT.glob(name)])
        ]
        rows = [row for path in headers if path.is_file() for row in _declared(path)]
        return "\n".join([match[1], "", "| functions | what they do |", "|---|---|", *rows, "", "<!-- /functions -->"])

    return re.sub(r"(<!-- functions: (.+?) -->).*?<!-- /functions -->", table, page, flags=re.DOTALL)


# A comment is that of the functions behind it, unless a type or the file begins there.
_DECLARED = re.compile(
    r"/\*(?P<text>.*?)\*/(?P<other>\n(?:typedef|#ifndef))?|(?P<function>^\w[\w *]*@_\w+\([^;]*?\));",
    re.DOTALL | re.MULTILINE,
)


def _declared(path: Path) -> Iterator[str]:
    """Give rows of a table: functions that a header declares below one comment, and what it says."""
    head, *parts = re.split(r"^/\* (?:block|lines) \w+ \*/$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    (file, *_) = re.findall(r"NAME\w*\.h", head)
    functions: dict[str, list[str]] = {}
    meaning = ""
    for match in _DECLARED.finditer("".join(parts)):
        if match["function"]:
            functions.setdefault(meaning, []).append(f"`{' '.join(match['function'].split())}`")
            continue
        plain = " ".join(re.sub(r"^#.*$", "", match["text"], flags=re.MULTILINE).replace("\n *", " ").split())
        # What is filled in differs from model to model.
        kept = " ".join(sentence for sentence in re.split(r"(?<=[.:;]) ", plain) if "$" not in sentence)
        meaning = "" if match["other"] else kept
    for text, declared in functions.items():
        yield f"| {'<br>'.join(declared)} | {file}{': ' if text else ''}{text} |".replace("@@", "NAME").replace(
            "@", "NAME"
        )


def documents() -> dict[str, str]:
    """Return the text of every generated file, by its path in docs/."""
    c_page = c_functions((DOCS / C_PAGE).read_text(encoding="utf-8"))
    pages = {
        C_PAGE: c_page,
        "pipeline.md": document(),
        "errors.md": error_codes(),
        "adr/README.md": decision_list(),
    }
    return pages | cli_pages()


def absent_paths() -> list[str]:
    """Return each path that a page names in code and that is not there: page, line and path."""
    root = DOCS.parent
    folders = (root, root / "src" / "edgewright", root / "src", DOCS)
    # What commands leave here, such as runs, is no part of the repository.
    ignored = {line.strip("/") for line in (root / ".gitignore").read_text(encoding="utf-8").splitlines()}
    first = {path.name for folder in folders for path in folder.iterdir() if path.is_dir()} - ignored
    absent = []
    # A changelog names what was there at its time.
    pages = [page for page in sorted(DOCS.rglob("*.md")) if page.parent.name != "changelog"]
    for page in (root / "README.md", root / "CONTRIBUTING.md", *pages):
        for number, text in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
            for name in PATH.findall(text):
                known = any((folder / f"{name}{end}").exists() for folder in folders for end in ("", ".py"))
                if name.partition("/")[0] in first and not known and not re.search(r"[A-Z]{4}", name):
                    absent.append(f"{page.relative_to(root)} line {number}: {name}")
    return absent


def error_codes() -> str:
    """Return the page of error codes."""
    texts = tomllib.loads((DOCS.parent / "src" / "edgewright" / "core" / "errors.toml").read_text(encoding="utf-8"))
    head = [
        "# Error codes",
        "",
        f"{GENERATED} from `src/edgewright/core/errors.toml`.",
        "",
        "Each error message shows a code, for example `error[csv-number]`. A code stays the same when the wording of a",
        "message changes, so scripts can use it. One command prints the explanation:",
        "",
        *_example("edgewright explain csv-number", "tests/unit/test_error_codes.py runs the command"),
    ]
    return "\n".join([*head, *(f"- `{code}`: {text}" for code, text in texts.items()), ""])


def main(arguments: Sequence[str]) -> int:
    """Write or check the files; return the exit status."""
    texts = documents()
    removed = [
        path
        for path in sorted(DOCS.rglob("*.md"))
        if path.relative_to(DOCS).as_posix() not in texts and GENERATED in path.read_text(encoding="utf-8")
    ]
    if "--check" in arguments:
        outdated = [path.relative_to(DOCS).as_posix() for path in removed]
        for name, text in texts.items():
            path = DOCS / name
            if not path.is_file() or path.read_text(encoding="utf-8") != text:
                outdated.append(name)
        if outdated:
            print(f"{', '.join(outdated)}: out of date; run python tools/make_docs.py", file=sys.stderr)
        absent = absent_paths()
        for line in absent:
            print(f"{line} does not exist", file=sys.stderr)
        return 1 if outdated or absent else 0
    for path in removed:
        path.unlink()
    for name, text in texts.items():
        (DOCS / name).parent.mkdir(exist_ok=True)
        (DOCS / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
