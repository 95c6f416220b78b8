"""Mutated GGUF files: whatever is in them, the reader answers, within a second, in a sentence."""

from __future__ import annotations

import io
import os
import re
import struct
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fuzz_gguf
from minerva_desktop.errors import ModelLoadError
from minerva_desktop.library.catalog import find_embedded_model
from minerva_desktop.library.gguf import parse_header
from minerva_desktop.library.model_file import read_model_file
from tests.library.gguf_writer import gguf_bytes

T = TypeVar("T")

SMALL = gguf_bytes()
# Numbers at which bounds checks go wrong, in the widths that the format has.
EDGES = [
    struct.pack(layout, value)
    for layout, bits in (("<I", 32), ("<Q", 64))
    for value in (0, 1, 9, 2**16, 2 ** (bits - 1) - 1, 2 ** (bits - 1), 2**bits - 8, 2**bits - 1)
]
PIECES = st.one_of(st.sampled_from(EDGES), st.binary(min_size=0, max_size=12))


@cache
def embedded() -> tuple[bytes, int]:
    """The real header, and the size of the file that it stands in."""
    path = find_embedded_model()
    assert path is not None
    with path.open("rb") as stream:
        start = parse_header(stream, path.stat().st_size, path.name).data_start
        stream.seek(0)
        return stream.read(start), path.stat().st_size


def mutated(content: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    """``content`` with pieces put over some bytes, between some, or in place of some."""
    for at, replaced, piece in changes:
        content = content[:at] + piece + content[at + replaced :]
    return content


def changes(end: int) -> st.SearchStrategy[list[tuple[int, int, bytes]]]:
    change = st.tuples(st.integers(0, end), st.sampled_from([0, 1, 4, 8, 100]), PIECES)
    return st.lists(change, min_size=1, max_size=5)


def outcome(read: Callable[[], T]) -> T | ModelLoadError:
    try:
        return read()
    except ModelLoadError as error:
        return error


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "fuzz.gguf"


@settings(max_examples=200, deadline=1000)
@given(changes=changes(len(SMALL)))
def test_a_small_file_mutated(path: Path, changes: list[tuple[int, int, bytes]]) -> None:
    path.write_bytes(mutated(SMALL, changes))
    result = outcome(lambda: read_model_file(path))
    if isinstance(result, ModelLoadError):
        assert result.message.startswith("“fuzz.gguf” ")
    else:
        assert result.name == "fuzz"
        assert result.parameters


@settings(max_examples=60, deadline=1000)
@given(changes=st.one_of(changes(1_000), changes(1_785_000)))
def test_the_embedded_models_header_mutated(changes: list[tuple[int, int, bytes]]) -> None:
    content, size = embedded()
    stream = io.BytesIO(mutated(content, changes))
    result = outcome(lambda: parse_header(stream, size, "“x”"))
    if isinstance(result, ModelLoadError):
        assert result.message.startswith("“x” ")
    else:
        assert result.n_params >= 0
        assert result.n_vocab >= 0
        assert isinstance(result.quantisation, str)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_five_million_small_headers_mutated() -> None:
    counts = ["--cases", "5000000", "--processes", str(os.cpu_count() or 1)]
    command = [sys.executable, fuzz_gguf.__file__, *counts]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    found = re.search(r"([\d,]+) of 5,000,000 headers were accepted", done.stdout)
    assert found is not None
    assert 25_000 < int(found[1].replace(",", "")) < 2_500_000


@pytest.mark.slow
@pytest.mark.skipif(find_spec("atheris") is None, reason="atheris is not installed")
def test_headers_that_atheris_makes() -> None:
    assert fuzz_gguf.main(["--guided", "60"]) == 0


def test_every_header_that_the_fuzzer_begins_with_is_whole() -> None:
    for content in fuzz_gguf.whole_headers():
        size = len(content) + fuzz_gguf.DATA_SIZES[0]
        assert parse_header(io.BytesIO(content), size, "“x”").n_vocab == 4
        assert len(content) < 1_000
