"""A typed wrapper around llama.cpp that raises instead of crashing or returning codes.

With `bindings` the only module that knows ctypes. Used on the engine child's main thread;
`AbortFlag` alone may be set from another.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

from minerva_desktop.engine.core.bindings import llama
from minerva_desktop.errors import InferenceError, ModelLoadError, ModelNotFound, OutOfMemory

_LOG_ERROR = 4  # GGML_LOG_LEVEL_ERROR
_LOG_CONTINUE = 5  # GGML_LOG_LEVEL_CONT: goes on with the line before
_MEMORY_WORDS = ("out of memory", "failed to allocate", "unable to allocate", "cudamalloc failed")


class LlamaLog:
    """llama.cpp's log: every line goes to stderr, and the lines since `clear` can be read.

    The native side keeps a pointer to the callback, so this object lives as long as the process.
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
            del self.errors[:-20]
        sys.stderr.write(line)


class _Nothing(list[str]):
    def append(self, _item: str) -> None:
        """Keep nothing."""


class Decoded(Enum):
    """How a `LlamaContext.decode` went: well, ended by the abort flag, or without room."""

    DONE = 0
    NO_ROOM = 1
    ABORTED = 2


_DECODED = {decoded.value: decoded for decoded in Decoded}


class AbortFlag:
    """Ends a running `llama_decode` between two graph nodes, on the CPU backend.

    llama.cpp polls a callback about a thousand times a step. A Python callback would cost 2 ms a
    step (ctypes has to take the GIL each time), so the callback is libc's ``atoi`` on a one-byte
    text that is "0" or "1": a native function of just the right shape, on every platform.
    """

    def __init__(self) -> None:
        libc = ctypes.CDLL("msvcrt" if sys.platform == "win32" else None)
        self.text = ctypes.create_string_buffer(b"0")
        self.callback = ctypes.cast(libc.atoi, llama.ggml_abort_callback)

    def set(self) -> None:
        """End the running decode. Any thread."""
        self.text[0] = b"1"

    def clear(self) -> None:
        """Let decodes run."""
        self.text[0] = b"0"


class LlamaModel:
    """Weights and vocabulary of one GGUF."""

    def __init__(
        self,
        path: Path,
        *,
        n_gpu_layers: int,
        on_progress: Callable[[float], None],
        log: LlamaLog,
    ) -> None:
        """Load the file, telling ``on_progress`` how far it is (0.0 to 1.0).

        Raises `ModelNotFound`, or `OutOfMemory` or `ModelLoadError` with llama.cpp's reason.
        """
        if not path.is_file():
            raise ModelNotFound(f"“{path.name}” is not there; it may have been moved or deleted.")
        params = llama.llama_model_default_params()
        params.n_gpu_layers = n_gpu_layers

        def report(fraction: float, _user: Any) -> bool:
            on_progress(fraction)
            return True

        params.progress_callback = llama.llama_progress_callback(report)
        log.clear()
        self._handle = llama.llama_model_load_from_file(bytes(path), params)
        if not self._handle:
            raise load_error(path.name, log)
        self.vocabulary = llama.llama_model_get_vocab(self._handle)
        self.n_vocab = int(llama.llama_vocab_n_tokens(self.vocabulary))
        self._end_tokens: tuple[int, ...] | None = None
        self._piece = ctypes.create_string_buffer(256)

    @property
    def handle(self) -> Any:
        """For `LlamaContext`."""
        return self._handle

    @property
    def n_ctx_train(self) -> int:
        """Tokens of context that the model was trained for."""
        return int(llama.llama_model_n_ctx_train(self._handle))

    @property
    def n_params(self) -> int:
        """Number of weights."""
        return int(llama.llama_model_n_params(self._handle))

    @property
    def n_layers(self) -> int:
        """Transformer blocks."""
        return int(llama.llama_model_n_layer(self._handle))

    @property
    def size(self) -> int:
        """Bytes of all tensors."""
        return int(llama.llama_model_size(self._handle))

    @property
    def description(self) -> str:
        """Architecture, size and quantisation, in llama.cpp's words."""
        buffer = ctypes.create_string_buffer(256)
        llama.llama_model_desc(self._handle, buffer, len(buffer))
        return buffer.value.decode("utf-8", "replace")

    @property
    def has_decoder(self) -> bool:
        """Whether the model generates text (an embedding model does not)."""
        return bool(llama.llama_model_has_decoder(self._handle))

    def chat_template(self) -> str | None:
        """The default template of the GGUF, if it brings one."""
        raw = llama.llama_model_chat_template(self._handle, None)
        return raw.decode("utf-8", "replace") if raw else None

    def token_text(self, token: int) -> str:
        """A token's text as the vocabulary spells it; empty for "no such token" (-1)."""
        if token < 0:
            return ""
        raw = llama.llama_vocab_get_text(self.vocabulary, token)
        return raw.decode("utf-8", "replace") if raw else ""

    @property
    def bos(self) -> int:
        """The beginning-of-sequence token, -1 when the model has none."""
        return int(llama.llama_vocab_bos(self.vocabulary))

    @property
    def eos(self) -> int:
        """The end-of-sequence token, -1 when the model has none."""
        return int(llama.llama_vocab_eos(self.vocabulary))

    @property
    def adds_bos(self) -> bool:
        """Whether `tokenize` puts the beginning-of-sequence token first."""
        return bool(llama.llama_vocab_get_add_bos(self.vocabulary))

    @property
    def is_recurrent(self) -> bool:
        """Whether layers keep a state of fixed size instead of a cell per token, all or some."""
        return bool(
            llama.llama_model_is_recurrent(self._handle)
            or llama.llama_model_is_hybrid(self._handle)
        )

    @property
    def is_append_only(self) -> bool:
        """Whether a sequence's end cannot be taken back exactly.

        Recurrent state has no past, and a sliding window's is pruned as it moves on.
        """
        return self.is_recurrent or int(llama.llama_model_n_swa(self._handle)) > 0

    def end_tokens(self) -> tuple[int, ...]:
        """All tokens that end a turn."""
        if self._end_tokens is None:
            ends = (t for t in range(self.n_vocab) if self.ends_generation(t))
            self._end_tokens = tuple(ends)
        return self._end_tokens

    def ends_generation(self, token: int) -> bool:
        """Whether the model ends its turn with ``token``."""
        return bool(llama.llama_vocab_is_eog(self.vocabulary, token))

    def tokenize(self, text: str, *, special: bool) -> list[int]:
        """Token ids of ``text``; ``special`` reads control tokens written out in it."""
        raw = text.encode("utf-8", "replace")
        # A token covers at least one byte, but for the ones that the model adds at the ends.
        size = len(raw) + 8
        tokens = (llama.llama_token * size)()
        count = llama.llama_tokenize(self.vocabulary, raw, len(raw), tokens, size, True, special)
        if count < 0:
            raise InferenceError(f"llama.cpp could not tokenise a text of {len(raw):,} bytes")
        return list(tokens[:count])

    def piece(self, token: int) -> bytes:
        """The bytes that ``token`` adds to the answer; none for a control token."""
        size = llama.llama_token_to_piece(
            self.vocabulary, token, self._piece, len(self._piece), 0, False
        )
        if size < 0:
            self._piece = ctypes.create_string_buffer(-size)
            return self.piece(token)
        return self._piece.raw[:size]


class LlamaContext:
    """A KV cache and the compute buffers to fill it."""

    def __init__(
        self,
        model: LlamaModel,
        *,
        n_ctx: int,
        n_batch: int,
        n_threads: int,
        n_seq_max: int,
        abort: AbortFlag,
        log: LlamaLog,
    ) -> None:
        """Raises `OutOfMemory` or `ModelLoadError` when the buffers cannot be had."""
        params = llama.llama_context_default_params()
        params.n_ctx = n_ctx
        params.n_batch = n_batch
        params.n_ubatch = n_batch
        params.n_seq_max = n_seq_max
        # Logits of one row a sequence: 34 MiB of compute buffer instead of 514 (Gemma 3, DESIGN 5).
        params.n_outputs_max = n_seq_max
        params.swa_full = False  # cells for the window only, as llama-server has it
        params.n_threads = n_threads
        params.n_threads_batch = n_threads
        params.kv_unified = True
        params.no_perf = True
        params.abort_callback = abort.callback
        params.abort_callback_data = ctypes.cast(abort.text, ctypes.c_void_p)
        self._handle = llama.llama_init_from_model(model.handle, params)
        if not self._handle:
            raise load_error(f"a context of {n_ctx:,} tokens", log)
        self._memory = llama.llama_get_memory(self._handle)
        self._batch = llama.llama_batch_init(n_batch, 0, 1)

    @property
    def handle(self) -> Any:
        """For `sampler.Sampler`."""
        return self._handle

    @property
    def n_ctx(self) -> int:
        """Tokens that the KV cache holds."""
        return int(llama.llama_n_ctx(self._handle))

    @property
    def has_memory(self) -> bool:
        """Whether sequences can be continued; embedding models have none."""
        return bool(self._memory)

    def clear_batch(self) -> None:
        """Start a new batch."""
        self._batch.n_tokens = 0

    def add_to_batch(
        self, tokens: Sequence[int], *, position: int, slot: int, needs_logits: bool
    ) -> int:
        """Append a chunk; returns the row of its last token, for the sampler."""
        batch, row = self._batch, self._batch.n_tokens
        for offset, token in enumerate(tokens):
            batch.token[row] = token
            batch.pos[row] = position + offset
            batch.n_seq_id[row] = 1
            batch.seq_id[row][0] = slot
            batch.logits[row] = 0
            row += 1
        batch.logits[row - 1] = int(needs_logits)
        batch.n_tokens = row
        return int(row) - 1

    def decode(self) -> Decoded:
        """Compute the batch. Raises `InferenceError` when llama.cpp gives up on it."""
        code = llama.llama_decode(self._handle, self._batch)
        if code in _DECODED:
            return _DECODED[code]
        raise InferenceError(f"llama.cpp could not compute the next step (llama_decode: {code})")

    def logits(self, row: int, n_vocab: int) -> memoryview[float]:
        """The logits of batch row ``row``, valid until the next `decode`."""
        pointer = llama.llama_get_logits_ith(self._handle, row)
        if not pointer:
            raise InferenceError(f"llama.cpp has no logits for row {row} of its last step")
        array = ctypes.cast(pointer, ctypes.POINTER(ctypes.c_float * n_vocab)).contents
        return memoryview(array).cast("B").cast("f")

    @property
    def can_shift(self) -> bool:
        """Whether the cells of a sequence can be moved to other positions."""
        return bool(llama.llama_memory_can_shift(self._memory))

    def cut(self, slot: int, start: int, count: int) -> bool:
        """Forget ``count`` tokens from position ``start`` on and move those behind up; False when
        the model cannot."""
        if not llama.llama_memory_seq_rm(self._memory, slot, start, start + count):
            return False
        llama.llama_memory_seq_add(self._memory, slot, start + count, -1, -count)
        return True

    def share(self, donor: int, slot: int, length: int) -> None:
        """Let ``slot``, which is empty, share the first ``length`` cells of ``donor``."""
        llama.llama_memory_seq_cp(self._memory, donor, slot, 0, length)

    def forget(self, slot: int, from_position: int = 0) -> bool:
        """Drop a sequence's cells from a position on; False when the model cannot drop a part."""
        return bool(llama.llama_memory_seq_rm(self._memory, slot, from_position, -1))


def load_error(what: str, log: LlamaLog) -> ModelLoadError | OutOfMemory:
    """llama.cpp's reason for refusing to load ``what``, in words."""
    detail = "\n".join(log.errors)
    lowered = detail.lower()
    if any(words in lowered for words in _MEMORY_WORDS):
        return OutOfMemory(f"Not enough memory to load {what}", detail=detail)
    marker = "unknown model architecture: '"
    if marker in detail:
        name = detail.split(marker, 1)[1].split("'", 1)[0]
        return ModelLoadError(
            f"{what} is a “{name}” model, an architecture that this version of llama.cpp "
            "does not know yet",
            detail=detail,
        )
    reason = detail.rsplit("error loading model: ", 1)[-1].split("\n")[0] if detail else ""
    return ModelLoadError(
        f"llama.cpp could not load {what}" + (f": {reason}" if reason else ""), detail=detail
    )
