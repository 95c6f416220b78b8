"""`python scripts/bench.py engine | http | memory | store | library | ui`: figures and targets.

Prints a table and writes a JSON file into ``bench-results``. The peers of the engine's and
the endpoint's figures are llama.cpp's own ``llama-bench`` and ``llama-server``, looked for in
``--llama-bin`` or ``$LLAMA_CPP_BIN``; without them the peer's columns stay empty. ``--only``
measures one group of the engine's figures, ``--reuse-prompts`` lets the servers keep prompts.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import bench_engine  # noqa: E402
import bench_http  # noqa: E402
import bench_library  # noqa: E402
import bench_memory  # noqa: E402
import bench_report  # noqa: E402
import bench_store  # noqa: E402
import bench_ui  # noqa: E402
from bench_engine_requests import Bench  # noqa: E402
from bench_report import Figure  # noqa: E402
from minerva_desktop.library.catalog import find_embedded_model  # noqa: E402

PEER_VARIABLE = "LLAMA_CPP_BIN"
MIN_RUNS = 5


def main() -> int:
    """Run one benchmark; the exit code."""
    options = _options()
    model = options.model or find_embedded_model()
    if model is None:
        print("The embedded model is not installed; name one with --model", file=sys.stderr)
        return 1
    machine = bench_report.Machine.look()
    asked: dict[str, object] = {}
    figures: list[Figure] = []
    try:
        if options.bench == "http":
            bench = Bench(model, options.runs, options.llama_bin, options.threads)
            figures, asked = bench_http.measure(bench, reuses_prompts=options.reuse_prompts)
        else:
            asked = _asked(options)
            figures.extend(_measured(options, model))
    finally:  # what was measured before one failed is told, too
        if figures:
            facts = {**machine.facts(), "model": model.name, **asked}
            bench_report.publish(options.bench, figures, facts, options.out)
    return 0


def _asked(options: argparse.Namespace) -> dict[str, object]:
    if options.bench != "engine":
        return {}
    return {"engine_threads": bench_engine.threads_fact(options.threads)}


def _measured(options: argparse.Namespace, model: Path) -> Iterable[Figure]:
    match options.bench:
        case "engine":
            bench = Bench(model, options.runs, options.llama_bin, options.threads)
            return bench_engine.measure(bench, options.only)
        case "memory":
            return bench_memory.measure(model, options.out / "models", options.runs)
        case "store":
            return bench_store.measure(model, options.runs)
        case "library":
            return bench_library.measure(options.runs)
    return bench_ui.measure(model, options.runs)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure the program against its targets.")
    parser.add_argument("bench", choices=("engine", "http", "memory", "store", "library", "ui"))
    parser.add_argument("--model", type=Path, metavar="GGUF", help="default: the embedded model")
    parser.add_argument("--runs", type=int, default=MIN_RUNS, metavar="N", help="%(default)s")
    parser.add_argument("--out", type=Path, default=ROOT / "bench-results", help="%(default)s")
    peer = os.environ.get(PEER_VARIABLE)
    parser.add_argument(
        "--llama-bin",
        type=Path,
        metavar="DIR",
        default=Path(peer) if peer else None,
        help=f"where llama-bench and llama-server are (default: ${PEER_VARIABLE})",
    )
    parser.add_argument("--only", choices=tuple(bench_engine.GROUPS), help="engine: these figures")
    parser.add_argument(
        "--threads", type=int, metavar="N", help="engine: as many on both sides (default: cores)"
    )
    parser.add_argument(
        "--reuse-prompts", action="store_true", help="http: read only what is new of a prompt"
    )
    options = parser.parse_args()
    if options.reuse_prompts and options.bench != "http":
        parser.error("--reuse-prompts is for the endpoint's figures")
    if options.only is not None and options.bench != "engine":
        parser.error("--only is for the engine's figures")
    if options.runs < MIN_RUNS:
        parser.error(f"a median of fewer than {MIN_RUNS} runs says nothing")
    return options


if __name__ == "__main__":
    sys.exit(main())
