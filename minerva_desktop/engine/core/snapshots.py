"""KV snapshots: the state of a chat's sequence on disk, so that a long chat goes on after a
restart without processing its history again.

A state fits only the weights, the llama.cpp, the cache types and the rotary factors that made it.
Engine child, main thread.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import struct
import zlib
from array import array
from pathlib import Path
from typing import BinaryIO

import msgspec

from minerva_desktop.engine.core.bindings import llama
from minerva_desktop.engine.core.llama import LlamaContext
from minerva_desktop.engine.core.model_parts import parts_there
from minerva_desktop.engine.core.slot import Slot, Variant
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
_FOOTER = struct.Struct("=I8sI")  # tokens computed steadily, mark, CRC-32 of all but itself
_COUNT = struct.Struct("=I")
_MARK = b"minervK2"
_PIECE_BYTES = 1 << 20
_N_SAMPLES, _SAMPLE_BYTES = 256, 4096  # of a model file, for its identity


class Snapshot(msgspec.Struct, frozen=True):
    """A file and the tokens whose state it holds, the first ``n_steady`` computed steadily
    (`Slot`)."""

    path: Path
    tokens: list[int]
    n_steady: int


def model_identity(
    path: Path, options: LoadOptions, *, flash_attention: bool, is_long: bool
) -> bytes:
    """Tells the model, the engine and the options that a state depends on. ``is_long``: the context
    is longer than `LlamaModel.n_ctx_short`.

    Of each file its size and samples of all of it count, so that one that was moved is known again
    and other weights behind the same header are not taken for it.
    """
    digest = hashlib.sha256()
    for file in (
        *parts_there(path),
        *(Path(os.fsdecode(adapter.path)) for adapter in options.lora),
    ):
        size = file.stat().st_size
        digest.update(str(size).encode())
        with file.open("rb") as opened:
            for sample in range(_N_SAMPLES):
                opened.seek(max(0, size - _SAMPLE_BYTES) * sample // (_N_SAMPLES - 1))
                digest.update(opened.read(_SAMPLE_BYTES))
    window = options.speculation is not None  # keeps cells that a sliding window would drop
    cache = (options.kv_type_k, options.kv_type_v, flash_attention, window)
    parts = (*cache, options.rope, is_long)
    digest.update(msgspec.json.encode(parts))
    digest.update(llama.llama_print_system_info() or b"")
    digest.update(llama.llama_version() or b"")
    return digest.digest()


class SnapshotStore:
    """The snapshots of one loaded model, within the byte budget of all models."""

    def __init__(
        self, options: SnapshotOptions, identity: bytes, model: Path, variant: Variant
    ) -> None:
        """``model`` is its file, ``variant`` what it is loaded with."""
        self._files = SnapshotFiles(Path(os.fsdecode(options.folder)))
        self._identity = identity
        self._model = model
        self._max_bytes = options.max_bytes
        try:
            self._files.label(self._path("", variant).parent.name, model, is_loaded=True)
        except OSError as error:  # then nothing is saved there either
            _log.warning("The states of chats are not labelled: %s", error)

    def find(self, name: str, variant: Variant) -> Snapshot | None:
        """The snapshot of chat ``name``; None where there is no whole one."""
        path = self._path(name, variant)
        tokens = array("i")
        try:
            if not path.is_file():  # to open a pipe would wait for ever
                return None
            with path.open("rb") as file:
                magic, _version, count = _HEADER.unpack(file.read(_HEADER.size))
                if magic != _MAGIC or count * tokens.itemsize > path.stat().st_size:
                    return None
                tokens.frombytes(file.read(count * tokens.itemsize))
                file.seek(-_FOOTER.size, os.SEEK_END)
                n_steady, *_ = _FOOTER.unpack(file.read())
            os.utime(path)  # the oldest use goes first
        except (OSError, struct.error, ValueError):
            return None
        return Snapshot(path, tokens.tolist(), n_steady)

    def is_whole(self, snapshot: Snapshot) -> bool:
        """Whether the file is as it was written. Reads it all, as restoring does."""
        try:
            with snapshot.path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size - _FOOTER.size
                expected = _footer(snapshot.n_steady, _checksum(file, size))
                return file.read() == expected
        except OSError:
            return False

    def save(self, name: str, context: LlamaContext, slot: Slot) -> bool:
        """Write the state of ``slot``; False where it has no room.

        The file is replaced as a whole: one that is cut off by a crash never counts.
        """
        tokens = slot.tokens[: slot.n_held]
        size = context.state_size(slot.index)
        if len(tokens) < MIN_TOKENS or size > self._max_bytes:
            return False
        path = self._path(name, slot.variant)
        partial = path.with_suffix(f".{os.getpid()}.partial")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._files.shrink(self._max_bytes - size, spare=path)
            if size > shutil.disk_usage(path.parent).free / _DISK_SHARE:
                return False
            context.save(slot.index, partial, tokens)
            with partial.open("r+b") as file:
                checksum = _checksum(file, os.fstat(file.fileno()).st_size)
                # llama.cpp writes tokens as they lie: those out of order come back so.
                file.write(_footer(slot.n_steady if slot.lies_in_order else 0, checksum))
            self._files.label(path.parent.name, self._model, is_loaded=False)
            partial.replace(path)
        except (OSError, InferenceError) as error:
            _log.warning("The state of a chat was not saved: %s", error)
            partial.unlink(missing_ok=True)
            return False
        return True

    def _path(self, name: str, variant: Variant) -> Path:
        """A state belongs to the adapters' scales that it was computed with."""
        digest = hashlib.sha256(self._identity + msgspec.json.encode(variant))
        return self._files.path(digest.hexdigest()[:32], name)


def _footer(n_steady: int, checksum: int) -> bytes:
    """``checksum`` is that of all before it."""
    return _FOOTER.pack(n_steady, _MARK, zlib.crc32(_COUNT.pack(n_steady), checksum))


def _checksum(file: BinaryIO, size: int) -> int:
    """CRC-32 of the next ``size`` bytes."""
    checksum = 0
    while size > 0 and (piece := file.read(min(_PIECE_BYTES, size))):
        checksum = zlib.crc32(piece, checksum)
        size -= len(piece)
    return checksum
