"""Minerva's own server and llama.cpp's, with the same settings, for `bench_http`."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench_engine_requests import Bench
from bench_process import ServerProcess, free_port
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.engine.messages import ContextInfo
from minerva_desktop.library.catalog import find_embedded_model
from minerva_desktop.paths import HOME_VARIABLE

ROOT = Path(__file__).resolve().parent.parent
MINERVA = (sys.executable, "-m", "minerva_desktop")
PARALLEL_OPTION = "--parallel"


@contextlib.contextmanager
def running(bench: Bench, options: LoadOptions, info: ContextInfo) -> Iterator[list[ServerProcess]]:
    """Both servers, ours first, or ours alone where there is no peer.

    The peer gets the threads, the context and the slots of ``info``, which our engine chose for
    ``options``.
    """
    with contextlib.ExitStack() as stack:
        home = stack.enter_context(tempfile.TemporaryDirectory(prefix="minerva-bench-"))
        servers = [stack.enter_context(_minerva(bench.model, options, home))]
        peer = stack.enter_context(bench.server(info, options))
        if peer is not None:
            servers.append(peer)
        yield servers


def n_parallel_of_serve(wanted: int) -> int:
    """How many requests ``minerva serve`` computes together when it may choose ``wanted``: a
    version without the option has a number of its own."""
    done = subprocess.run([*MINERVA, "serve", "--help"], capture_output=True, text=True, check=True)
    if PARALLEL_OPTION in done.stdout:
        return wanted
    n_parallel = LoadOptions().n_parallel
    print(f"`serve` has no {PARALLEL_OPTION}: both servers run {n_parallel} slots", file=sys.stderr)
    return n_parallel


def _minerva(model: Path, options: LoadOptions, home: str) -> ServerProcess:
    env = {**os.environ, HOME_VARIABLE: home, "PYTHONPATH": str(ROOT)}
    if model != find_embedded_model():
        # Requests name models of the library only.
        add = [*MINERVA, "models", "add", str(model)]
        subprocess.run(add, stdout=subprocess.DEVNULL, check=True, env=env)
    port = free_port()
    command = [*MINERVA, "serve", "--port", str(port), "--model", str(model)]
    command += ["--n-ctx", str(options.n_ctx)]
    if options.n_parallel != LoadOptions().n_parallel:
        command += [PARALLEL_OPTION, str(options.n_parallel)]
    return ServerProcess("minerva serve", command, port, env)


async def loaded(model: Path, options: LoadOptions) -> ContextInfo:
    """What our engine makes of ``options``."""
    engine = LlamaEngine(model)
    try:
        return await engine.load(options=options)
    finally:
        await engine.unload()
