"""Where llama.cpp's own programs are, and its benchmark as the peer of ours.

The same file, threads, batch and cache types.

Used by `bench_engine` and its parts. Its server is in `bench_server`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

BENCH = "llama-bench"
SERVER = "llama-server"


@dataclass(frozen=True)
class LlamaBench:
    """Runs ``llama-bench`` on one model."""

    program: Path
    model: Path
    n_threads: int
    n_batch: int

    def prefill(self, n_tokens: int) -> float:
        """Tokens per second of processing a prompt."""
        return self._run("-p", str(n_tokens), "-n", "0")

    def decode(self, n_tokens: int) -> float:
        """Tokens per second of one stream."""
        return self._run("-p", "0", "-n", str(n_tokens))

    def _run(self, *test: str) -> float:
        # Flash attention on and an f16 cache are what llama.cpp gives our context by default.
        same = ["-m", str(self.model), "-t", str(self.n_threads)]
        same += ["-b", str(self.n_batch), "-ub", str(self.n_batch)]
        same += ["-fa", "1", "-ctk", "f16", "-ctv", "f16", "-r", "1", "-o", "json"]
        command = [str(self.program), *same, *test]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        (result,) = json.loads(done.stdout)
        return float(result["avg_ts"])


def find_peer(folder: Path | None, model: Path, n_threads: int, n_batch: int) -> LlamaBench | None:
    """The ``llama-bench`` in ``folder``, as `find_program` finds it."""
    program = find_program(folder, BENCH)
    return None if program is None else LlamaBench(program, model, n_threads, n_batch)


def find_program(folder: Path | None, name: str) -> Path | None:
    """One of llama.cpp's programs in ``folder``; None, with a word about it, when it is not
    there."""
    if folder is None:
        print(f"No {name} (--llama-bin): the peer's columns stay empty.", file=sys.stderr)
        return None
    program = folder / (f"{name}.exe" if sys.platform == "win32" else name)
    if not program.is_file():
        print(f"There is no {program}: the peer's columns stay empty.", file=sys.stderr)
        return None
    return program
