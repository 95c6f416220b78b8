"""Copies of GGUF files in which something differs: what stays is taken over as it is.

The ``gguf`` package, the format's reference, writes them. It would take two seconds to read the
49,152 texts of a vocabulary and one to pack them again, so its writer gets them packed.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from gguf import GGMLQuantizationType, GGUFValueType, GGUFWriter, Keys

from minerva_desktop.library.gguf import MAX_KEY_BYTES, read_header
from minerva_desktop.library.gguf_reader import HeaderReader
from minerva_desktop.library.gguf_types import ARRAY_TYPE, NUMBER_LAYOUTS, STRING_TYPE

BEFORE_KEYS = struct.Struct("<4sIQQ")  # magic, version, tensors, keys
ARRAY_HEAD = struct.Struct("<IIQ")  # that it is one, the type of its elements, how many
LENGTH = struct.Struct("<Q")


class _Packed(bytes):
    """The type and the value of a key, as they stand in a file."""


class ModelWriter(GGUFWriter):
    """Takes keys over from other files, too."""

    def add_packed(self, keys: Mapping[str, bytes]) -> None:
        """Add keys with their types and values as `read_keys` gives them."""
        for key, packed in keys.items():
            self.add_key_value(key, _Packed(packed), GGUFValueType.STRING)

    def _pack_val(
        self,
        val: Any,
        vtype: GGUFValueType,
        add_vtype: bool,
        sub_type: GGUFValueType | None = None,
    ) -> bytes:
        if isinstance(val, _Packed):
            return bytes(val)
        return super()._pack_val(val, vtype, add_vtype, sub_type)

    def write_all(self) -> None:
        """Write the file or files, and close them."""
        self.write_header_to_file()
        self.write_kv_data_to_file()
        self.write_tensors_to_file()
        self.close()


def read_keys(path: Path, begin: str = "") -> dict[str, bytes]:
    """Type and value, packed, of the keys at ``path`` that begin with ``begin``."""
    keys = {}
    size = path.stat().st_size
    with path.open("rb") as stream, path.open("rb") as again:
        reader = HeaderReader(stream, size, path.name)
        *_, n_keys = BEFORE_KEYS.unpack(again.read(BEFORE_KEYS.size))
        reader.skip(BEFORE_KEYS.size)
        for _ in range(n_keys):
            key = reader.text("key", MAX_KEY_BYTES)
            start = reader.position
            _skip_value(reader, reader.u32())
            if key.startswith(begin):
                again.seek(start)
                keys[key] = again.read(reader.position - start)
    return keys


def _skip_value(reader: HeaderReader, kind: int) -> None:
    if kind == STRING_TYPE:
        reader.skip(reader.u64())
    elif kind != ARRAY_TYPE:
        reader.skip(NUMBER_LAYOUTS[kind].size)
    else:
        element, count = reader.u32(), reader.u64()
        if element == STRING_TYPE:
            reader.skip_texts(count)
        else:
            reader.skip(count * NUMBER_LAYOUTS[element].size)


def array_length(packed: bytes) -> int:
    """How many elements a packed array has."""
    return int(ARRAY_HEAD.unpack_from(packed)[2])


def unpack_texts(packed: bytes) -> list[bytes]:
    """The texts of a packed array, in UTF-8."""
    texts, at = [], ARRAY_HEAD.size
    for _ in range(array_length(packed)):
        (length,) = LENGTH.unpack_from(packed, at)
        at += LENGTH.size + length
        texts.append(packed[at - length : at])
    return texts


def pack_texts(texts: list[bytes]) -> bytes:
    """The reverse of `unpack_texts`."""
    head = ARRAY_HEAD.pack(ARRAY_TYPE, STRING_TYPE, len(texts))
    return head + b"".join(LENGTH.pack(len(text)) + text for text in texts)


def cut_numbers(packed: bytes, count: int) -> bytes:
    """A packed array of numbers without those behind the first ``count``."""
    kind, element, _ = ARRAY_HEAD.unpack_from(packed)
    end = ARRAY_HEAD.size + count * NUMBER_LAYOUTS[element].size
    return ARRAY_HEAD.pack(kind, element, count) + packed[ARRAY_HEAD.size : end]


def write_vocabulary(path: Path, source: Path, n_tokens: int) -> None:
    """Write to ``path`` the tokenizer of ``source`` with its first ``n_tokens`` tokens, and no
    model: SmolLM2's are those of control, those of a byte, and then one for each merge. Any text
    can still be said, in more tokens."""
    keys = read_keys(source, "tokenizer.")
    texts, merges = (
        unpack_texts(keys[name]) for name in (Keys.Tokenizer.LIST, Keys.Tokenizer.MERGES)
    )
    n_merges = n_tokens - (len(texts) - len(merges))
    keys[Keys.Tokenizer.LIST] = pack_texts(texts[:n_tokens])
    keys[Keys.Tokenizer.TOKEN_TYPE] = cut_numbers(keys[Keys.Tokenizer.TOKEN_TYPE], n_tokens)
    keys[Keys.Tokenizer.MERGES] = pack_texts(merges[:n_merges])
    writer = ModelWriter(path, "llama")
    writer.add_packed(keys)
    writer.write_all()


class StoredTensor(NamedTuple):
    """``data``: the bytes of each row, rows as numpy counts them."""

    name: str
    data: npt.NDArray[np.uint8]
    kind: GGMLQuantizationType


def read_tensors(path: Path) -> Iterator[StoredTensor]:
    """The tensors of the model at ``path``, in its order."""
    header = read_header(path)
    stored = np.memmap(path, np.uint8, mode="r")
    for tensor in header.tensors:
        start = header.data_start + tensor.offset
        rows = tuple(reversed(tensor.shape[1:]))
        data = stored[start : start + tensor.size].reshape(*rows, -1)
        yield StoredTensor(tensor.name, data, GGMLQuantizationType[tensor.type_name])
