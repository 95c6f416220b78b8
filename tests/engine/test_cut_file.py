"""A model's file that is cut while its model is in use, or goes while it is loaded; and what a
child leaves that fails.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
from pathlib import Path

import pytest

from minerva_desktop.engine.core.llama_log import load_error
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.load_options import LoadOptions, SnapshotOptions, Speculation
from minerva_desktop.errors import EngineDied, ModelLoadError, OutOfMemory

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows locks mapped files")

# A child in which something comes before the plan of its model's context.
BEFORE_THE_CONTEXT = """
import os, runpy
from minerva_desktop.engine.core import loading
plan = loading.context_plan
def late_plan(*arguments):
    {before}
    return plan(*arguments)
loading.context_plan = late_plan
runpy.run_module("minerva_desktop.engine.child", run_name="__main__")
"""
EXPLANATION = "its file was changed or cut while in use: put the whole file back"


async def test_the_death_of_a_mapped_model_says_what_happened_and_what_to_do(
    small_path: Path, tmp_path: Path
) -> None:
    path = tmp_path / "cut.gguf"
    shutil.copy(small_path, path)
    engine = LlamaEngine(path)
    await engine.load(options=LoadOptions(n_ctx=512, use_mmap=True))
    os.truncate(path, 4096)
    with pytest.raises(EngineDied, match="SIGBUS") as caught:
        await engine.generate("The sea", 200).text()
    assert EXPLANATION in caught.value.message
    assert caught.value.message.startswith("The engine that ran cut.gguf stopped")
    await engine.unload()


async def test_a_draft_model_s_file_may_be_the_one(small_path: Path, tmp_path: Path) -> None:
    draft = tmp_path / "draft.gguf"
    shutil.copy(small_path, draft)
    engine = LlamaEngine(small_path)
    speculation = Speculation(draft_model=bytes(draft))
    await engine.load(options=LoadOptions(n_ctx=512, speculation=speculation))
    os.truncate(draft, 4096)
    with pytest.raises(EngineDied, match="SIGBUS") as caught:
        await engine.generate("The sea", 200).text()
    told = caught.value.message
    assert told.startswith(f"The engine that ran {small_path.name} stopped")
    assert "its file, or that of its draft model draft.gguf, was changed or cut" in told
    await engine.unload()


async def test_where_the_file_is_not_mapped_it_is_not_blamed(
    small_path: Path, tmp_path: Path
) -> None:
    path = tmp_path / "cut.gguf"
    shutil.copy(small_path, path)
    engine = LlamaEngine(path)
    await engine.load(options=LoadOptions(n_ctx=512, use_mmap=False))
    os.truncate(path, 4096)
    assert await engine.generate("The sea", 4).text()
    stream = engine.generate("The sea", 400)
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGBUS)
    with pytest.raises(EngineDied, match="SIGBUS") as caught:
        await stream.text()
    assert EXPLANATION not in caught.value.message
    await engine.unload()


def _with_snapshots(folder: Path) -> LoadOptions:
    return LoadOptions(n_ctx=512, snapshots=SnapshotOptions(bytes(folder), 10**8))


async def test_a_file_that_goes_while_it_is_loaded_is_said_in_words(
    small_path: Path, tmp_path: Path
) -> None:
    path = tmp_path / "gone.gguf"
    shutil.copy(small_path, path)
    child = BEFORE_THE_CONTEXT.format(before=f"os.unlink({str(path)!r})")
    engine = LlamaEngine(path, command=[sys.executable, "-c", child])
    with pytest.raises(ModelLoadError) as caught:
        await engine.load(options=_with_snapshots(tmp_path / "snapshots"))
    assert caught.value.message == "gone.gguf cannot be read any more: it is not there"


async def test_a_whole_model_that_is_named_as_a_part_of_one_is_loaded(
    small_path: Path, tmp_path: Path
) -> None:
    path = tmp_path / "merged-00001-of-00002.gguf"
    shutil.copy(small_path, path)
    engine = LlamaEngine(path)
    await engine.load(options=_with_snapshots(tmp_path / "snapshots"))
    assert await engine.generate("The sea", 4).text()
    await engine.unload()


async def test_a_child_that_fails_leaves_the_reason_as_its_last_words(small_path: Path) -> None:
    """It was ended by SIGABRT instead, with the interpreter's words about that, behind 190 lines
    that llama.cpp logs for its own developers."""
    child = BEFORE_THE_CONTEXT.format(before="raise RuntimeError('what nobody expected')")
    engine = LlamaEngine(small_path, command=[sys.executable, "-c", child])
    with pytest.raises(EngineDied, match=r"stopped \(exit code 1\)") as caught:
        await engine.load(options=LoadOptions(n_ctx=512))
    assert caught.value.detail.endswith("RuntimeError: what nobody expected")


async def test_what_llama_cpp_logs_for_its_developers_is_no_last_word(small_path: Path) -> None:
    engine = LlamaEngine(small_path)
    await engine.load(options=LoadOptions(n_ctx=512))
    stream = engine.generate("The sea", 400)
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGSEGV)
    with pytest.raises(EngineDied) as caught:
        await stream.text()
    assert "llama_context: constructing" in caught.value.detail
    assert "is used by node" not in caught.value.detail
    await engine.unload()


@pytest.mark.parametrize(
    "words", ["CUDA error: out of memory", "vk::Device::allocateMemory: ErrorOutOfDeviceMemory"]
)
async def test_a_gpu_that_is_full_is_named_as_the_reason(small_path: Path, words: str) -> None:
    """As ggml ends a process that gets no memory amid a step."""
    last = f"import sys; print({words!r}, file=sys.stderr); os.abort()"
    child = BEFORE_THE_CONTEXT.format(before=last)
    engine = LlamaEngine(small_path, command=[sys.executable, "-c", child])
    with pytest.raises(EngineDied, match=r"SIGABRT\); the memory of the GPU ran out: close what"):
        await engine.load(options=LoadOptions(n_ctx=512))


@pytest.mark.parametrize(
    "words",
    [
        "ggml_aligned_malloc: insufficient memory (attempted to allocate  41.96 MB)",
        "terminate called after throwing an instance of 'std::bad_alloc'",
        "libgomp: Thread creation failed: Resource temporarily unavailable",
        "libgomp: Out of memory allocating 384 bytes",
        "cannot allocate memory for thread-local data: ABORT",
        "what():  failed to allocate compute pp buffers",
    ],
)
async def test_memory_that_ran_out_is_named_as_the_reason(small_path: Path, words: str) -> None:
    """As ggml, C++, OpenMP and the C library end a process that gets none; measured with a limit of
    its address space."""
    last = f"import sys; print({words!r}, file=sys.stderr); os.abort()"
    child = BEFORE_THE_CONTEXT.format(before=last)
    engine = LlamaEngine(small_path, command=[sys.executable, "-c", child])
    with pytest.raises(
        EngineDied, match=r"SIGABRT\); it got no more memory from the system: close"
    ):
        await engine.load(options=LoadOptions(n_ctx=512))


async def test_memory_is_named_where_it_was_taken_when_the_process_ended(small_path: Path) -> None:
    """As a graph that grows with an adapter ends it in little room, without words."""
    words = "print('sched_reserve: reserving ...', file=sys.stderr)"
    last = f"import signal, sys; {words}; os.kill(os.getpid(), signal.SIGSEGV)"
    child = BEFORE_THE_CONTEXT.format(before=last)
    engine = LlamaEngine(small_path, command=[sys.executable, "-c", child])
    with pytest.raises(
        EngineDied, match=r"SIGSEGV\); it was taking memory, of which perhaps there"
    ):
        await engine.load(options=LoadOptions(n_ctx=512))


async def test_memory_that_was_short_before_is_not_taken_for_the_reason(small_path: Path) -> None:
    early = "ggml_aligned_malloc: insufficient memory (attempted to allocate  41.96 MB)"
    last = f"import sys; print({early!r}, *'12345', sep='\\n', file=sys.stderr); os.abort()"
    child = BEFORE_THE_CONTEXT.format(before=last)
    engine = LlamaEngine(small_path, command=[sys.executable, "-c", child])
    with pytest.raises(EngineDied, match=r"SIGABRT\)$"):
        await engine.load(options=LoadOptions(n_ctx=512))


# Nothing that starts later gets a thread, as where the system has no memory for its stack.
NO_THREADS = """
import threading
    def refuse(thread): raise RuntimeError("can't start new thread")
    threading.Thread.start = refuse"""


@pytest.mark.parametrize("before", [NO_THREADS.strip(), "raise MemoryError"])
async def test_a_load_for_which_python_has_no_memory_is_refused(
    small_path: Path, before: str
) -> None:
    """The child died of it, with a traceback for its last words."""
    child = BEFORE_THE_CONTEXT.format(before=before)
    engine = LlamaEngine(small_path, command=[sys.executable, "-c", child])
    with pytest.raises(OutOfMemory) as caught:
        await engine.load(options=LoadOptions(n_ctx=512))
    assert caught.value.message == f"Not enough memory to load {small_path.name}"
    assert "Traceback" not in caught.value.detail


# What is there when llama.cpp's libraries are, and room for all but the model's file.
LITTLE_ROOM = """
import psutil, resource, runpy
from minerva_desktop.engine.core import loop
room = psutil.Process().memory_info().vms + 90_000_000
resource.setrlimit(resource.RLIMIT_AS, (room, room))
runpy.run_module("minerva_desktop.engine.child", run_name="__main__")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the limit is none")
async def test_a_file_for_which_the_system_has_no_room_is_too_large(model_path: Path) -> None:
    engine = LlamaEngine(model_path, command=[sys.executable, "-c", LITTLE_ROOM])
    with pytest.raises(OutOfMemory) as caught:
        await engine.load(options=LoadOptions(n_ctx=512))
    assert caught.value.message == f"Not enough memory to load {model_path.name}"
    # Where a thread takes 64 MB for what it allocates, there is none for the vocabulary already.
    assert re.search(r"mmap failed|std::bad_alloc", caught.value.detail)


@pytest.mark.parametrize(
    "words",
    [
        "llama_model_load: error loading model: error loading model vocabulary: std::bad_alloc",
        "gguf_read_emplace_helper: encountered bad_alloc error while reading value for key 'a'",
    ],
)
def test_what_is_neither_mapped_nor_in_a_buffer_needs_memory_too(words: str) -> None:
    """As llama.cpp logs it with room for 14 MB, and for 68 MB where a draft model's vocabulary
    comes after the model's; it was called a file that it cannot load."""
    error = load_error("small.gguf", [words, "llama_model_load: failed to load model"])
    assert (type(error), error.message) == (OutOfMemory, "Not enough memory to load small.gguf")
