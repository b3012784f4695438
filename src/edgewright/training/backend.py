"""How JAX runs here: on the processor, on one thread, with every compiled program kept on disk.

Small networks lose time to threads: a step of 64 rows takes microseconds, and handing it to a pool costs more than
the work. Everything is set through environment variables before JAX is imported, and only where the user has not
set them.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from edgewright.core import files
from edgewright.core.catalogue import LateModule

if TYPE_CHECKING:
    import jax
    import jax.numpy as jnp
    import optax
    from jax import lax
else:
    jax, jnp, lax, optax = map(LateModule, ("jax", "jax.numpy", "jax.lax", "optax"))

__all__ = ["cache_folder", "compiling", "jax", "jnp", "lax", "optax", "options", "prepare"]
_DEFAULTS = {
    "JAX_PLATFORMS": "cpu",
    "JAX_ENABLE_X64": "false",
    # Dispatching to another thread doubles the processor time of a step that takes microseconds.
    "JAX_CPU_ENABLE_ASYNC_DISPATCH": "false",
    # One worker: with two, XLA splits the operators of a 200-unit layer and spends 1.4 times the processor time.
    "PJRT_NPROC": "1",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    # XLA's loader writes lines about processor features to stderr whenever it opens its own cache.
    "TF_CPP_MIN_LOG_LEVEL": "3",
}
_ONE_THREAD = "--xla_cpu_multi_thread_eigen=false"


def cache_folder() -> Path:
    """Folder of the compiled programs."""
    return files.cache_folder("jax")


def prepare() -> None:
    """Set the environment of JAX; has no effect on a JAX that is already imported."""
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    flags = os.environ.get("XLA_FLAGS", "")
    if "xla_cpu_multi_thread_eigen" not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {_ONE_THREAD}".strip()
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ and os.environ.get("JAX_ENABLE_COMPILATION_CACHE") != "false":
        folder = cache_folder()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            return
        if os.access(folder, os.W_OK):
            os.environ["JAX_COMPILATION_CACHE_DIR"] = str(folder)


@cache
def options() -> dict[str, str] | None:
    """Return what every program is compiled with; None where this JAX does not know it.

    XLA's library of fused products sums in an order that depends on the width of a layer. Without it a network whose
    widths are filled up with zeros is trained to the same bits, in no more time.
    """
    chosen = {"xla_cpu_experimental_ynn_fusion_type": ""}
    try:
        jax.jit(lambda a: a, compiler_options=chosen).lower(0.0).compile()
    except Exception:  # noqa: BLE001 - an unknown option is reported in several ways
        return None
    return chosen


@contextmanager
def compiling() -> Iterator[None]:
    """Compile without a warning about the cache on disk.

    JAX does not write its entries in one piece: after a full disk, or while another process writes, an entry can be
    damaged. JAX then compiles anew, which is all that a user needs to happen.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Error (reading|writing) persistent compilation cache")
        yield
