"""What loads on this machine really took, kept so that the next estimate is exact.

One JSON file, owned by `runtime` and read by `minerva models show`. Blocks for a millisecond; any
thread. Nothing is lost with it: a file that cannot be read or written is as good as none.
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import msgspec

logger = logging.getLogger(__name__)

MAX_LOADS = 500  # the oldest are forgotten; about 100 bytes each


class MeasuredLoad(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes of one load on all devices together, as llama.cpp reported them."""

    weights_bytes: int
    kv_bytes: int
    compute_bytes: int

    @property
    def total_bytes(self) -> int:
        """All of it."""
        return self.weights_bytes + self.kv_bytes + self.compute_bytes


class MeasuredMemory:
    """The measurements in ``file``, by a key that stands for a model with its options."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()

    def find(self, key: str) -> MeasuredLoad | None:
        """What the last load took; None when there was none."""
        with self._lock:
            return self._read().get(key)

    def note(self, key: str, load: MeasuredLoad) -> None:
        """Remember a load."""
        with self._lock:
            loads = self._read()
            if loads.pop(key, None) == load:
                return
            loads[key] = load
            for oldest in list(loads)[:-MAX_LOADS]:
                del loads[oldest]
            self._write(loads)

    def _read(self) -> dict[str, MeasuredLoad]:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=dict[str, MeasuredLoad])
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.DecodeError) as error:
            logger.warning("%s cannot be read and is made anew: %s", self._file.name, error)
            return {}

    def _write(self, loads: dict[str, MeasuredLoad]) -> None:
        draft = self._file.with_name(f"{self._file.name}.new")
        try:
            draft.write_bytes(msgspec.json.encode(loads))
            draft.replace(self._file)
        except OSError as error:
            logger.warning("%s cannot be written: %s", self._file.name, error)
