"""A typed wrapper around llama.cpp that raises instead of crashing or returning codes.

What else touches llama.cpp's C interface stands beside it, one part each: `token_batch`,
`vocabulary`, `sampler`, `greedy`, `logits`, `adapters`, `backend_devices`, `abort_flag`;
`test_architecture.py` holds the list. Used on the engine child's main thread.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

from minerva_desktop.engine.core.abort_flag import AbortFlag
from minerva_desktop.engine.core.bindings import llama
from minerva_desktop.engine.core.llama_log import LlamaLog, context_error, decode_error, load_error
from minerva_desktop.engine.core.load_log import copied_share, window_cells
from minerva_desktop.engine.core.model_parts import check_file, part_trouble, parts_there
from minerva_desktop.engine.core.own_memory import give_back_copied, give_back_freed
from minerva_desktop.engine.core.token_batch import TokenBatch
from minerva_desktop.engine.core.vocabulary import Vocabulary
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.errors import InferenceError

ALL_LAYERS = -1
_TEXT_BYTES = 512
_LOAD_MODES = {  # by use_mmap, use_mlock
    (False, False): llama.LLAMA_LOAD_MODE_NONE,
    (True, False): llama.LLAMA_LOAD_MODE_MMAP,
    (False, True): llama.LLAMA_LOAD_MODE_MLOCK,
    (True, True): llama.LLAMA_LOAD_MODE_MMAP_MLOCK,
}
_MIN_COPIED_SHARE = 0.03  # what less of a file leaves behind is not worth the time


class Decoded(Enum):
    """How a `LlamaContext.decode` went: well, ended by the abort flag, or without room."""

    DONE = 0
    NO_ROOM = 1
    ABORTED = 2


_DECODED = {decoded.value: decoded for decoded in Decoded}


class LlamaModel:
    """Weights and vocabulary of one GGUF."""

    def __init__(
        self,
        path: Path,
        options: LoadOptions,
        *,
        log: LlamaLog,
        on_progress: Callable[[float], None] | None = None,
        is_simulated: bool = False,
    ) -> None:
        """Load the file, telling ``on_progress`` how far it is (0.0 to 1.0). ``is_simulated``:
        read its metadata only, and let contexts allocate nothing; such a model computes nothing.

        Raises `ModelNotFound`, or `OutOfMemory` or `ModelLoadError` with llama.cpp's reason.
        """
        for part in parts_there(path):
            check_file(part, f"“{part.name}”")
        self._own_template = options.chat_template
        params = llama.llama_model_default_params()
        layers = options.n_gpu_layers
        params.n_gpu_layers = ALL_LAYERS if layers is None else layers
        params.load_mode = _LOAD_MODES[options.use_mmap, options.use_mlock]
        if is_simulated:
            params.no_alloc = True
            params.load_mode = llama.LLAMA_LOAD_MODE_NONE  # llama.cpp aborts with a mapped file
        # llama.cpp reads as many values as there may ever be devices.
        shares = (ctypes.c_float * llama.llama_max_devices())(*options.tensor_split)
        if options.tensor_split:
            params.tensor_split = shares

        def report(fraction: float, _user: Any) -> bool:
            if on_progress is not None:
                on_progress(fraction)
            return True

        params.progress_callback = llama.llama_progress_callback(report)
        self._handle = llama.llama_model_load_from_file(bytes(path), params)
        if not self._handle:
            raise part_trouble(path, "\n".join(log.errors)) or load_error(path.name, log.errors)
        if not options.use_mlock and copied_share(log.text()) > _MIN_COPIED_SHARE:
            give_back_copied(path)
        give_back_freed()
        self.vocabulary = Vocabulary(self._handle)
        self.n_vocab = self.vocabulary.n_tokens

    def free(self) -> None:
        """Give its memory back. It must not be used any more, nor a context of it."""
        llama.llama_model_free(self._handle)

    @property
    def handle(self) -> Any:
        """For `LlamaContext`, `Vocabulary` and `adapters`."""
        return self._handle

    @property
    def n_ctx_train(self) -> int:
        """Tokens of context that the model was trained for."""
        return int(llama.llama_model_n_ctx_train(self._handle))

    @property
    def n_ctx_short(self) -> int:
        """Tokens of context that it was first trained for, before its positions were stretched.
        Some models (longrope) turn keys otherwise where the context is longer."""
        key = f"{self.metadata('general.architecture')}.rope.scaling.original_context_length"
        text = self.metadata(key)
        return int(text) if text.isdecimal() else self.n_ctx_train

    @property
    def n_params(self) -> int:
        """Number of weights."""
        return int(llama.llama_model_n_params(self._handle))

    @property
    def n_layers(self) -> int:
        """Transformer blocks."""
        return int(llama.llama_model_n_layer(self._handle))

    @property
    def n_embd(self) -> int:
        """Numbers in an embedding."""
        return int(llama.llama_model_n_embd_out(self._handle))

    @property
    def head_size(self) -> int:
        """Numbers in the key of one attention head; 0 where there are no heads."""
        text = self.metadata(f"{self.metadata('general.architecture')}.attention.key_length")
        if text.isdecimal():
            return int(text)
        n_heads = int(llama.llama_model_n_head(self._handle))
        return int(llama.llama_model_n_embd(self._handle)) // n_heads if n_heads else 0

    @property
    def size(self) -> int:
        """Bytes of all tensors."""
        return int(llama.llama_model_size(self._handle))

    @property
    def description(self) -> str:
        """Architecture, size and quantisation, in llama.cpp's words."""
        return self._text(lambda buffer: llama.llama_model_desc(self._handle, buffer, len(buffer)))

    @property
    def quantisation(self) -> str:
        """The name of the file's number format, such as ``Q4_K - Medium``."""
        raw = llama.llama_ftype_name(llama.llama_model_ftype(self._handle))
        return raw.decode("utf-8", "replace") if raw else ""

    @property
    def pooling(self) -> int | None:
        """How the GGUF wants token embeddings made into one (``llama_pooling_type``); None: it
        does not say, so that it is no embedding model."""
        text = self.metadata(f"{self.metadata('general.architecture')}.pooling_type")
        return int(text) if text.isdecimal() else None

    def metadata(self, key: str) -> str:
        """A value of the GGUF's metadata as text; empty when there is none."""
        name = key.encode()
        return self._text(
            lambda buffer: llama.llama_model_meta_val_str(self._handle, name, buffer, len(buffer))
        )

    @property
    def has_decoder(self) -> bool:
        """Whether the model generates text (an embedding model does not)."""
        return bool(llama.llama_model_has_decoder(self._handle))

    @property
    def has_encoder(self) -> bool:
        """Whether the model reads its prompt with an encoder of its own (translation models)."""
        return bool(llama.llama_model_has_encoder(self._handle))

    def chat_template(self, name: str | None = None) -> str | None:
        """A template of the GGUF, if it brings one: the one of that ``name``, or the default. The
        one in the load options takes the place of them all."""
        if self._own_template is not None:
            return None if name else self._own_template
        raw = llama.llama_model_chat_template(self._handle, name and name.encode())
        return raw.decode("utf-8", "replace") if raw else None

    @property
    def is_recurrent(self) -> bool:
        """Whether layers keep a state of fixed size instead of a cell per token, all or some."""
        return bool(llama.llama_model_is_recurrent(self._handle)) or self.is_hybrid

    @property
    def is_hybrid(self) -> bool:
        """Whether some layers keep a state, and others have cells."""
        return bool(llama.llama_model_is_hybrid(self._handle))

    @property
    def has_window(self) -> bool:
        """Whether some layers see the last tokens only (sliding-window attention)."""
        return self.n_window > 0

    @property
    def n_window(self) -> int:
        """How many tokens those layers see."""
        return int(llama.llama_model_n_swa(self._handle))

    @property
    def has_rope(self) -> bool:
        """Whether keys are turned by their positions."""
        return bool(llama.llama_model_rope_type(self._handle) != llama.LLAMA_ROPE_TYPE_NONE)

    @property
    def has_plain_window(self) -> bool:
        """Whether it slides on with each token, and llama.cpp can look for cells from the first one
        on, which it does not where a token has several positions."""
        rope = int(llama.llama_model_rope_type(self._handle))
        is_chunked = self.metadata("general.architecture") == "llama4"
        return self.has_window and not (is_chunked or rope & llama.LLAMA_ROPE_TYPE_MROPE)

    def _text(self, fill: Callable[[Any], Any]) -> str:
        buffer = ctypes.create_string_buffer(_TEXT_BYTES)
        fill(buffer)
        return buffer.value.decode("utf-8", "replace")


class LlamaContext:
    """A KV cache and the compute buffers to fill it."""

    def __init__(self, model: LlamaModel, params: Any, *, abort: AbortFlag, log: LlamaLog) -> None:
        """``params`` come from `context_params` or `embedding_params`.

        Raises `OutOfMemory` or `ModelLoadError` when the buffers cannot be had, and
        `InvalidRequest` for a KV cache that the model cannot have.
        """
        params.no_perf = True
        params.kv_unified = True
        if not model.is_recurrent:  # ended, a decode has told of moved states and not moved them
            abort.give_to(params)
        self.handle = llama.llama_init_from_model(model.handle, params)
        if not self.handle:
            raise context_error(params.n_ctx, log.errors)
        self._log = log
        self._abort_flag = abort
        self._memory = llama.llama_get_memory(self.handle)
        self.batch = TokenBatch(params.n_batch)  # what `decode` computes
        self._n_embd = model.n_embd
        self.is_spoilt = False  # something in the cache is no number
        self.n_ctx = int(llama.llama_n_ctx(self.handle))  # tokens that the KV cache holds
        # Cells of the layers with a plain window, where these have a cache of their own.
        self.n_window_cells = window_cells(log.text()) if model.has_plain_window else 0

    @property
    def has_memory(self) -> bool:
        """Whether sequences can be continued; embedding models have none."""
        return bool(self._memory)

    def free(self) -> None:
        """Give its memory back. It must not be used any more."""
        llama.llama_free(self.handle)

    def use_threads(self, n_threads: int) -> None:
        """Compute the next batches, prompts too, with so many."""
        llama.llama_set_n_threads(self.handle, n_threads, n_threads)

    def decode(self) -> Decoded:
        """Compute the batch. Raises `InferenceError` or `OutOfMemory`, in llama.cpp's words, when
        it gives up on it."""
        self._log.errors.clear()  # what it says from now on is about this step
        code = llama.llama_decode(self.handle, self.batch.struct)
        if code in _DECODED:
            return _DECODED[code]
        raise decode_error(code, self._log.errors)

    def decode_whole(self) -> Decoded:
        """The same, whatever the abort flag says."""
        with self._abort_flag.ignored_by(self.handle):
            return self.decode()

    def logits(self, row: int, n_vocab: int) -> memoryview[float]:
        """The logits of batch row ``row``, valid until the next `decode`."""
        return memoryview(self.row(row, n_vocab)).cast("B").cast("f")

    def row(self, row: int, n_vocab: int) -> Any:
        """The same as a ctypes array, of which single ones are quickly read."""
        address = ctypes.addressof(self._pointer(row).contents)
        return (ctypes.c_float * n_vocab).from_address(address)

    def logit(self, row: int, token: int) -> float:
        """That of ``token`` in batch row ``row``."""
        return float(self._pointer(row)[token])

    def _pointer(self, row: int) -> Any:
        pointer = llama.llama_get_logits_ith(self.handle, row)
        if not pointer:
            message = f"llama.cpp has no logits for row {row} of its last step"
            raise InferenceError(message, detail="\n".join(self._log.errors))
        return pointer

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

    def first_position(self, slot: int) -> int:
        """Of a sequence's tokens that all layers have; -1 where there are none."""
        return int(llama.llama_memory_seq_pos_min(self._memory, slot))

    def embedding(self, slot: int) -> list[float]:
        """The pooled embedding of a sequence of the last `decode`, as the model made it."""
        pointer = llama.llama_get_embeddings_seq(self.handle, slot)
        if not pointer:
            raise InferenceError(
                "llama.cpp has no embedding for a text of its last step",
                detail="\n".join(self._log.errors),
            )
        return list(pointer[: self._n_embd])

    def forget_all(self) -> None:
        """Empty the cache, where there is one."""
        if self._memory:
            llama.llama_memory_clear(self._memory, False)

    def wipe(self) -> None:
        """Empty the cache, and its memory: no weight of what is no number is no number either."""
        llama.llama_memory_clear(self._memory, True)
        self.is_spoilt = False

    def state_size(self, slot: int) -> int:
        """Bytes that `save` would write, but for the tokens."""
        return int(llama.llama_state_seq_get_size(self.handle, slot))

    def take_out(self, slot: int) -> Any | None:
        """The state of a sequence, which the cache then forgets; None when llama.cpp cannot, or
        there is no memory for it."""
        try:
            state = (ctypes.c_uint8 * self.state_size(slot))()
        except MemoryError:
            return None
        size = llama.llama_state_seq_get_data(self.handle, state, len(state), slot)
        if size != len(state):
            return None
        self.forget(slot)
        return state

    def put_back(self, slot: int, state: Any) -> bool:
        """Let the cache have again what `take_out` returned, in the first cells that are free;
        False when it finds no room."""
        self._look_from_start()
        return bool(llama.llama_state_seq_set_data(self.handle, state, len(state), slot))

    def _look_from_start(self) -> None:
        """Let llama.cpp look for free cells from the first one on. It does so when it has moved
        tokens to other positions: here those of a sequence behind the end of the context, where
        there are none. What it then puts back lies in order, and not on both sides of its end."""
        if self.can_shift or self.n_window_cells:
            llama.llama_memory_seq_add(self._memory, 0, self.n_ctx, -1, 1)

    def save(self, slot: int, path: Path, tokens: Sequence[int]) -> int:
        """Write the state of a sequence, which holds ``tokens``, to ``path``. Returns its bytes;
        raises `InferenceError` when llama.cpp cannot."""
        array = (llama.llama_token * len(tokens))(*tokens)
        name = os.fsencode(path)
        size = llama.llama_state_seq_save_file(self.handle, name, slot, array, len(tokens))
        if not size:
            raise InferenceError(
                f"llama.cpp could not save the state of {len(tokens):,} tokens",
                detail="\n".join(self._log.errors),
            )
        return int(size)

    def restore(self, slot: int, path: Path, tokens: Sequence[int]) -> bool:
        """Read what `save` wrote into an empty sequence; False when the file does not fit this
        context, holds the state of other ``tokens``, or there is no room."""
        array = (llama.llama_token * len(tokens))()
        count = ctypes.c_size_t()
        self._look_from_start()
        size = llama.llama_state_seq_load_file(
            self.handle, os.fsencode(path), slot, array, len(tokens), ctypes.byref(count)
        )
        return bool(size) and list(array[: count.value]) == list(tokens)
