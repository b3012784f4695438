"""What a command is made of: options in its signature, and one result with two views, JSON for programs or text."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import closing, nullcontext
from dataclasses import dataclass, field, fields, is_dataclass
from functools import partial, wraps
from importlib import import_module
from inspect import signature
from itertools import groupby
from pathlib import Path
from types import NoneType
from typing import Any, TypeAlias, get_args, get_origin, get_type_hints

import click
import msgspec
from click.shell_completion import CompletionItem

from edgewright.cli.text import Cut, describe, fitted
from edgewright.core.catalogue import names
from edgewright.core.errors import DONE, EdgewrightError, OwnModelError

_EACH = 10
_USED = "edgewright.models"
_CLUSTER = "Spread the work over processes (local:N) or a Dask cluster (dask://HOST:PORT)."


class Aside(str):
    """A line of text that goes to standard error, beside the output."""

    __slots__ = ()


# A view for people: a line, or lines, blocks of a lesson and renderables of rich.
Text: TypeAlias = Iterable[Any]


@dataclass(frozen=True)
class Result:
    """What a command did.

    Attributes:
        value: document that `--json` prints: a structure, a dictionary or a list of them. None prints none.
        text: what people read; made from `value` when None. A generator does not start where JSON is printed.
        code: exit code.
        failure: error that is raised when all is printed.
        compact: the JSON document is one line.
    """

    value: object = None
    text: Text | None = None
    code: int = DONE
    failure: EdgewrightError | None = None
    compact: bool = False


# What a command yields that prints results as they come: values, which are JSON on one line each, or `Result`s. It
# returns the exit code.
Stream: TypeAlias = Generator[Any, None, "int | None"]


def wants_json() -> bool:
    """Return whether the running command prints JSON."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.params.get("as_json"))


def present(returned: object, view: Callable[[Any], Text] | None = None) -> object:
    """Print what a command returned, and return its exit code.

    Args:
        returned: a `Result`, the value of one, a `Stream`, lines, or an exit code and None, which print nothing.
        view: makes the text of a value.

    Raises:
        EdgewrightError: the failure of a result, when that is printed.
    """
    if returned is None or type(returned) is int:
        return returned
    if isinstance(returned, str):
        click.echo(returned)
        return DONE
    if isinstance(returned, Generator):
        with closing(returned) as stream:
            while True:
                try:
                    value = next(stream)
                except StopIteration as end:
                    return end.value
                _print(value if isinstance(value, Result) else Result(value, compact=True), view)
    result = returned if isinstance(returned, Result) else Result(returned)
    _print(result, view)
    return result.code


def json_line(value: object) -> str:
    """Return a value as JSON on one line."""
    return msgspec.json.encode(value).decode()


def _print(result: Result, view: Callable[[Any], Text] | None) -> None:
    if not wants_json():
        text = result.text
        if text is None and result.value is not None:
            text = describe(result.value) if view is None else view(result.value)
        print_text(text or ())
    elif result.value is not None:
        document = msgspec.json.encode(_with_models(result.value))
        sys.stdout.buffer.write((document if result.compact else msgspec.json.format(document, indent=1)) + b"\n")
        sys.stdout.buffer.flush()
    if result.failure is not None:
        raise result.failure


def own_model(role: str, given: Path | None = None, *, name: str | None = None) -> Path | None:
    """Return the model that was given, else one that the user registered; say and record which one that is.

    Args:
        role: what it is used as: 'text', 'picture' or 'sound'.
        given: a path, or the name of a registered model.
        name: name of the one that will do; the newest of the role by default.

    Raises:
        InputError: files of the registered model were changed or removed.
    """
    from edgewright.core.own_models import choose

    path, record = choose(role, given, name=name)
    if record is not None:
        print_ahead(f"uses the model {record.name} of your models")
        used = click.get_current_context().meta.setdefault(_USED, {})
        used[record.name] = {"name": record.name, "role": role, "sha256": record.sha256, "licence": record.licence}
    return path


def own_language_model(given: str, where: str) -> Path:
    """Return the file of a language model, which is registered or given; say and record which one that is.

    Raises:
        InputError: neither.
    """
    path = own_model("phrasing", Path(given))
    if path is None or not path.is_file():
        raise OwnModelError("the name of a language model of yours, or a .gguf file", repr(given), where,
                         "List yours: edgewright models list")  # fmt: skip
    return path


def _with_models(value: object) -> object:
    """Return a document with the registered models that the command used, in each of its records."""
    context = click.get_current_context(silent=True)
    if context is None or not (used := context.meta.get(_USED)):
        return value
    whole = msgspec.to_builtins(value, enc_hook=str)
    for record in whole if isinstance(whole, list) else [whole]:
        if isinstance(record, dict):
            record["models"] = list(used.values())
    return whole


def print_text(text: Text) -> None:
    """Print lines as they come; blocks of a lesson and renderables of rich in pages."""
    for is_line, items in groupby([text] if isinstance(text, str) else text, lambda item: isinstance(item, str)):
        if not is_line:
            # A module of the desk: commands of edgewright-device print lines only.
            import_module("edgewright.cli.lessons").print_pages(list(items))
            continue
        for line in items:
            shown = fitted(line) if isinstance(line, Cut) else str(line)
            click.echo(shown, err=isinstance(line, Aside))


class BadRows:
    """Report wrong cells and lines of standard input, which count as missing; call it with a line about each."""

    def __init__(self) -> None:
        self._seen = 0

    def __call__(self, text: str) -> None:
        """Report one, or count it: the first ten are reported, then the hundredth, the thousandth and so on."""
        self._seen += 1
        if self._seen <= _EACH:
            click.echo(f"{text}; treated as missing", err=True)
        elif self._seen == 10 ** (len(str(self._seen)) - 1):
            click.echo(f"{self._seen:,} invalid cells or lines so far, treated as missing", err=True)


def print_ahead(sentence: str) -> None:
    """Print the estimate of long work on standard error; nothing with `--json`."""
    if not wants_json():
        click.echo(sentence, err=True)


def option(*flags: str, **settings: Any) -> Any:  # noqa: ANN401 - a field of any type
    """Declare a parameter of a command, or a field of a structure, as an option.

    Args:
        flags: of the option; `--its-name` when left out.
        settings: those of `click.Option`. The type says whether it is a flag, a path, a number or repeatable,
            and a default that is not empty is shown.
    """
    return field(metadata={"declaration": click.Option, "flags": flags, **settings})


def argument(**settings: Any) -> Any:  # noqa: ANN401 - a field of any type
    """Declare a parameter or a field as a positional argument with the settings of `click.Argument`."""
    return field(metadata={"declaration": click.Argument, "flags": (), **settings})


def declare(
    *,
    example: str = "",
    name: str = "",
    view: Callable[[Any], Text] | None = None,
    json: str = "Print the result as JSON.",
    spreads: bool = False,
    **settings: Any,  # noqa: ANN401 - of `click.Command`
) -> Callable[[Callable[..., Any]], click.Command]:
    """Make a function a command whose signature declares what it takes, and which prints what it returns.

    A parameter whose default is `option(...)` or `argument(...)` is that one. A parameter that is annotated with a
    dataclass of such fields receives them as one object. A command that returns a value gets the option `--json`, and
    `output.present` prints the value; one that is annotated with str returns lines that are printed, and one with None
    or int prints by itself.

    Its command line is the path of its file below `cli/commands`, and the function's name where that is not `command`.

    Args:
        example: what follows the command line in the example of the help.
        name: of the command, where it is not that of the function.
        view: makes the text of what is returned; label and value of each field by default.
        json: help of the option `--json`.
        spreads: whether it has the option `--cluster`: its tasks (`cluster.mapping`) then run on workers.
        settings: those of `click.Command`.
    """

    def decorate(function: Callable[..., Any]) -> click.Command:
        hints = get_type_hints(function)
        parameters = signature(function).parameters.values()
        returns_value = hints.get("return", NoneType) not in (NoneType, int, bool, str)
        structures = {one.name: hints[one.name] for one in parameters if is_dataclass(hints[one.name])}

        @wraps(function)
        def received(**given: Any) -> Any:  # noqa: ANN401 - click's values
            if returns_value:
                given.pop("as_json")  # of the view, which asks the context
            on_cluster: Any = nullcontext
            if spreads:
                # Not on a device, which has no clusters.
                spread = import_module("edgewright.cli.cluster").on_cluster
                on_cluster = partial(spread, given.pop("cluster"), quiet=wants_json())
            for key, structure in structures.items():
                given[key] = structure(**{one.name: given.pop(one.name) for one in fields(structure)})
            with on_cluster():
                return present(function(**given), view)

        named = name or ("" if function.__name__ == "command" else function.__name__.strip("_").replace("_", "-"))
        files = [file.replace("_", "-") for file in function.__module__.split(".")[3:] if file[0] != "_"]
        words = [*files, *([named] if named else [])]
        epilog = f"Example: {' '.join(['edgewright', *words, example])}".rstrip()
        given = {"help": function.__doc__, "epilog": epilog, **settings}
        params: list[click.Parameter] = []
        for one in parameters:
            if one.name in structures:
                kinds = get_type_hints(structures[one.name])
                params += [
                    _parameter(each.name, kinds[each.name], each.metadata) for each in fields(structures[one.name])
                ]
            else:
                params.append(_parameter(one.name, hints[one.name], one.default.metadata))
        if spreads:
            params.append(click.Option(["--cluster"], default="", metavar="ADDRESS", help=_CLUSTER))
        if returns_value:
            params.append(click.Option(["--json", "as_json"], is_flag=True, help=json))
        return click.Command(words[-1], callback=received, params=params, **given)

    return decorate


def _profiles() -> tuple[str, ...]:
    from edgewright.profiles.catalogue import listing

    return listing()


_VALUES: dict[str, Callable[[], tuple[str, ...]]] = {
    "TARGET": partial(names, "edgewright.export.targets"),
    "PROFILE": _profiles,
}


def completed(_: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Return the values that a shell offers for what was begun, by the option's metavar; files where none fits."""
    values = [CompletionItem(one) for one in _VALUES[str(parameter.metavar)]() if one.startswith(begun)]
    return values or [CompletionItem(begun, type="file")]


def _parameter(name: str, kind: Any, metadata: Mapping[str, Any]) -> click.Parameter:  # noqa: ANN401 - a type
    settings = dict(metadata)
    declaration, flags = settings.pop("declaration"), settings.pop("flags")
    inner = next((one for one in get_args(kind) if one is not NoneType), kind)
    if inner is Path:
        settings.setdefault("type", click.Path(path_type=Path))
    if settings.get("metavar") in _VALUES:
        settings["shell_complete"] = completed
    if inner in (int, float):
        settings.setdefault("type", inner)
    if isinstance(settings.get("type"), click.FloatRange):
        settings.setdefault("callback", _within)
    if declaration is click.Argument:
        return click.Argument([name], **settings)
    if get_origin(kind) is tuple:
        settings["multiple"] = True
    elif kind is bool and not any("/" in flag for flag in flags):
        settings |= {"is_flag": True, "default": False}
    if not settings.get("required"):
        settings.setdefault("default", "" if kind is str else None)
    settings.setdefault("show_default", inner is not bool and settings.get("default") not in (None, ""))
    return click.Option([*(flags or (f"--{name.replace('_', '-')}",)), name], **settings)


def _within(_: click.Context, parameter: click.Parameter, value: Any) -> Any:  # noqa: ANN401 - click's values
    """Refuse 'nan', which is neither below nor above any limit."""
    if any(isinstance(one, float) and math.isnan(one) for one in (value if isinstance(value, tuple) else (value,))):
        raise click.BadParameter(f"nan is not in the range {parameter.type._describe_range()}.")  # type: ignore[attr-defined]
    return value
