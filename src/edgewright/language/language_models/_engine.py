"""The process that runs llama.cpp of the package xllamacpp, with the options of `llama-server` that `server` passes.

A process of its own, so that its memory can be measured and an error of the library ends nothing else. It ends when
its standard input does, so also when its parent is killed.
"""

from __future__ import annotations

import argparse
import os
import sys

import xllamacpp


def main() -> None:
    """Serve one model until standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model")
    parser.add_argument("--host")
    for name in ("--port", "--ctx-size", "--parallel", "--threads"):
        parser.add_argument(name, type=int)
    options = parser.parse_args()
    settings = xllamacpp.CommonParams()
    settings.model.path, settings.hostnames, settings.port = options.model, [options.host], options.port
    settings.n_ctx, settings.n_parallel, settings.ui = options.ctx_size, options.parallel, False
    settings.api_keys = [os.environ["LLAMA_API_KEY"]]
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = options.threads
    try:
        server = xllamacpp.Server(settings)  # its threads answer; it is kept until the end
    except RuntimeError as error:
        sys.exit(f"error: {error}")
    sys.stdin.buffer.read()
    del server


if __name__ == "__main__":
    main()
