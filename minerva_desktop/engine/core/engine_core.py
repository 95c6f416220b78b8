"""The child's side of a model: llama.cpp's model and context, the scheduler, and `step`.

Everything here runs on the engine child's main thread, but for `interrupt`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from minerva_desktop.chat.completion import FinishReason
from minerva_desktop.chat.message import ChatTurn
from minerva_desktop.engine.core.backend_devices import list_devices
from minerva_desktop.engine.core.chat_template import ChatTemplate, TimeLimit
from minerva_desktop.engine.core.detokenizer import IncrementalDetokenizer
from minerva_desktop.engine.core.llama import AbortFlag, LlamaContext, LlamaLog, LlamaModel
from minerva_desktop.engine.core.request import RunningRequest
from minerva_desktop.engine.core.sampler import Sampler
from minerva_desktop.engine.core.scheduler import Chunk, Scheduler, Sequence
from minerva_desktop.engine.messages import (
    ContextInfo,
    ErrorInfo,
    Generate,
    LoadOptions,
    SequenceOutput,
)
from minerva_desktop.errors import (
    ContextLimitExceeded,
    InferenceError,
    InvalidRequest,
    MinervaError,
    ModelLoadError,
)

DEFAULT_N_CTX = 8192  # tokens; more is the user's choice, since the KV cache grows with it
ALL_LAYERS = -1
N_SEQ_MAX = 1  # sequences computed together; the requests beyond wait in the scheduler's queue
_BUFFER_LINE = re.compile(r"(KV|RS|compute|output)\s+buffer size\s*=\s*([\d.]+) MiB")


class EngineCore:
    """One loaded model and the generations that run on it."""

    def __init__(
        self,
        path: Path,
        options: LoadOptions,
        *,
        on_progress: Callable[[float], None],
        log: LlamaLog,
        limit: TimeLimit,
        abort: AbortFlag,
    ) -> None:
        """Load the model. Raises `ModelLoadError` or `OutOfMemory`."""
        started = time.perf_counter()
        self._abort_flag = abort
        gpu_layers = ALL_LAYERS if options.n_gpu_layers is None else options.n_gpu_layers
        self._model = LlamaModel(path, n_gpu_layers=gpu_layers, on_progress=on_progress, log=log)
        n_threads = options.n_threads or physical_cores()
        n_ctx = options.n_ctx or min(self._model.n_ctx_train, DEFAULT_N_CTX)
        self._context = LlamaContext(
            self._model,
            n_ctx=n_ctx,
            n_batch=min(options.n_batch, n_ctx),
            n_threads=n_threads,
            n_seq_max=N_SEQ_MAX,
            abort=abort,
            log=log,
        )
        # Models of the BERT kind have no memory of a sequence, and ggml aborts on generating.
        if not (self._model.has_decoder and self._context.has_memory):
            raise ModelLoadError(f"{path.name} only makes embeddings; it cannot chat")
        source = self._model.chat_template()
        self._bos_text = self._model.token_text(self._model.bos)
        self._template = ChatTemplate(
            source,
            bos=self._bos_text,
            eos=self._model.token_text(self._model.eos),
            limit=limit,
        )
        self._scheduler = Scheduler(n_batch=min(options.n_batch, n_ctx), n_seq_max=N_SEQ_MAX)
        self._requests: dict[int, RunningRequest] = {}
        self._decoding: frozenset[int] = frozenset()
        self._info = self._describe(
            log.text(), gpu_layers, n_threads, source is not None, time.perf_counter() - started
        )

    @property
    def info(self) -> ContextInfo:
        """What was loaded."""
        return self._info

    @property
    def has_work(self) -> bool:
        """Whether `step` would compute anything."""
        return self._scheduler.has_work

    # -- requests --------------------------------------------------------------------------

    def add(self, request: Generate) -> None:
        """Queue a generation. Raises `InvalidRequest`, `ContextLimitExceeded` or
        `InferenceError` (its chat template) before anything is computed."""
        request.sampling.check()
        tokens = self._prompt_tokens(request)
        n_ctx = self._context.n_ctx
        if len(tokens) >= n_ctx:
            raise ContextLimitExceeded.of(n_ctx, len(tokens) + 1)
        sequence = Sequence(request.request_id, tokens, request.sampling.max_tokens)
        sampler = Sampler(request.sampling, prompt=tokens, n_vocab=self._model.n_vocab)
        detokenizer = IncrementalDetokenizer(request.sampling.stop)
        self._requests[request.request_id] = RunningRequest(sequence, sampler, detokenizer)
        self._scheduler.add(sequence)

    def abort(self, request_id: int) -> tuple[SequenceOutput, ...]:
        """End a generation as ``cancelled``; nothing when it is unknown or over."""
        request = self._requests.get(request_id)
        return () if request is None else (self._finish(request, FinishReason.CANCELLED),)

    def interrupt(self, request_id: int) -> None:
        """End the running decode if it computes this request. Any thread; `abort` must follow."""
        if request_id in self._decoding:
            self._abort_flag.set()

    def count_tokens(self, turns: tuple[ChatTurn, ...]) -> int:
        """Tokens of the prompt that ``turns`` make. Raises as `add` does."""
        return len(self._tokenize_chat(turns))

    # -- the step --------------------------------------------------------------------------

    def step(self) -> tuple[SequenceOutput, ...]:
        """Compute one batch and return what became of it."""
        chunks = self._scheduler.schedule()
        try:
            rows = self._decode(chunks)
        except InferenceError as error:
            return tuple(self._fail(chunk.sequence.request_id, error) for chunk in chunks)
        if rows is None:
            return ()
        self._scheduler.advance(chunks)
        return tuple(self._deliver(chunk, row) for chunk, row in zip(chunks, rows, strict=True))

    def _decode(self, chunks: list[Chunk]) -> list[int] | None:
        """Batch rows of the chunks' last tokens; None when an abort ended the computation."""
        self._context.clear_batch()
        rows = []
        for chunk in chunks:
            sequence = chunk.sequence
            self._requests[sequence.request_id].mark_started()
            rows.append(
                self._context.add_to_batch(
                    sequence.tokens[chunk.start : chunk.start + chunk.count],
                    position=chunk.start,
                    slot=sequence.slot,
                    needs_logits=chunk.needs_logits,
                )
            )
        self._decoding = frozenset(chunk.sequence.request_id for chunk in chunks)
        try:
            done = self._context.decode()
        finally:
            self._decoding = frozenset()
        if not done:
            self._roll_back(chunks)
        return rows if done else None

    def _roll_back(self, chunks: list[Chunk]) -> None:
        for chunk in chunks:
            if not self._context.forget(chunk.sequence.slot, chunk.start):
                # A recurrent model has no older state to go back to: compute it all again.
                self._context.forget(chunk.sequence.slot)
                chunk.sequence.n_computed = 0

    def _deliver(self, chunk: Chunk, row: int) -> SequenceOutput:
        sequence = chunk.sequence
        if not chunk.needs_logits:
            return SequenceOutput(
                request_id=sequence.request_id,
                prefill_done=sequence.n_computed,
                prefill_total=sequence.n_prompt,
            )
        request = self._requests[sequence.request_id]
        token = request.sampler.sample(self._context, row)
        if self._model.ends_generation(token):
            return self._finish(request, FinishReason.STOP)
        sequence.tokens.append(token)
        request.mark_token()
        delta = request.detokenizer.push(self._model.piece(token))
        if request.detokenizer.stopped:
            return self._finish(request, FinishReason.STOP, delta)
        full = sequence.n_sampled == sequence.max_tokens
        if full or len(sequence.tokens) >= self._context.n_ctx:
            return self._finish(request, FinishReason.LENGTH, delta)
        return SequenceOutput(request_id=sequence.request_id, delta=delta, n_tokens=1)

    # -- ends ------------------------------------------------------------------------------

    def _finish(
        self, request: RunningRequest, reason: FinishReason, delta: str = ""
    ) -> SequenceOutput:
        completion = request.completion(reason)
        text = delta + request.detokenizer.flush()
        self._release(request)
        return SequenceOutput(
            request_id=request.sequence.request_id,
            delta=text,
            n_tokens=1 if delta else 0,
            completion=completion,
        )

    def _fail(self, request_id: int, error: MinervaError) -> SequenceOutput:
        self._release(self._requests[request_id])
        return SequenceOutput(request_id=request_id, error=ErrorInfo.of(error))

    def _release(self, request: RunningRequest) -> None:
        sequence = request.sequence
        self._scheduler.remove(sequence.request_id)
        del self._requests[sequence.request_id]
        request.sampler.close()
        if sequence.slot >= 0:
            self._context.forget(sequence.slot)

    # -- prompts ---------------------------------------------------------------------------

    def _prompt_tokens(self, request: Generate) -> list[int]:
        if request.messages is not None:
            tokens = self._tokenize_chat(request.messages)
        else:
            tokens = self._model.tokenize(request.text or "", special=True)
        if not tokens:
            raise InvalidRequest("The prompt is empty", param="messages")
        return tokens

    def _tokenize_chat(self, turns: tuple[ChatTurn, ...]) -> list[int]:
        text = self._template.render(turns)
        # Many templates write the beginning-of-sequence token that the tokeniser adds as well.
        if self._model.adds_bos and self._bos_text:
            text = text.removeprefix(self._bos_text)
        return self._model.tokenize(text, special=True)

    def _describe(
        self, log: str, gpu_layers: int, n_threads: int, has_template: bool, seconds: float
    ) -> ContextInfo:
        model = self._model
        sizes = buffer_sizes(log)
        devices = list_devices()
        offloaded = any(device.kind != "cpu" for device in devices)
        wanted = model.n_layers + 1 if gpu_layers == ALL_LAYERS else gpu_layers
        return ContextInfo(
            description=model.description,
            n_ctx=self._context.n_ctx,
            n_ctx_train=model.n_ctx_train,
            n_params=model.n_params,
            n_layers=model.n_layers,
            n_gpu_layers=wanted if offloaded else 0,
            n_threads=n_threads,
            n_vocab=model.n_vocab,
            weights_bytes=model.size,
            kv_bytes=sizes.get("KV", 0) + sizes.get("RS", 0),
            compute_bytes=sizes.get("compute", 0) + sizes.get("output", 0),
            has_chat_template=has_template,
            load_ms=seconds * 1000.0,
            devices=devices,
        )


def physical_cores() -> int:
    """Cores that this process may use, without hyper-threads (ggml's threads gain nothing
    from them)."""
    process = psutil.Process()
    allowed = len(process.cpu_affinity()) if hasattr(process, "cpu_affinity") else 0
    physical = psutil.cpu_count(logical=False) or psutil.cpu_count() or 1
    return max(1, min(physical, allowed) if allowed else physical)


def buffer_sizes(log: str) -> dict[str, int]:
    """Bytes of the buffers that llama.cpp's load log names, summed over devices, by kind."""
    sizes: dict[str, int] = {}
    for kind, mebibytes in _BUFFER_LINE.findall(log):
        sizes[kind] = sizes.get(kind, 0) + int(float(mebibytes) * 1024 * 1024)
    return sizes
