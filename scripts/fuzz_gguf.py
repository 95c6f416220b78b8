"""Feeds broken GGUF headers to our reader until one of them does harm.

Run by hand and by the slow tests:

    python scripts/fuzz_gguf.py --cases 5000000 --seed 1 --processes 2
    python scripts/fuzz_gguf.py --replay 123456
    python scripts/fuzz_gguf.py --guided 600

Case number N is built from the random seed N alone, so that every failure can be replayed by its
number; ``--seed S`` starts at S, and each process takes its own stretch of numbers. A case fails
that raises anything but a `ModelLoadError`, takes over a second, or allocates over 64 MB. Memory is
judged in two ways: every case runs under a limit on the process's address space (where the system
has one), 64 MB above what the process had before, so that a larger request is a `MemoryError`;
and every 500th case is also measured with `tracemalloc`, exactly.

The main thread of each process does the work; processes share nothing.

``--guided`` fuzzes for so many seconds with atheris, which learns what to change from the code that
a header reaches (4,000 cases a second instead of 25,000). It is installed by hand, and no
dependency of the tests: version 3.0.0 has wheels (35 MB) for Linux on x86-64 only, and the lock
files hold for every system.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import random
import resource
import struct
import subprocess
import sys
import tempfile
import time
import traceback
import tracemalloc
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

# The package lies beside this folder, and a script's own folder is all that Python looks in.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from minerva_desktop.errors import ModelLoadError
from minerva_desktop.library.gguf import parse_header

MAX_SECONDS = 1.0
MAX_BYTES = 64 * 10**6
MEASURED_EVERY = 500
REPORT_EVERY = 50_000
NAME = "“fuzz.gguf”"
# The numbers at which bounds checks go wrong, in both widths that the format has.
EDGES = tuple(
    struct.pack(layout, value)
    for layout, bits in (("<I", 32), ("<Q", 64))
    for value in (
        0, 1, 4, 8, 9, 12, 13, 31, 255, 2**16, 2**20, 2**24, 2**31 - 1,
        2**31, 2 ** (bits - 1) - 1, 2 ** (bits - 1), 2**bits - 8, 2**bits - 1,
    )
)  # fmt: skip
# Bytes of tensor data that the file is said to have after the header. The first is enough for the
# headers as they are; with the last, no claim of a header is too large.
DATA_SIZES = (1024, 1024, 1024, 0, 10**6, 10**9, 2**62)


class Failure(NamedTuple):
    """What went wrong with the case that ``--replay number`` builds again."""

    number: int
    what: str


class Outcome(NamedTuple):
    """A stretch of cases: how many, how many the reader took for whole, and the failures."""

    n_cases: int
    n_accepted: int
    failures: tuple[Failure, ...]


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz or replay as the command line says; 1 when a case failed."""
    parser = argparse.ArgumentParser(description="Feeds broken headers to the GGUF reader.")
    parser.add_argument("--cases", type=int, default=100_000, help="how many in all")
    parser.add_argument("--seed", type=int, default=1, help="the number of the first case")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--replay", type=int, metavar="N", help="only case N, with its bytes")
    parser.add_argument("--guided", type=int, metavar="SECONDS", help="with atheris")
    options = parser.parse_args(arguments)
    if options.guided is not None:
        return _guided(options.guided)
    if options.replay is not None:
        return _replay(options.replay)
    begin = time.monotonic()
    n_done = n_accepted = 0
    failures: list[Failure] = []
    for outcome in _outcomes(options.seed, options.cases, options.processes):
        n_done += outcome.n_cases
        n_accepted += outcome.n_accepted
        failures += outcome.failures
        rate = n_done / (time.monotonic() - begin)
        print(f"{n_done:,} cases, {rate:,.0f}/s, {len(failures)} failed", flush=True)
        for failure in outcome.failures:
            print(f"FAILED: --replay {failure.number}\n{failure.what}", flush=True)
    print(f"{n_accepted:,} of {n_done:,} headers were accepted")
    return 1 if failures else 0


def _outcomes(seed: int, n_cases: int, n_processes: int) -> Iterable[Outcome]:
    end = seed + n_cases
    stretches = [range(at, min(at + REPORT_EVERY, end)) for at in range(seed, end, REPORT_EVERY)]
    with ProcessPoolExecutor(
        n_processes, mp_context=get_context("spawn"), initializer=limit_memory
    ) as pool:
        for done in as_completed([pool.submit(fuzz, stretch) for stretch in stretches]):
            yield done.result()


def limit_memory() -> None:
    """Let this process have `MAX_BYTES` more memory than now, and no core file.

    Does nothing on systems without ``/proc``, where only the sample is measured.
    """
    status = Path("/proc/self/statm")
    if status.exists():
        now = int(status.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + MAX_BYTES, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def fuzz(numbers: range) -> Outcome:
    """Run the cases with these numbers, and say what happened. Blocks."""
    failures: list[Failure] = []
    n_accepted = 0
    seeds = whole_headers()
    for number in numbers:
        content, size = case(number, seeds)
        try:
            n_accepted += _accepted(content, size, measured=number % MEASURED_EVERY == 0)
        except Exception:  # noqa: BLE001 - whatever it is, it is what we look for
            failures.append(Failure(number, traceback.format_exc()))
    return Outcome(len(numbers), n_accepted, tuple(failures))


def _accepted(content: bytes, size: int, *, measured: bool) -> bool:
    """Whether the reader takes it. Raises what must not happen."""
    stream = io.BytesIO(content)
    if measured:
        tracemalloc.start()
    begin = time.perf_counter()
    try:
        header = parse_header(stream, size, NAME)
    except ModelLoadError as error:
        _check(error.message.startswith(NAME), f"a strange sentence: {error.message}")
        return False
    else:
        _check(header.n_params >= 0 and header.tensor_bytes >= 0, "negative sizes")
        _check(bool(header.quantisation) or not header.tensors, "weights of no type")
        return True
    finally:
        seconds = time.perf_counter() - begin
        peak = 0
        if measured:
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        _check(seconds <= MAX_SECONDS, f"it took {seconds:.1f} s")
        _check(peak <= MAX_BYTES, f"it allocated {peak:,} bytes")


def _check(condition: bool, otherwise: str) -> None:
    if not condition:
        raise AssertionError(otherwise)


def case(number: int, seeds: Sequence[bytes]) -> tuple[bytes, int]:
    """The bytes of a case, and the size of the file that they pretend to begin."""
    chance = random.Random(number)
    content = bytearray(chance.choice(seeds))
    for _ in range(chance.choice((1, 1, 1, 2, 3, 5, 8))):
        _mutate(content, chance, seeds)
    return bytes(content), len(content) + chance.choice(DATA_SIZES)


def _mutate(content: bytearray, chance: random.Random, seeds: Sequence[bytes]) -> None:
    """Change ``content`` in one of the ways that files break, or are broken by someone."""
    at = chance.randrange(len(content) + 1)
    match chance.randrange(8):
        case 0:  # A bit.
            if at < len(content):
                content[at] ^= 1 << chance.randrange(8)
        case 1 | 2:  # A number that a bounds check must stand.
            edge = chance.choice(EDGES)
            content[at : at + len(edge)] = edge
        case 3:  # The end is missing.
            del content[at:]
        case 4:  # A piece of another header.
            other = chance.choice(seeds)
            start = chance.randrange(len(other))
            content[at:at] = other[start : start + chance.randrange(1, 65)]
        case 5:  # A piece is missing.
            del content[at : at + chance.choice((1, 4, 8, 12, 24))]
        case 6:  # Noise.
            noise = chance.randbytes(chance.choice((1, 2, 4, 8)))
            content[at : at + len(noise)] = noise
        case _:  # A length or counter, small: where one stands, mostly seven zeros follow.
            found = content.find(bytes(7), at)
            if found > 0:
                content[found - 1 : found + 7] = struct.pack("<Q", chance.randrange(300))


def whole_headers() -> tuple[bytes, ...]:
    """Valid headers, each under 1 KB, with every kind of value; without their tensor data."""
    return tuple(
        _header(version, architecture, layers)
        for version, architecture, layers in ((3, "llama", 1), (2, "qwen3moe", 2), (3, "mamba", 0))
    )


def _header(version: int, architecture: str, n_layers: int) -> bytes:
    def key(name: str, value_type: int, value: bytes) -> bytes:
        return _text(name) + struct.pack("<I", value_type) + value

    def number(name: str, value: int) -> bytes:
        return key(f"{architecture}.{name}", 4, struct.pack("<I", value))

    tokens = b"".join(_text(token) for token in ("<s>", "a", "ä", ""))
    keys = [
        key("general.architecture", 8, _text(architecture)),
        key("general.alignment", 4, struct.pack("<I", 32)),
        number("block_count", n_layers or 1),
        number("embedding_length", 32),
        number("attention.head_count", 2),
        number("expert_count", 2),
        key(f"{architecture}.expert_used_count", 9, struct.pack("<IQII", 4, 2, 1, 2)),
        key(f"{architecture}.attention.layer_norm_rms_epsilon", 6, struct.pack("<f", 1e-5)),
        key("a.bool", 7, b"\1"),
        key("a.list", 9, struct.pack("<IQ3d", 12, 3, 1.0, 2.0, 3.0)),
        key("tokenizer.ggml.tokens", 9, struct.pack("<IQ", 8, 4) + tokens),
    ]
    names = ["token_embd.weight", "output_norm.weight"]
    names += [f"blk.{layer}.attn_norm.weight" for layer in range(n_layers)]
    head = b"GGUF" + struct.pack("<IQQ", version, len(names), len(keys)) + b"".join(keys)
    offset = 0
    for name in names:
        shape = (32, 4) if name == "token_embd.weight" else (32,)
        head += _text(name) + struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
        head += struct.pack("<IQ", 0, offset)
        offset += 512 if len(shape) == 2 else 128
    return head


def _text(value: str) -> bytes:
    encoded = value.encode()
    return struct.pack("<Q", len(encoded)) + encoded


def _guided(seconds: int) -> int:
    if importlib.util.find_spec("atheris") is None:
        print("It needs atheris: pip install atheris==3.0.0", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        script = Path(__file__).with_name("fuzz_gguf_guided.py")
        command = [sys.executable, str(script), str(seconds), folder]
        code = subprocess.run(command, check=False).returncode
        for failed in sorted(Path(folder).glob("failed-*")):
            print(f"FAILED: {failed.name}\n{failed.read_bytes()!r}")
        return code


def _replay(number: int) -> int:
    content, size = case(number, whole_headers())
    print(f"{len(content)} bytes of a file of {size:,}:\n{content!r}")
    outcome = fuzz(range(number, number + 1))
    print("".join(failure.what for failure in outcome.failures) or "It does no harm.")
    return 1 if outcome.failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
