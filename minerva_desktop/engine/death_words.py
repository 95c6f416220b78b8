"""How an engine child ended, in one sentence for whoever waits for it. Pure text; any thread."""

from __future__ import annotations

import re

from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.engine.process import (
    BAD_ADDRESS,
    BUS_ERROR,
    ILLEGAL_INSTRUCTION,
    describe_exit,
)

KILLED = -9
# ggml ends the process when it gets no memory amid a step (ggml-cuda.cu, ``ggml_cuda_error``;
# with Vulkan an exception that nobody catches).
_GPU_IS_FULL = re.compile(
    r"(?:CUDA|ROCm) error: (?:out of memory|.*allocation failed)|ErrorOutOfDeviceMemory"
)
# The same of the system's memory: ggml's allocator, those of C++, Python and the threads that
# compute, and the loader of libraries, which has none for what each thread has of its own.
_MEMORY_IS_FULL = re.compile(
    r"ggml_aligned_malloc: insufficient memory|std::bad_alloc|^MemoryError\b"
    r"|can't start new thread|libgomp: (?:Thread creation failed|Out of memory)"
    r"|cannot allocate memory for thread-local data|failed to allocate compute",
    re.MULTILINE,
)
# What it says before it takes the memory of its graphs, which it does not look at: of 74 processes
# in little room whose adapter needed larger ones, 3 ended there without another word.
_TAKES_MEMORY = "sched_reserve: reserving ..."
_HELPS = "close other programs, or load the model with a smaller context"
_LAST_LINES = 5  # what was refused earlier was done without


def death_sentence(name: str, code: int, words: str, options: LoadOptions) -> str:
    """What happened to the engine of model ``name``, and what helps, where that is known. ``code``
    is that of `ChildProcess.wait`, ``words`` the end of its stderr; ``options`` are those that
    its model was loaded with."""
    sentence = f"The engine that ran {name} stopped ({describe_exit(code)})"
    if code == KILLED:
        sentence += "; it was killed from outside, perhaps because memory ran out"
    elif code == BUS_ERROR and options.use_mmap:
        # What it read was mapped, and no longer in the file.
        sentence += (
            f"; {_mapped(options)} was changed or cut while in use: put the whole file back, then"
            " load the model again"
        )
    elif code == ILLEGAL_INSTRUCTION:
        sentence += "; this llama.cpp is built for processors that can do more than this one"
    elif _GPU_IS_FULL.search(words):
        sentence += (
            "; the memory of the GPU ran out: close what else uses it, or load the model with "
            "fewer layers there or a smaller context"
        )
    elif _MEMORY_IS_FULL.search("\n".join(words.splitlines()[-_LAST_LINES:])):
        sentence += f"; it got no more memory from the system: {_HELPS}"
    elif code == BAD_ADDRESS and words.rstrip().endswith(_TAKES_MEMORY):
        sentence += f"; it was taking memory, of which perhaps there was no more: {_HELPS}"
    return sentence


def _mapped(options: LoadOptions) -> str:
    """The files that were mapped into its memory; nothing tells which of two it was."""
    speculation = options.speculation
    draft = None if speculation is None else speculation.draft_path
    return "its file" if draft is None else f"its file, or that of its draft model {draft.name},"
