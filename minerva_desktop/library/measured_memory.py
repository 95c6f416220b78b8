"""What llama.cpp said of loads and dry runs on this machine, kept for the next estimates.

One JSON file, owned by `runtime` and read by `minerva models show`. Blocks for a millisecond; any
thread. Nothing is lost with it: a file that cannot be read or written is as good as none.
"""

from __future__ import annotations

import logging
import threading
from bisect import bisect_left
from pathlib import Path

import msgspec

from minerva_desktop.digests import sha256
from minerva_desktop.errors import os_reason
from minerva_desktop.library.estimate_options import EstimateOptions
from minerva_desktop.library.memory_estimate import Figures
from minerva_desktop.paths import private_opener

logger = logging.getLogger(__name__)

MAX_KINDS = 500  # of loads; the oldest are forgotten; about 300 bytes each
MAX_LENGTHS = 16  # of the context, of each kind of load


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What llama.cpp said of a load with a context of ``n_ctx`` tokens; ``is_real``: not only of a
    dry run."""

    n_ctx: int
    figures: Figures
    is_real: bool = False


class MeasuredMemory:
    """The reports in ``file``, by a key that stands for a model with all its options but the length
    of the context."""

    def __init__(self, file: Path | None) -> None:
        """Without a ``file``, all is forgotten with this object."""
        self._file = file
        self._lock = threading.Lock()
        self._known: dict[str, tuple[Report, ...]] | None = None
        self._stamp: tuple[int, int] | None = None  # of the file, when it was read
        self._is_writable = True  # as far as is known

    def find(self, key: str) -> tuple[Report, ...]:
        """What is known, by length of the context, the shortest first."""
        with self._lock:
            return self._read().get(key, ())

    def note(self, key: str, report: Report) -> None:
        """Remember a report. What a dry run says does not replace what a load said."""
        with self._lock:
            known = dict(self._read())
            others = known.pop(key, ())
            before = next((each for each in others if each.n_ctx == report.n_ctx), None)
            if before == report or (before is not None and before.is_real and not report.is_real):
                return
            kept = [each for each in others if each.n_ctx != report.n_ctx][1 - MAX_LENGTHS :]
            known[key] = tuple(sorted([*kept, report], key=lambda each: each.n_ctx))
            for oldest in list(known)[:-MAX_KINDS]:
                del known[oldest]
            self._write(known)

    def _read(self) -> dict[str, tuple[Report, ...]]:
        """The file's content; not read again while it is the same file."""
        if self._file is None:
            return self._known or {}
        try:
            status = self._file.stat()
            stamp = (status.st_size, status.st_mtime_ns)
            if self._known is not None and stamp == self._stamp:
                return self._known
            self._known, self._stamp = {}, stamp
            content = self._file.read_bytes()
            self._known = msgspec.json.decode(content, type=dict[str, tuple[Report, ...]])
        except FileNotFoundError:
            self._known = {}
        except (OSError, msgspec.DecodeError) as error:
            logger.warning("%s cannot be read and is made anew: %s", self._file.name, error)
        return self._known or {}

    def _write(self, known: dict[str, tuple[Report, ...]]) -> None:
        self._known, self._stamp = known, None
        if self._file is None:
            return
        draft = self._file.with_name(f"{self._file.name}.new")
        try:
            with open(draft, "wb", opener=private_opener) as file:
                file.write(msgspec.json.encode(known))
            draft.replace(self._file)
            self._is_writable = True
        except OSError as error:
            if self._is_writable:  # each load notes several reports: one warning is enough
                reason = os_reason(error)
                logger.warning("%s cannot be written: %s", self._file.name, reason)
            self._is_writable = False


class ModelReports:
    """What is known of one model, as `Estimator` asks for it."""

    def __init__(self, measured: MeasuredMemory, base: str) -> None:
        """``base`` stands for the model's files as they are now, llama.cpp's version, and those
        options that `EstimateOptions` leave out."""
        self._measured = measured
        self._base = base

    def find(self, options: EstimateOptions) -> Figures | None:
        """What llama.cpp reported for these options; None when it reported nothing of the kind.

        Buffers grow evenly with the context, so that two lengths tell of those between them, and
        the outermost of those up to twice the longest. For a shorter context the shortest stands,
        which takes no less.
        """
        known = self._measured.find(self.key(options))
        lengths = [report.n_ctx for report in known]
        at = bisect_left(lengths, options.n_ctx)
        if at < len(known) and lengths[at] == options.n_ctx:
            return known[at].figures
        # Batches of an embedding model grow with its context, and the masks with both.
        if len(known) < 2 or options.is_embedding:
            return None
        if at == 0:
            return msgspec.structs.replace(known[0].figures, kv_bytes=0)
        if at < len(known):
            return _mixed(known[at - 1], known[at], options.n_ctx)
        shortest, longest = known[0], known[-1]
        # Lengths that differ little tell more of how llama.cpp rounds than of how buffers grow.
        is_near = options.n_ctx <= 2 * longest.n_ctx and longest.n_ctx >= 2 * shortest.n_ctx
        return _mixed(shortest, longest, options.n_ctx) if is_near else None

    def note(self, options: EstimateOptions, figures: Figures, *, is_real: bool) -> None:
        """Remember what llama.cpp reported."""
        report = Report(n_ctx=options.n_ctx, figures=figures, is_real=is_real)
        self._measured.note(self.key(options), report)

    def key(self, options: EstimateOptions) -> str:
        """Stands for the model with all of ``options`` but the length of the context."""
        # Of several GPUs, llama.cpp gives each layers by its free memory, which changes a little.
        total = sum(gpu.share for gpu in options.gpus) or 1.0
        gpus = [(gpu.device, round(gpu.share / total, 1)) for gpu in options.gpus]
        facts = (
            self._base,
            options.n_seq_max,
            options.n_parallel,
            options.n_batch,
            options.n_draft,
            options.kv_type_k,
            options.kv_type_v,
            options.flash_attention,
            options.is_embedding,
            options.n_gpu_layers if gpus else None,
            gpus,
        )
        return sha256(msgspec.json.encode(facts)).hex()


def _mixed(shorter: Report, longer: Report, n_ctx: int) -> Figures:
    """What a context of ``n_ctx`` tokens takes, on the line through the two."""
    part = (n_ctx - shorter.n_ctx) / (longer.n_ctx - shorter.n_ctx)

    def mixed(low: int, high: int) -> int:
        return round(low + part * (high - low))

    low, high = shorter.figures, longer.figures
    devices = low.compute.keys() | high.compute.keys()
    compute = {
        name: mixed(low.compute.get(name, 0), high.compute.get(name, 0)) for name in sorted(devices)
    }
    kv_bytes = mixed(low.kv_bytes, high.kv_bytes) if low.kv_bytes and high.kv_bytes else 0
    return msgspec.structs.replace(high, compute=compute, kv_bytes=kv_bytes)
