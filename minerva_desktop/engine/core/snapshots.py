"""KV snapshots: the state of a chat's sequence on disk, so that a long chat goes on after a
restart without processing its history again.

A state fits only the weights, the llama.cpp and the cache types that made it. Engine child, main
thread.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import struct
import zlib
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec

from minerva_desktop.engine.core.bindings import llama
from minerva_desktop.engine.core.llama import LlamaContext
from minerva_desktop.engine.load_options import LoadOptions, SnapshotOptions
from minerva_desktop.engine.snapshot_files import SnapshotFiles
from minerva_desktop.errors import InferenceError

_log = logging.getLogger(__name__)

# Computing fewer takes no time that is worth a file.
MIN_TOKENS = 256
_HEADER = struct.Struct("=III")  # magic, version, number of tokens: llama_state_seq_save_file
_MAGIC = 0x67677371  # LLAMA_STATE_SEQ_MAGIC
_DISK_SHARE = 2  # a state takes at most so much of what is free: one part in this many
# Behind llama.cpp's own bytes, which it reads without a check: it aborts on a file that is cut off.
_FOOTER = struct.Struct("=8sI")  # mark, CRC-32 of all before it
_MARK = b"minervKV"
_PIECE_BYTES = 1 << 20
_SAMPLED_BYTES = 1 << 20  # of the model file, for its identity


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A file and the tokens whose state it holds."""

    path: Path
    tokens: list[int]


def model_identity(path: Path, options: LoadOptions, *, flash_attention: bool) -> str:
    """Names the model, the engine and the options that a state depends on.

    Of the model file its size and first bytes count, so that one that was moved is known again.
    """
    digest = hashlib.sha256()
    for file in (path, *(Path(os.fsdecode(adapter.path)) for adapter in options.lora)):
        with file.open("rb") as opened:
            digest.update(opened.read(_SAMPLED_BYTES))
        digest.update(str(file.stat().st_size).encode())
    scales = [adapter.scale for adapter in options.lora]
    window = options.speculation is not None  # keeps cells that a sliding window would drop
    parts = (options.kv_type_k, options.kv_type_v, options.rope, scales, flash_attention, window)
    digest.update(msgspec.json.encode(parts))
    digest.update(llama.llama_print_system_info() or b"")
    digest.update(llama.llama_version() or b"")
    return digest.hexdigest()[:32]


class SnapshotStore:
    """The snapshots of one loaded model, within the byte budget of all models."""

    def __init__(self, options: SnapshotOptions, identity: str) -> None:
        self._files = SnapshotFiles(Path(os.fsdecode(options.folder)))
        self._identity = identity
        self._max_bytes = options.max_bytes

    def find(self, name: str) -> Snapshot | None:
        """The snapshot of chat ``name``; None where there is no whole one."""
        path = self._files.path(self._identity, name)
        tokens = array("i")
        try:
            with path.open("rb") as file:
                magic, _version, count = _HEADER.unpack(file.read(_HEADER.size))
                if magic != _MAGIC or count * tokens.itemsize > path.stat().st_size:
                    return None
                tokens.frombytes(file.read(count * tokens.itemsize))
            os.utime(path)  # the oldest use goes first
        except (OSError, struct.error, ValueError):
            return None
        return Snapshot(path, tokens.tolist())

    def is_whole(self, snapshot: Snapshot) -> bool:
        """Whether the file is as it was written. Reads it all, as restoring does."""
        try:
            with snapshot.path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size - _FOOTER.size
                checksum = _checksum(file, size)
                return file.read() == _FOOTER.pack(_MARK, checksum)
        except OSError:
            return False

    def save(self, name: str, context: LlamaContext, slot: int, tokens: list[int]) -> bool:
        """Write the state of ``slot``, which holds ``tokens``; False where it has no room.

        The file is replaced as a whole: one that is cut off by a crash never counts.
        """
        size = context.state_size(slot)
        if len(tokens) < MIN_TOKENS or size > self._max_bytes:
            return False
        path = self._files.path(self._identity, name)
        partial = path.with_suffix(f".{os.getpid()}.partial")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._files.shrink(self._max_bytes - size, spare=path)
            if size > shutil.disk_usage(path.parent).free / _DISK_SHARE:
                return False
            context.save(slot, partial, tokens)
            with partial.open("r+b") as file:
                checksum = _checksum(file, os.fstat(file.fileno()).st_size)
                file.write(_FOOTER.pack(_MARK, checksum))
            partial.replace(path)
        except (OSError, InferenceError) as error:
            _log.warning("The state of a chat was not saved: %s", error)
            partial.unlink(missing_ok=True)
            return False
        return True


def _checksum(file: BinaryIO, size: int) -> int:
    """CRC-32 of the next ``size`` bytes."""
    checksum = 0
    while size > 0 and (piece := file.read(min(_PIECE_BYTES, size))):
        checksum = zlib.crc32(piece, checksum)
        size -= len(piece)
    return checksum
