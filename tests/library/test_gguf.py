"""The header reader, on the model that ships and on files built to be wrong."""

from __future__ import annotations

import ctypes
import io
import os
import random
import socket
import struct
import time
import tracemalloc
from importlib.util import find_spec
from pathlib import Path

import pytest

from minerva_desktop.errors import ModelLoadError, ModelNotFound
from minerva_desktop.library.catalog import find_embedded_model
from minerva_desktop.library.gguf import MAX_TAIL_BYTES, GgufHeader, parse_header, read_header
from minerva_desktop.library.gguf_types import TENSOR_TYPES
from tests.library.gguf_writer import (
    LLAMA,
    Q4_0,
    TENSORS,
    Tensor,
    Value,
    gguf_bytes,
    text,
    write_gguf,
)

NAME = "“x.gguf”"


def parse(content: bytes, size: int | None = None) -> GgufHeader:
    return parse_header(io.BytesIO(content), len(content) if size is None else size, NAME)


def refusal(content: bytes, size: int | None = None) -> str:
    with pytest.raises(ModelLoadError) as caught:
        parse(content, size)
    return caught.value.message


def test_header_of_the_embedded_model() -> None:
    path = find_embedded_model()
    assert path is not None
    header = read_header(path)
    assert header.version == 3
    assert header.architecture == "llama"
    assert header.name == "Smollm2 135M 8k Lc100K Mix1 Ep2"
    assert header.size_label == "135M"
    assert header.quantisation == "Q4_1"
    assert header.n_ctx_train == 8192
    assert header.n_layers == 30
    assert header.n_embedding == 576
    assert header.n_vocab == 49152
    assert header.n_params == 134_515_008
    assert header.tensor_bytes == 96_576_768
    assert header.has_chat_template
    assert len(header.tensors) == 272
    assert header.data_start + header.tensors[-1].offset + header.tensors[-1].size == (
        path.stat().st_size
    )
    assert header.metadata["llama.rope.freq_base"] == 100_000.0
    assert header.metadata["tokenizer.ggml.add_bos_token"] is False
    assert header.arrays["tokenizer.ggml.merges"].count == 48900


def test_facts_of_a_small_file() -> None:
    header = parse(gguf_bytes())
    assert header.quantisation == "Q4_0"
    assert header.n_vocab == 5
    assert header.n_params == 32 * 5 + 32
    assert header.tensor_bytes == 5 * 18 + 32 * 4
    assert [tensor.offset for tensor in header.tensors] == [0, 96]
    assert header.tensors[0].shape == (32, 5)


def test_what_a_header_does_not_say_is_empty_or_zero() -> None:
    header = parse(gguf_bytes({"general.name": 5, "llama.block_count": "two"}, []))
    assert header.architecture == header.name == header.quantisation == header.size_label == ""
    assert header.n_ctx_train == header.n_layers == header.n_vocab == header.n_params == 0
    assert not header.has_chat_template


def test_quantisation_from_the_tensors_when_none_is_declared() -> None:
    undeclared = {key: value for key, value in LLAMA.items() if key != "general.file_type"}
    assert parse(gguf_bytes(undeclared)).quantisation == "F32"
    tensors = [*TENSORS, Tensor("blk.0.weight", (32, 32), Q4_0)]
    assert parse(gguf_bytes(undeclared, tensors)).quantisation == "Q4_0"
    assert parse(gguf_bytes({**LLAMA, "general.file_type": 1024 + 15})).quantisation == "Q4_K_M"


def test_version_2_and_other_alignments_are_read() -> None:
    assert parse(gguf_bytes(version=2)).version == 2
    header = parse(gguf_bytes({**LLAMA, "general.alignment": 64}, alignment=64))
    assert header.data_start % 64 == 0
    assert header.tensors[1].offset == 128


def test_texts_that_are_not_utf8_or_very_long_do_no_harm() -> None:
    name = struct.pack("<IQ", 8, 4) + b"a\xff\xfeb"
    tokenizer = struct.pack("<IQ", 8, 3_000_000) + bytes(3_000_000)
    header = parse(gguf_bytes({**LLAMA, "general.name": name, "tokenizer.huggingface": tokenizer}))
    assert header.name == "a\ufffd\ufffdb"
    assert "tokenizer.huggingface" not in header.metadata
    assert header.n_layers == 2


def test_lists_longer_than_a_chunk_are_stepped_over() -> None:
    tokens = ["x" * (index % 3000) for index in range(2000)]
    header = parse(gguf_bytes({"tokenizer.ggml.tokens": tokens, **LLAMA, "a": [7] * 300_000}))
    assert header.arrays["a"].count == 300_000
    assert header.n_layers == 2


WRONG_VERSIONS = {
    1: "version 1, which is no longer supported",
    0: "version 0; versions 2 and 3 are supported",
    4: "version 4; versions 2 and 3 are supported",
    0x03000000: "for big-endian machines",
}


@pytest.mark.parametrize("version", WRONG_VERSIONS)
def test_other_versions_are_refused(version: int) -> None:
    assert WRONG_VERSIONS[version] in refusal(gguf_bytes(version=version))


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        (b"PK\x03\x04" + bytes(100), ""),
        (b"GGU", ""),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1", "Git LFS pointer"),
        (b"<!DOCTYPE html><html><body>Not found", "web page"),
    ],
)
def test_what_is_no_gguf_is_called_so(content: bytes, hint: str) -> None:
    message = refusal(content)
    assert message.startswith(f"{NAME} is not a GGUF file.")
    assert hint in message


def test_a_truncated_file_says_how_much_is_there() -> None:
    path = find_embedded_model()
    assert path is not None
    with path.open("rb") as stream, pytest.raises(ModelLoadError) as caught:
        parse_header(stream, 12_000_000, NAME)
    assert caught.value.message == (
        f"{NAME} is cut off: it should be 98.4 MB, but the last 86.4 MB are missing. "
        "Download it again."
    )
    assert caught.value.detail == "12,000,000 of 98,362,432 bytes are there"


def test_a_file_that_goes_on_long_after_its_tensors_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "long.gguf"
    content = gguf_bytes()
    path.write_bytes(content)
    end = read_header(path).end
    assert end <= len(content)
    os.truncate(path, end + MAX_TAIL_BYTES)  # what fills a block
    assert read_header(path).end == end
    for size in (end + MAX_TAIL_BYTES + 1, 3 << 40):
        os.truncate(path, size)
        with pytest.raises(ModelLoadError, match="something else follows") as caught:
            read_header(path)
        assert f"{end:,} of the file’s {size:,} bytes" in caught.value.detail
        assert f"“truncate -s {end}”" in caught.value.detail


def test_every_truncation_of_a_small_file_is_refused() -> None:
    content = gguf_bytes()
    for size in range(4, len(content)):
        assert "is cut off" in refusal(content[:size])


def named(name: str, value: Value) -> bytes:
    return gguf_bytes([("general.architecture", "llama"), (name, value)])


DAMAGED = {
    "the key “a” is there twice": gguf_bytes([("a", 1), ("a", 2)]),
    "a metadata key has no name": named("", 1),
    "a metadata key is 70.0 kB long": named("k" * 70_000, 1),
    "the key “a” has an unknown type (13)": named("a", struct.pack("<IQ", 13, 0)),
    "the list “a” has an unknown type (9)": named("a", struct.pack("<IIQ", 9, 9, 0)),
    "its alignment (0) is not a power of two": named("general.alignment", 0),
    "its alignment (48) is not a power of two": named("general.alignment", 48),
    "its alignment is of the wrong type": named("general.alignment", "32"),
    "claims to have 18,446,744,073,709,551,615 tensors": gguf_bytes(n_tensors=2**64 - 1),
    "claims to have 70,000 metadata keys": gguf_bytes(n_keys=70_000),
    "the tensor “t” is there twice": gguf_bytes(tensors=[Tensor("t", (8,)), Tensor("t", (8,))]),
    "a tensor's name is 64 bytes long": gguf_bytes(tensors=[Tensor("n" * 64, (8,))]),
    "the tensor “t” has 5 dimensions": gguf_bytes(tensors=[Tensor("t", (1,) * 5)]),
    "an impossible shape (33, 2)": gguf_bytes(tensors=[Tensor("t", (33, 2), Q4_0)]),
    "an impossible shape (4294967296, 4294967296)": gguf_bytes(
        tensors=[Tensor("t", (2**32, 2**32))]
    ),
    "the tensor “t” is at 64 instead of 0": gguf_bytes(tensors=[Tensor("t", (8,), offset=64)]),
}


@pytest.mark.parametrize("what", DAMAGED)
def test_a_damaged_header_says_what_is_wrong(what: str) -> None:
    message = refusal(DAMAGED[what])
    assert message.startswith(f"{NAME} is damaged: ")
    assert what in message


def test_an_unknown_tensor_type_is_no_crash() -> None:
    message = refusal(gguf_bytes(tensors=[Tensor("t", (8,), 4)]))
    assert "stores weights in a format (number 4) that this version of Minerva does not know" in (
        message
    )


@pytest.mark.parametrize("claimed", [2**31, 2**62, 2**63, 2**64 - 1])
def test_numbers_in_the_file_are_not_believed(claimed: int) -> None:
    length = struct.pack("<Q", claimed)
    prefix = b"GGUF" + struct.pack("<IQQ", 3, 1, 2) + text("a")
    room = bytes(4096)
    tracemalloc.start()
    try:
        for content in (
            b"GGUF" + struct.pack("<IQQ", 3, claimed, claimed) + room,
            b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + length + room,
            prefix + struct.pack("<I", 8) + length + room,
            prefix + struct.pack("<II", 9, 8) + length + room,
            prefix + struct.pack("<II", 9, 12) + length + room,
            prefix + struct.pack("<IIQ", 9, 8, 3) + length + room,
            prefix + struct.pack("<IIQ", 9, 8, 3) + text("a") + text("b") + length + room,
            gguf_bytes(tensors=[Tensor("t", (claimed,))]),
        ):
            refusal(content)
        assert tracemalloc.get_traced_memory()[1] < 10**7
    finally:
        tracemalloc.stop()


def test_no_header_takes_64_mb_to_read() -> None:
    # One emoji makes Python keep all of a text with four bytes a character.
    heavy = ("😀" + "a" * 999_990).encode()
    long = struct.pack("<Q", len(heavy)) + heavy
    numbers = struct.pack("<IIQ", 9, 12, 4096) + struct.pack("<4096d", *range(4096))
    tensors = b"".join(
        text(f"t{number:057}") + struct.pack("<IQQQQIQ", 4, 8, 1, 1, 1, 0, 32 * number)
        for number in range(16_384)
    )
    for n_texts, words in ((6, None), (15, "more than 8.0 MB of text")):
        keys = [text(f"k{number}") + struct.pack("<I", 8) + long for number in range(n_texts)]
        keys += [text(f"l{number}") + numbers for number in range(16)]
        keys += [text(f"m{number}") + struct.pack("<II", 4, number) for number in range(16_000)]
        head = b"GGUF" + struct.pack("<IQQ", 3, 16_384, len(keys))
        content = head + b"".join(keys) + tensors
        size = len(content) + 32 * 16_384 + 64
        tracemalloc.start()
        if words is None:
            assert len(parse_header(io.BytesIO(content), size, "“x”").tensors) == 16_384
        else:
            with pytest.raises(ModelLoadError, match=words):
                parse_header(io.BytesIO(content), size, "“x”")
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 48 * 10**6


def test_a_huge_sparse_file_is_refused_at_once(tmp_path: Path) -> None:
    # Its metadata claims lists as long as the size allows, all of zeros.
    path = tmp_path / "sparse.gguf"
    start = b"GGUF" + struct.pack("<IQQ", 3, 0, 10_000) + text("a")
    for listed in (8, 12):
        path.write_bytes(start + struct.pack("<IIQ", 9, listed, 2**36))
        os.truncate(path, 2**40)
        begin = time.perf_counter()
        with pytest.raises(ModelLoadError, match=r"texts|larger than any model needs"):
            read_header(path)
        assert time.perf_counter() - begin < 10.0


def test_folders_pipes_devices_sockets_and_empty_files_are_refused(tmp_path: Path) -> None:
    fifo, empty, address = tmp_path / "fifo.gguf", tmp_path / "empty.gguf", tmp_path / "s"
    os.mkfifo(fifo)
    empty.touch()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(address))
        for path, sentence in {
            tmp_path: f"“{tmp_path.name}” is a folder: choose a GGUF file in it.",
            fifo: "“fifo.gguf” is a pipe, not a GGUF file.",
            Path("/dev/null"): "“null” is a device or socket, not a GGUF file.",
            address: "“s” is a device or socket, not a GGUF file.",
            empty: "“empty.gguf” is empty (0 bytes): the download may have failed.",
        }.items():
            with pytest.raises(ModelLoadError) as caught:
                read_header(path)
            assert caught.value.message == sentence


def test_files_that_are_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "gone.gguf", write_gguf(tmp_path / "a.gguf") / "b.gguf"):
        with pytest.raises(ModelNotFound, match="is not there; it may"):
            read_header(path)
    for name in ("a\0b", "a\ud800b"):
        with pytest.raises(ModelNotFound, match="is not a file name"):
            read_header(tmp_path / name)
    loop = tmp_path / "loop.gguf"
    loop.symlink_to(loop)
    with pytest.raises(ModelLoadError, match="cannot be read: its links lead back to themselves"):
        read_header(loop)


def test_a_vocabulary_of_262144_tokens_is_read_fast() -> None:
    random.seed(0)
    tokens = ["x" * random.randint(1, 14) for _ in range(262_144)]
    tensors = [
        Tensor("token_embd.weight", (32, 262_144), Q4_0),
        Tensor("output_norm.weight", (32,)),
    ]
    content = gguf_bytes({**LLAMA, "tokenizer.ggml.tokens": tokens}, tensors)
    size = len(content) + 32 * 262_144
    durations = []
    for _ in range(5):
        begin = time.perf_counter()
        assert parse(content, size).n_vocab == 262_144
        durations.append(time.perf_counter() - begin)
    # 20 ms on a quiet machine; the bound leaves room for a busy one.
    assert min(durations) < 5.0


def test_tensor_types_are_those_of_the_installed_llama_cpp() -> None:
    spec = find_spec("llama_cpp")
    assert spec is not None
    assert spec.origin is not None
    [library, *_] = sorted((Path(spec.origin).parent / "lib").glob("*ggml-base.*"))
    ggml = ctypes.CDLL(str(library))
    ggml.ggml_type_name.restype = ctypes.c_char_p
    ggml.ggml_blck_size.restype = ctypes.c_int64
    ggml.ggml_type_size.restype = ctypes.c_size_t
    known = {
        number: (
            ggml.ggml_type_name(number).decode().upper(),
            ggml.ggml_blck_size(number),
            ggml.ggml_type_size(number),
        )
        for number in range(max(TENSOR_TYPES) + 1)
        if ggml.ggml_blck_size(number)
    }
    assert {number: tuple(kind) for number, kind in TENSOR_TYPES.items()} == known
