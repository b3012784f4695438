"""Generated C on this machine: compiled to a shared object and called."""

from __future__ import annotations

import ctypes
import faulthandler
import gc
import importlib
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import (
    CompilerMissingError,
    EdgewrightError,
    GeneratedCodeFailedError,
    SampleShapeError,
    StoppedError,
)
from edgewright.export._extension.build import HOW_TO_BUILD, command_of
from edgewright.export.c99_code.header import TURNED
from edgewright.export.c99_graph.graph import pixels
from edgewright.export.cores import run_compiler, zig_command

OBJECTS = "objects"
"""Name of the objects among the outputs of a compiled pipeline."""
ZIG = "zig"
"""Name of the compiler that the package ziglang installs; used if the system has none."""
COMPILERS = ("cc", "gcc", "clang", ZIG)
_PROVEN = ("gcc", "clang")
_CONTEXT = re.compile(r"^\} (\w+_context);$", re.MULTILINE)
_SIZES = "context_sizes.c"
# What memory that nobody set holds.
_UNSET = b"\xa5"
_VERSION = re.compile(r"(?:version |\) )(\d+(?:\.\d+)+)")
STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror")
# -ffp-contract=off: a product and a sum are never made one instruction, so that every compiler gives the same bits.
FLAGS = ("-std=c99", "-O2", "-ffp-contract=off")


def compiler_command(wanted: str = "") -> tuple[str, ...]:
    """Return a C compiler as the words of a command; `wanted` or $CC may have options or a wrapper before it.

    Raises:
        InputError: when there is none.
    """
    requested = wanted or os.environ.get("CC", "")
    for name in [requested] if requested else COMPILERS:
        if command := _find_command(name):
            return command
    raise CompilerMissingError(
        f"a C compiler ({requested or ', '.join(COMPILERS)})", "none on the path", do=HOW_TO_BUILD
    )


def _find_command(name: str) -> tuple[str, ...]:
    """Return the words that start a compiler, or () if it is not installed."""
    if command := command_of(name):
        return command
    # Without -mcpu, zig compiles for every feature of this processor.
    return (*zig_command(), "cc", "-mcpu=baseline") if name == ZIG and zig_command() else ()


@dataclass(frozen=True)
class Compiler:
    """A compiler that was asked for.

    Attributes:
        name: as a reader knows it.
        command: its words, the path first; empty where it is not here.
        version: what it says of itself, in a word; empty where it says nothing.
    """

    name: str
    command: tuple[str, ...]
    version: str


def compilers() -> tuple[Compiler, ...]:
    """Return the compilers that C is proven with: $CC, gcc and clang, each once; if none is installed, cc or zig."""
    listed: list[Compiler] = []
    seen: set[tuple[str, ...]] = set()
    requested = os.environ.get("CC", "")
    for name in dict.fromkeys([*([requested] if requested else []), *_PROVEN, "cc", ZIG]):
        command = _find_command(name)
        if name in ("cc", ZIG) and name != requested and (not command or any(known.command for known in listed)):
            continue
        text = _version_line(command)
        # All but the name it was called by: cc and gcc are often one.
        key = (text.partition(" ")[2] or name, *command[1:])
        if key not in seen:
            number = _VERSION.search(text)
            listed.append(Compiler(_plain_name(name) if command else name, command, number[1] if number else ""))
        seen.add(key)
    return tuple(listed)


def _plain_name(name: str) -> str:
    """Return a compiler's name without the folder it lies in."""
    words = name.split()
    return " ".join([Path(words[0]).name, *words[1:]]) if words else name


def _version_line(command: tuple[str, ...]) -> str:
    """Return the line in which a compiler says its version; nothing where it does not answer."""
    if not command:
        return ""
    try:
        done = subprocess.run([*command, "--version"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return "" if done.returncode or not done.stdout else done.stdout.splitlines()[0]


def compile_c99(
    files: Mapping[str, str], folder: Path, *, flags: Sequence[str] = FLAGS, compiler: str = "", taps: bool = True
) -> Path:
    """Compile generated files to a shared object.

    Args:
        files: name -> text, as `write_c99` gives them.
        folder: where files and result go; made if absent.
        flags: of the compiler.
        compiler: name or path; found when empty.
        taps: whether the stages can be seen.

    Returns:
        Path of the shared object.

    Raises:
        InputError: when there is no compiler, or it refuses the code.
    """
    command = compiler_command(compiler)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    sources = sorted(name for name in files if name.endswith(".c"))
    stem = Path(sources[0]).stem
    target = folder / f"{stem}.so"
    # A header for several cores declares a context for each of them.
    texts = [text for name, text in files.items() if name.endswith(".h")]
    kinds = dict.fromkeys(kind for text in texts for kind in _CONTEXT.findall(text))
    if kinds:
        heads = [f'#include "{name}"\n' for name in files if name.endswith(".h")]
        sizes = [f"const size_t {kind}_bytes = sizeof({kind});\n" for kind in kinds]
        (folder / _SIZES).write_text("".join(["#include <stddef.h>\n", *heads, *sizes]))
        sources.append(_SIZES)
    defines = [f"-D{stem.upper()}_TAPS"] if taps else []
    command = (*command, *flags, *defines, "-shared", "-fPIC", "-o", str(target), *sources, "-lm")
    if message := run_compiler(command, folder):
        raise GeneratedCodeFailedError("C that compiles", message, command[0])
    return target


def context_of(library: ctypes.CDLL, kind: str) -> ctypes.Array[ctypes.c_char]:
    """Memory for a context of a library that `compile_c99` made; nothing in it is zero, as on a stack.

    Args:
        library: opened.
        kind: name of the type, as 'model_context'.
    """
    size = ctypes.c_size_t.in_dll(library, f"{kind}_bytes").value
    return ctypes.create_string_buffer(_UNSET * size, size)


@dataclass(frozen=True)
class CAnswer:
    """What a compiled pipeline gave for n samples.

    Attributes:
        outputs: by field of the answer: probabilities (n, classes), confidence (n,), label (n,), or prediction.
        flags: (n,), 0 or flags.
        stages: output of each stage, (n, values), by its name; empty when compiled without taps.
    """

    outputs: dict[str, NDArray[Any]]
    flags: NDArray[np.uint32]
    stages: dict[str, NDArray[np.float32]]


class CModel:
    """A compiled pipeline or network, called sample by sample.

    Args:
        library: path of a shared object.
        header: text of NAME.h, from which counts and fields are read.
        name: prefix of its names.
        objects: text of NAME_objects.h, where there is one.
    """

    def __init__(self, library: Path, header: str, name: str, objects: str = "") -> None:
        self.name = name
        sizes = _numbers(objects, name)
        self._objects = sizes.get("MOST_OBJECTS", 0)
        self._cells = sizes.get("ROWS", 0) * sizes.get("COLUMNS", 0)
        self._library = ctypes.CDLL(str(library))
        self._numbers = _numbers(header, name)
        self._fields = _fields(header, name, self._numbers.get("OUTPUTS", 0))
        self._stages = self._stage_names()
        self._turned = TURNED in header

    @property
    def stages(self) -> tuple[str, ...]:
        """Names of the stages that can be seen."""
        return self._stages

    def predict(self, x: NDArray[np.float32]) -> CAnswer:
        """Return answers for samples of shape (n, ...), as the graph has them.

        Raises:
            InputError: for samples of another size.
            StoppedError: the code crashed.
        """
        rows = np.ascontiguousarray(pixels(x) if self._turned else x, np.float32).reshape(len(x), -1)
        if rows.shape[1] != self._numbers["INPUTS"]:
            raise SampleShapeError(f"{self._numbers['INPUTS']} numbers a sample", str(rows.shape[1]), self.name)
        return run_apart(lambda: self._answers(rows))

    def _answers(self, rows: NDArray[np.float32]) -> CAnswer:
        answer = _structure(self._fields)()
        function, context = getattr(self._library, f"{self.name}_predict"), self._context("context")
        answers: dict[str, list[NDArray[Any]]] = {name: [] for name, _, _ in self._fields}
        if self._objects:
            answers[OBJECTS] = []
        seen: dict[str, list[NDArray[np.float32]]] = {name: [] for name in self._stages}
        for row in rows:
            function(context, row.ctypes.data_as(ctypes.c_void_p), ctypes.byref(answer))
            for name, _, _ in self._fields:
                answers[name].append(np.array(getattr(answer, name)))
            if self._objects:
                answers[OBJECTS].append(self._find_objects(answer))
            for index, name in enumerate(self._stages):
                seen[name].append(self._stage(index))
        outputs = {name: np.stack(parts) if parts else np.zeros(0) for name, parts in answers.items()}
        flags = np.asarray(outputs.pop("flags"), np.uint32)
        return CAnswer(outputs, flags, {name: np.stack(parts) for name, parts in seen.items() if parts})

    def network(self, x: NDArray[np.int8]) -> NDArray[np.int8]:
        """Raw bytes of the integer network for bytes of shape (n, ...), as its header says: (n, outputs)."""
        rows = np.ascontiguousarray(x, np.int8).reshape(len(x), -1)
        if rows.shape[1] != self._numbers.get("NETWORK_INPUTS"):
            raise SampleShapeError(
                f"{self._numbers.get('NETWORK_INPUTS')} bytes a sample", str(rows.shape[1]), self.name
            )
        return run_apart(lambda: self._raw(rows))

    def _raw(self, rows: NDArray[np.int8]) -> NDArray[np.int8]:
        outputs = np.zeros((len(rows), self._numbers["NETWORK_OUTPUTS"]), np.int8)
        function, context = getattr(self._library, f"{self.name}_network"), self._context("network_context")
        for row, out in zip(rows, outputs, strict=True):
            function(context, row.ctypes.data_as(ctypes.c_void_p), out.ctypes.data_as(ctypes.c_void_p))
        return outputs

    def _find_objects(self, answer: ctypes.Structure) -> NDArray[np.int64]:
        """Label, x, y and score of each object, -1 behind the last one: shape (most, 4)."""
        words = 1 + 4 * self._objects
        memory = np.zeros(words + 4 * self._cells, np.int32)
        function = getattr(self._library, f"{self.name}_find_objects")
        count = function(ctypes.byref(answer), memory.ctypes.data_as(ctypes.c_void_p))
        listed = memory[1:words].reshape(-1, 4).astype(np.int64)
        listed[count:] = -1
        return listed

    def _context(self, kind: str) -> ctypes.Array[ctypes.c_char]:
        return context_of(self._library, f"{self.name}_{kind}")

    def _stage_names(self) -> tuple[str, ...]:
        if "STAGES" not in self._numbers or not hasattr(self._library, f"{self.name}_stage"):
            return ()
        kind = ctypes.c_char_p * self._numbers["STAGES"]
        names = kind.in_dll(self._library, f"{self.name}_stage_names")
        return tuple((text or b"").decode() for text in names)

    def _stage(self, index: int) -> NDArray[np.float32]:
        values, count = ctypes.POINTER(ctypes.c_float)(), ctypes.c_int()
        getattr(self._library, f"{self.name}_stage")(index, ctypes.byref(values), ctypes.byref(count))
        return np.ctypeslib.as_array(values, (count.value,)).copy()


_Field = tuple[str, str, int]


def _numbers(header: str, name: str) -> dict[str, int]:
    start = f"#define {name.upper()}_"
    lines = [line.removeprefix(start).split() for line in header.splitlines() if line.startswith(start)]
    return {words[0]: int(words[1].strip("()").rstrip("u")) for words in lines if len(words) == 2}


def _fields(header: str, name: str, outputs: int) -> list[_Field]:
    """Return fields of the answer: name, C type, entries (0 for a single number)."""
    before, separator, _ = header.partition(f"}} {name}_answer;")
    fields = []
    for line in before.rpartition("typedef struct {")[2].splitlines() if separator else ():
        kind, _, field = line.strip().rstrip(";").partition(" ")
        if field:
            fields.append((field.partition("[")[0], kind, outputs if "[" in field else 0))
    return fields


def _structure(fields: list[_Field]) -> type[ctypes.Structure]:
    kinds: dict[str, Any] = {"float": ctypes.c_float, "int": ctypes.c_int, "unsigned": ctypes.c_uint}
    members = [(name, kinds[kind] * count if count else kinds[kind]) for name, kind, count in fields]
    return type("Answer", (ctypes.Structure,), {"_fields_": members})


def load_c99(
    files: Mapping[str, str], folder: Path, *, flags: Sequence[str] = FLAGS, compiler: str = "", taps: bool = True
) -> CModel:
    """Compile generated files, with taps unless they are not asked for, and open the result."""
    # Files beside the model are named after it, and longer.
    name = min((Path(file).stem for file in files if file.endswith(".h")), key=len)
    library = compile_c99(files, folder, flags=flags, compiler=compiler, taps=taps)
    return CModel(library, files[f"{name}.h"], name, files.get(f"{name}_objects.h", ""))


Result = TypeVar("Result")
# Seconds of processor time that a call may take.
LIMIT_S = 300
# Seconds by the clock after which a call that sleeps or waits is ended, too.
_WAIT_S = 3600
# Where a copy of the process may go on with what other threads of it began; elsewhere C is called here.
_FORKS = sys.platform == "linux"
_children: list[int] = []
# Number of the option of prctl(2) that ends a child with its parent.
_PARENT_ENDED = 1


def run_apart(call: Callable[[], Result]) -> Result:
    """Return the result of a call that runs in a child process; within such a call, it runs there.

    Args:
        call: of compiled C; its result is sent back, and what else it changes is lost.

    Raises:
        StoppedError: the code crashed, took more than `LIMIT_S` seconds of processor time, or did not answer.
    """
    if not _FORKS or _children:
        return call()
    # Loaded here: another thread may hold the loader's lock while this one forks, and would never release it there.
    resource, prctl, parent = importlib.import_module("resource"), ctypes.CDLL(None).prctl, os.getpid()

    def limited() -> Result:
        prctl(_PARENT_ENDED, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        limit = LIMIT_S + 1 if hard == resource.RLIM_INFINITY else min(hard, LIMIT_S + 1)
        resource.setrlimit(resource.RLIMIT_CPU, (min(LIMIT_S, limit), limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        return call()

    receiver, sender = multiprocessing.Pipe(duplex=False)
    with warnings.catch_warnings():
        # The child only runs the call: it waits for none of the threads that it has not.
        warnings.simplefilter("ignore")
        try:
            process = os.fork()
        except OSError:  # no memory for a copy, or no process left: here, then
            receiver.close()
            sender.close()
            return call()
    if not process:
        receiver.close()
        _answer(limited, sender)
    sender.close()
    kind: str = "ended"
    result: Any = None
    try:
        with receiver:
            if not receiver.poll(_WAIT_S):
                raise StoppedError(f"the compiled C gave no answer within {_WAIT_S} s")
            kind, result = receiver.recv()
    except EOFError:
        pass
    except BaseException:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        raise
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    if kind == "ended":
        raise StoppedError(f"the compiled C {_ending(status)}")
    if kind == "result":
        return result  # type: ignore[no-any-return]
    raise StoppedError(result) if kind == "refused" else RuntimeError(result)


def _answer(call: Callable[[], Any], out: Connection) -> NoReturn:
    """Send the result of a call, in the child."""
    status = 1
    try:
        gc.disable()
        faulthandler.disable()
        _children.append(os.getpid())
        try:
            answer = "result", call()
        except EdgewrightError as error:
            answer = "refused", str(error)
        except Exception:  # noqa: BLE001 - raised again by the parent
            answer = "failed", traceback.format_exc()
        out.send(answer)
        status = 0
    finally:
        os._exit(status)


def _ending(status: int) -> str:
    """Return how a child ended, from its exit code."""
    if -status == signal.SIGXCPU:
        return f"did not end within {LIMIT_S} s of processor time"
    if status > 0:
        return f"ended with status {status}"
    return f"crashed: {signal.strsignal(-status) or f'signal {-status}'}"
