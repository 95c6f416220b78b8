"""llama.cpp's log: to stderr, to what a load reports, and to the reason when it fails."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import Any

from minerva_desktop.engine.core.bindings import llama
from minerva_desktop.errors import InferenceError, InvalidRequest, ModelLoadError, OutOfMemory
from minerva_desktop.units import format_bytes

_LOG_DEBUG = 1  # GGML_LOG_LEVEL_DEBUG
_LOG_ERROR = 4  # GGML_LOG_LEVEL_ERROR
_LOG_CONTINUE = 5  # GGML_LOG_LEVEL_CONT: goes on with the line before
_KEPT_LINES = 20
_ALLOCATION_FAILED = -2  # of llama_decode
# What ggml says for all of its backends: whose buffer, and its size in bytes.
_REFUSED_BUFFER = re.compile(r"failed to allocate (\S+) buffer of size (\d+)")
_FILE_REFUSED = "failed to load model from "
_NO_GGUF = re.compile(r"^gguf_init\w*: (.+)$", re.MULTILINE)
# What llama.cpp says of a KV cache that it cannot make: for models that it has no flash attention
# for (Grok), and for such whose heads its blocks do not divide.
_NO_FLASH_ATTENTION = "quantized V cache requires flash_attn"
_HEADS = re.compile(r"([KV]) cache type (\w+) with block size (\d+) does not divide \w+=(\d+)")
_MEMORY_WORDS = (
    "out of memory", "failed to allocate", "unable to allocate", "cudamalloc failed",
    "cannot allocate memory",  # the system, of a file that is to be mapped
    "bad_alloc",  # C++, of what is neither mapped nor a buffer, like the vocabulary
)  # fmt: skip


class LlamaLog:
    """Every line since `clear` can be read, and goes to stderr, but for those for llama.cpp's own
    developers: the 200 of each load would push out what the parent keeps to tell a death's reason.

    The native side keeps a pointer to the callback, so this object lives as long as the process.
    Backends log on threads of their own too: only appends happen there.
    """

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._level = 0
        self.errors: list[str] = []
        self._callback = llama.llama_log_callback(self._on_log)
        llama.llama_log_set(self._callback, None)

    def clear(self) -> None:
        """Forget the lines so far."""
        self._parts.clear()
        self.errors.clear()

    def text(self) -> str:
        """All that was logged since `clear`."""
        return "".join(self._parts)

    def stop_keeping(self) -> None:
        """Forget, and from now on keep errors only (a long-lived child must not grow)."""
        self.clear()
        self._parts = _Nothing()

    def _on_log(self, level: int, text: bytes, _user: Any) -> None:
        line = text.decode("utf-8", "replace")
        self._level = self._level if level == _LOG_CONTINUE else level
        self._parts.append(line)
        if self._level == _LOG_ERROR:
            self.errors.append(line.strip())
            del self.errors[:-_KEPT_LINES]
        if self._level != _LOG_DEBUG:
            sys.stderr.write(line)


class _Nothing(list[str]):
    def append(self, _item: str) -> None:
        """Keep nothing."""


def decode_error(code: int, errors: Sequence[str]) -> InferenceError | OutOfMemory:
    """Why ``llama_decode`` returned ``code``; ``errors`` are the lines that it logged."""
    detail = "\n".join(errors)
    if code == _ALLOCATION_FAILED:
        return OutOfMemory("Not enough memory to compute the next step", detail=detail)
    message = f"llama.cpp could not compute the next step (llama_decode: {code})"
    return InferenceError(message, detail=detail)


def load_error(what: str, errors: Sequence[str]) -> ModelLoadError | OutOfMemory:
    """llama.cpp's reason for refusing to load ``what``, in words; ``errors`` are the lines that it
    logged."""
    detail = "\n".join(errors)
    if tells_of_memory(detail):
        return OutOfMemory(f"Not enough memory to load {what}{_missing(detail)}", detail=detail)
    marker = "unknown model architecture: '"
    if marker in detail:
        name = detail.split(marker, 1)[1].split("'", 1)[0]
        return ModelLoadError(
            f"{what} is a “{name}” model, an architecture that this version of llama.cpp "
            "does not know yet",
            detail=detail,
        )
    reason = _reason(errors)
    return ModelLoadError(
        f"llama.cpp could not load {what}" + (f": {reason}" if reason else ""), detail=detail
    )


def context_error(
    n_ctx: int, errors: Sequence[str]
) -> ModelLoadError | OutOfMemory | InvalidRequest:
    """Why llama.cpp made no context of ``n_ctx`` tokens, in words; `InvalidRequest` where it cannot
    honour the load options. ``errors`` are the lines that it logged."""
    detail = "\n".join(errors)
    if _NO_FLASH_ATTENTION in detail:
        return InvalidRequest(
            "A quantised KV cache needs flash attention, which llama.cpp does not have for this"
            " model: keep the cache (its values at least) in f16",
            detail=detail,
            param="kv_type_v",
        )
    if (heads := _HEADS.search(detail)) is not None:
        part, kind, block, size = heads.groups()
        return InvalidRequest(
            f"A KV cache in {kind} needs attention heads of a multiple of {block} numbers; those of"
            f" this model have {size}. Keep the cache in f16",
            detail=detail,
            param=f"kv_type_{part.lower()}",
        )
    return load_error(f"a context of {n_ctx:,} tokens", errors)


def tells_of_memory(detail: str) -> bool:
    """Whether llama.cpp says in ``detail`` that it got no memory."""
    lowered = detail.lower()
    return any(words in lowered for words in _MEMORY_WORDS)


def _reason(errors: Sequence[str]) -> str:
    """The one that ended the load. For a file that is no GGUF that only names the file: what was
    wrong with it was said before."""
    detail = "\n".join(errors)
    last = detail.rsplit("error loading model: ", 1)[-1].split("\n")[0]
    found = _NO_GGUF.search(detail) if _FILE_REFUSED in last else None
    return f"it cannot be read as GGUF: {found[1]}" if found else last


def _missing(detail: str) -> str:
    """Which buffer could not be had, where llama.cpp said it; the last one, for it may have tried
    a smaller one."""
    refused = _REFUSED_BUFFER.findall(detail)
    if not refused:
        return ""
    place, n_bytes = refused[-1]
    is_host = place.startswith("CPU") or place.endswith("_Host")
    where = "main memory" if is_host else f"the memory of {place}"
    return f": a buffer of {format_bytes(int(n_bytes))} did not fit into {where}"
