"""Reads the header of a GGUF file: what the model is, and whether the file is whole.

Called by `split_model`, on any thread but the window's (it reads files). A file is untrusted: no
number in it is believed before it was compared with the size of the file, long lists are stepped
over, and whatever is wrong becomes one sentence in a `ModelLoadError`. llama.cpp applies the same
rules when it loads a file; here they cost milliseconds and no process.

The format, all little-endian: magic, version, number of tensors, number of keys; then each key
with its type and value; then each tensor's name, shape, type and offset; then, aligned, the data.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import msgspec

from minerva_desktop.errors import ModelLoadError, ModelNotFound, no_file_words, os_reason
from minerva_desktop.library.display_text import one_line, shown_name
from minerva_desktop.library.gguf_reader import HeaderReader, Scalar
from minerva_desktop.library.gguf_shapes import check_shapes
from minerva_desktop.library.gguf_types import (
    ARRAY_TYPE,
    FILE_TYPE_GUESSED,
    FILE_TYPES,
    NUMBER_LAYOUTS,
    STRING_TYPE,
    TENSOR_TYPES,
    UINT32_TYPE,
)
from minerva_desktop.units import format_bytes

DEFAULT_ALIGNMENT = 32
MAX_KEYS = 16_384
MAX_KEY_BYTES = 65_535
MAX_TENSORS = 16_384
# llama.cpp keeps a tensor's name in 64 bytes, the last of them 0.
MAX_TENSOR_NAME_BYTES = 63
MAX_DIMENSIONS = 4
MAX_INT64 = 2**63 - 1
# A list of numbers says something of each layer, or it is long and nobody reads it. Together the
# lists that are kept stay small, however many a file has.
MAX_LISTED_NUMBERS = 4_096
MAX_LISTED_NUMBERS_IN_ALL = 65_536
# The least that a key with a one-byte value and a tensor without dimensions take in a file.
MIN_KEY_BYTES = 14
MIN_TENSOR_BYTES = 24
# Behind the last tensor: what tools put there to fill a block. llama.cpp maps a file with all that
# stands behind its tensors, and lets the system read it.
MAX_TAIL_BYTES = 16 << 20

MAGIC = b"GGUF"
# What people hold instead of a model, by how it begins.
IMPOSTORS = (
    (b"version https://git-lfs", "It is a Git LFS pointer; the model itself was not downloaded."),
    (b"<!doctype html", "It is a web page: the download went wrong."),
    (b"<html", "It is a web page: the download went wrong."),
)


class GgufArray(msgspec.Struct, frozen=True):
    """A list among the metadata. ``values`` is empty for texts and for more than
    `MAX_LISTED_NUMBERS` numbers: of these only the ``count`` is kept, and for texts how many
    ``n_bytes`` they have together."""

    element_type: int
    count: int
    values: tuple[int | float | bool, ...] = ()
    n_bytes: int = 0


class GgufTensor(msgspec.Struct, frozen=True):
    """One line of the tensor table. ``offset`` and ``size`` in bytes, within the tensor data."""

    name: str
    shape: tuple[int, ...]
    type_name: str
    offset: int
    size: int


class GgufHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What stands before a GGUF file's tensor data. ``data_start`` in bytes from the file's start.

    The properties are what can be read out of it; a text that is not there is empty, a number
    that is not there is 0.
    """

    version: int
    # Numbers and texts; texts over 1 MB are left out.
    metadata: dict[str, Scalar]
    arrays: dict[str, GgufArray]
    tensors: tuple[GgufTensor, ...]
    data_start: int

    def text(self, key: str) -> str:
        """The text at ``key``."""
        value = self.metadata.get(key)
        return value if isinstance(value, str) else ""

    def count(self, key: str) -> int:
        """The whole number >= 0 at ``key``."""
        value = self.metadata.get(key)
        return value if type(value) is int and value >= 0 else 0

    @property
    def architecture(self) -> str:
        """llama.cpp's word for how the model is built, such as ``llama``."""
        return self.text("general.architecture")

    @property
    def name(self) -> str:
        """The model's name as its maker wrote it."""
        return self.text("general.name")

    @property
    def size_label(self) -> str:
        """The number of parameters as the maker writes it, such as ``135M`` or ``8x7B``."""
        return self.text("general.size_label")

    @property
    def quantisation(self) -> str:
        """Such as ``Q4_K_M``: as declared, else the type of most of the tensor data."""
        declared = self.metadata.get("general.file_type")
        if type(declared) is int and declared & ~FILE_TYPE_GUESSED in FILE_TYPES:
            return FILE_TYPES[declared & ~FILE_TYPE_GUESSED]
        shares: Counter[str] = Counter()
        for tensor in self.tensors:
            shares[tensor.type_name] += tensor.size
        return shares.most_common(1)[0][0] if shares else ""

    @property
    def n_ctx_train(self) -> int:
        """The context length, in tokens, that the model was trained for."""
        return self.count(f"{self.architecture}.context_length")

    @property
    def n_layers(self) -> int:
        """Number of transformer blocks."""
        return self.count(f"{self.architecture}.block_count")

    @property
    def n_embedding(self) -> int:
        """Width of the model: numbers per token between two layers."""
        return self.count(f"{self.architecture}.embedding_length")

    @property
    def n_vocab(self) -> int:
        """Number of tokens in the vocabulary."""
        tokens = self.arrays.get("tokenizer.ggml.tokens")
        return tokens.count if tokens else self.count(f"{self.architecture}.vocab_size")

    @property
    def has_chat_template(self) -> bool:
        """Whether the file says how a conversation is written for this model."""
        return bool(self.text("tokenizer.chat_template"))

    @property
    def n_params(self) -> int:
        """Number of weights."""
        return sum(math.prod(tensor.shape) for tensor in self.tensors)

    @property
    def end(self) -> int:
        """Where the last tensor ends, in bytes from the file's start; of a single file."""
        last = self.tensors[-1] if self.tensors else None
        return self.data_start + (0 if last is None else last.offset + last.size)

    @property
    def tensor_bytes(self) -> int:
        """Size of all tensors in bytes, without the padding between them."""
        return sum(tensor.size for tensor in self.tensors)


def read_header(path: Path) -> GgufHeader:
    """Read and check the header of the file at ``path``. Blocks for some milliseconds.

    Raises `ModelNotFound` when nothing is there, `ModelLoadError` for everything else: not a
    regular file, not a GGUF, cut off, much longer than its tensors, damaged, of a version that is
    not supported, unreadable.
    """
    # Before opening it: to open a pipe or a device may wait for ever, or do something.
    size, name = regular_file_status(path).st_size, shown_name(path)
    with _system_errors_in_words(path), path.open("rb") as stream:
        header = parse_header(stream, size, name)
    if header.tensors and size - header.end > MAX_TAIL_BYTES:
        raise ModelLoadError(
            f"{name} is {format_bytes(size)} long, but its model ends after "
            f"{format_bytes(header.end)}: something else follows. Download it again, or cut it off "
            "there.",
            detail=f"The model has {header.end:,} of the file’s {size:,} bytes; "
            f"“truncate -s {header.end}” leaves just these.",
        )
    return header


def regular_file_status(path: Path) -> os.stat_result:
    """What the system says about the file at ``path``. Raises as `read_header` does."""
    name = shown_name(path)
    with _system_errors_in_words(path):
        try:
            status = path.stat()
        except ValueError as error:  # A zero byte, or what the file system cannot encode.
            raise ModelNotFound(f"{name} is not a file name.") from error
    if words := no_file_words(status.st_mode):
        raise ModelLoadError(f"{name} {words}")
    if status.st_size == 0:
        raise ModelLoadError(f"{name} is empty (0 bytes): the download may have failed.")
    return status


@contextmanager
def _system_errors_in_words(path: Path) -> Iterator[None]:
    name = shown_name(path)
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ModelNotFound(
            f"{name} is not there; it may have been moved or deleted.", detail=str(path)
        ) from error
    except OSError as error:
        reason = os_reason(error)
        raise ModelLoadError(f"{name} cannot be read: {reason}.", detail=str(path)) from error


def parse_header(stream: BinaryIO, size: int, name: str) -> GgufHeader:
    """Read a header from ``stream``, which can seek and stands for a file of ``size`` bytes.

    ``name`` is what error sentences call the file. Raises `ModelLoadError`; reading errors of the
    stream (`OSError`) pass through.
    """
    reader = HeaderReader(stream, size, name)
    version = _read_version(reader)
    n_tensors = reader.count("tensors", MAX_TENSORS, MIN_TENSOR_BYTES)
    n_keys = reader.count("metadata keys", MAX_KEYS, MIN_KEY_BYTES)
    metadata, arrays = _read_metadata(reader, n_keys)
    alignment = _alignment(reader, metadata)
    tensors = _read_tensors(reader, n_tensors, alignment)
    data_start = _padded(reader.position, alignment) if tensors else reader.position
    header = GgufHeader(
        version=version, metadata=metadata, arrays=arrays, tensors=tensors, data_start=data_start
    )
    reader.check_whole(header.end)
    check_shapes(header, name)
    return header


def _read_version(reader: HeaderReader) -> int:
    start = reader.peek(64)
    if not start.startswith(MAGIC):
        hints = [hint for begin, hint in IMPOSTORS if start.lower().startswith(begin)]
        raise ModelLoadError(" ".join([f"{reader.name} is not a GGUF file.", *hints]))
    reader.skip(len(MAGIC))
    version = reader.u32()
    if version and version & 0xFFFF == 0:
        raise ModelLoadError(
            f"{reader.name} is a GGUF file for big-endian machines, which Minerva cannot load."
        )
    if version == 1:
        raise ModelLoadError(
            f"{reader.name} is a GGUF file of version 1, which is no longer supported. "
            "Newer files of most models can be downloaded."
        )
    if version not in {2, 3}:
        raise ModelLoadError(
            f"{reader.name} says it is GGUF version {version}; versions 2 and 3 are supported."
        )
    return version


def _read_metadata(
    reader: HeaderReader, n_keys: int
) -> tuple[dict[str, Scalar], dict[str, GgufArray]]:
    metadata: dict[str, Scalar] = {}
    arrays: dict[str, GgufArray] = {}
    keys: set[str] = set()
    n_kept_left = MAX_LISTED_NUMBERS_IN_ALL
    for _ in range(n_keys):
        key = reader.text("a metadata key", MAX_KEY_BYTES)
        if not key:
            raise reader.damaged("a metadata key has no name")
        if key in keys:
            raise reader.damaged(f"the key “{one_line(key)}” is there twice")
        keys.add(key)
        value_type = reader.u32()
        if value_type == ARRAY_TYPE:
            arrays[key] = _read_array(reader, key, min(n_kept_left, MAX_LISTED_NUMBERS))
            n_kept_left -= len(arrays[key].values)
            continue
        value = _read_value(reader, key, value_type)
        if key == "general.alignment" and value_type != UINT32_TYPE:
            raise reader.damaged("its alignment is of the wrong type")
        if value is not None:
            metadata[key] = value
    return metadata, arrays


def _read_value(reader: HeaderReader, key: str, value_type: int) -> Scalar | None:
    if value_type == STRING_TYPE:
        return reader.text_value()
    layout = NUMBER_LAYOUTS.get(value_type)
    if layout is None:
        raise reader.damaged(f"the key “{one_line(key)}” has an unknown type ({value_type})")
    return reader.number(layout)


def _read_array(reader: HeaderReader, key: str, max_kept: int) -> GgufArray:
    element_type = reader.u32()
    count = reader.u64()
    if element_type == STRING_TYPE:
        return GgufArray(element_type, count, n_bytes=reader.skip_texts(count))
    layout = NUMBER_LAYOUTS.get(element_type)
    if layout is None:
        raise reader.damaged(f"the list “{one_line(key)}” has an unknown type ({element_type})")
    if count <= max_kept:
        values = tuple(reader.number(layout) for _ in range(count))
        return GgufArray(element_type, count, values)
    reader.skip(count * layout.size)
    return GgufArray(element_type, count)


def _alignment(reader: HeaderReader, metadata: dict[str, Scalar]) -> int:
    alignment = metadata.get("general.alignment", DEFAULT_ALIGNMENT)
    if type(alignment) is not int or alignment.bit_count() != 1:
        raise reader.damaged(f"its alignment ({alignment}) is not a power of two")
    return alignment


def _read_tensors(reader: HeaderReader, n_tensors: int, alignment: int) -> tuple[GgufTensor, ...]:
    tensors: list[GgufTensor] = []
    names: set[str] = set()
    expected_offset = 0
    for _ in range(n_tensors):
        tensor = _read_tensor(reader)
        if tensor.name in names:
            raise reader.damaged(f"the tensor “{one_line(tensor.name)}” is there twice")
        if tensor.offset != expected_offset:
            raise reader.damaged(
                f"the tensor “{one_line(tensor.name)}” is at {tensor.offset:,} instead of "
                f"{expected_offset:,}"
            )
        names.add(tensor.name)
        tensors.append(tensor)
        expected_offset = _padded(tensor.offset + tensor.size, alignment)
    return tuple(tensors)


def _read_tensor(reader: HeaderReader) -> GgufTensor:
    name = reader.text("a tensor's name", MAX_TENSOR_NAME_BYTES)
    n_dimensions = reader.u32()
    if n_dimensions > MAX_DIMENSIONS:
        raise reader.damaged(f"the tensor “{one_line(name)}” has {n_dimensions:,} dimensions")
    shape = tuple(reader.u64() for _ in range(n_dimensions))
    type_number = reader.u32()
    kind = TENSOR_TYPES.get(type_number)
    if kind is None:
        raise ModelLoadError(
            f"{reader.name} stores weights in a format (number {type_number}) that this version "
            "of Minerva does not know. The file is damaged, or newer than Minerva.",
            detail=f"tensor {one_line(name)}, {reader.place()}",
        )
    n_elements = math.prod(shape)
    row_length = shape[0] if shape else 1
    if max(*shape, n_elements, 0) > MAX_INT64 or row_length % kind.block_length:
        raise reader.damaged(f"the tensor “{one_line(name)}” has an impossible shape {shape}")
    size = n_elements // kind.block_length * kind.block_bytes
    return GgufTensor(name, shape, kind.name, reader.u64(), size)


def _padded(position: int, alignment: int) -> int:
    return -(-position // alignment) * alignment
