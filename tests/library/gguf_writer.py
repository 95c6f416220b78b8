"""Builds GGUF files for tests: small whole ones, and broken ones on request."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from minerva_desktop.library.gguf_types import TENSOR_TYPES

F32 = 0
Q4_0 = 2

Value = int | float | bool | str | list[str] | list[int] | bytes


class Tensor(NamedTuple):
    """A line of the tensor table; ``offset`` None: where it belongs."""

    name: str
    shape: tuple[int, ...]
    type_number: int = F32
    offset: int | None = None


LLAMA: Mapping[str, Value] = {
    "general.architecture": "llama",
    "general.type": "model",
    "general.name": "Tiny Test",
    "general.size_label": "1K",
    "general.file_type": 2,
    "llama.block_count": 2,
    "llama.context_length": 4096,
    "llama.embedding_length": 32,
    "llama.rope.freq_base": 10000.0,
    "tokenizer.ggml.add_bos_token": True,
    "tokenizer.ggml.tokens": ["<s>", "</s>", "a", "ä", ""],
    "tokenizer.ggml.token_type": [3, 3, 1, 1, 1],
    "tokenizer.chat_template": "{{ messages }}",
}
TENSORS: Sequence[Tensor] = (
    Tensor("token_embd.weight", (32, 5), Q4_0),
    Tensor("output_norm.weight", (32,), F32),
)


def text(value: str) -> bytes:
    """A length and UTF-8."""
    encoded = value.encode()
    return struct.pack("<Q", len(encoded)) + encoded


def typed(value: Value) -> bytes:
    """A value type and the value; bytes are taken as they are."""
    match value:
        case bytes():
            return value
        case bool():
            return struct.pack("<I?", 7, value)
        case int():
            return struct.pack("<II", 4, value)
        case float():
            return struct.pack("<If", 6, value)
        case str():
            return struct.pack("<I", 8) + text(value)
        case list():
            return _typed_list(value)


def _typed_list(values: list[str] | list[int]) -> bytes:
    if values and isinstance(values[0], str):
        elements = b"".join(text(str(value)) for value in values)
        return struct.pack("<IIQ", 9, 8, len(values)) + elements
    elements = b"".join(struct.pack("<i", value) for value in values)
    return struct.pack("<IIQ", 9, 5, len(values)) + elements


def gguf_bytes(
    metadata: Mapping[str, Value] | Sequence[tuple[str, Value]] = LLAMA,
    tensors: Sequence[Tensor] = TENSORS,
    *,
    version: int = 3,
    alignment: int = 32,
    n_tensors: int | None = None,
    n_keys: int | None = None,
) -> bytes:
    """A GGUF file, its tensor data all zeros. A given counter stands in for the true one."""
    pairs = list(metadata.items()) if isinstance(metadata, Mapping) else list(metadata)
    header = b"GGUF" + struct.pack(
        "<IQQ",
        version,
        len(tensors) if n_tensors is None else n_tensors,
        len(pairs) if n_keys is None else n_keys,
    )
    header += b"".join(text(key) + typed(value) for key, value in pairs)
    offset = end = 0
    for tensor in tensors:
        at = offset if tensor.offset is None else tensor.offset
        header += text(tensor.name) + struct.pack("<I", len(tensor.shape))
        header += struct.pack(f"<{len(tensor.shape)}Q", *tensor.shape)
        header += struct.pack("<IQ", tensor.type_number, at)
        end = offset + _size(tensor)
        offset = -(-end // alignment) * alignment
    padding = -len(header) % alignment if tensors else 0
    return header + bytes(padding + min(end, 1 << 20))


def write_gguf(path: Path, metadata: Mapping[str, Value] = LLAMA) -> Path:
    """A whole small model at ``path``, which is returned."""
    path.write_bytes(gguf_bytes(metadata))
    return path


def _size(tensor: Tensor) -> int:
    kind = TENSOR_TYPES.get(tensor.type_number)
    if kind is None:
        return 0
    return math.prod(tensor.shape) // kind.block_length * kind.block_bytes
