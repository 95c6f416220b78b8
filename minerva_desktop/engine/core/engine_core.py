"""The child's side of a model: llama.cpp's model and context, the scheduler, and `step`.

Everything here runs on the engine child's main thread, but for `interrupt`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from minerva_desktop.chat.completion import FinishReason
from minerva_desktop.chat.limits import Overflow
from minerva_desktop.chat.message import ChatTurn
from minerva_desktop.engine.core.chat_template import TimeLimit
from minerva_desktop.engine.core.detokenizer import IncrementalDetokenizer
from minerva_desktop.engine.core.llama import (
    AbortFlag,
    Decoded,
    LlamaContext,
    LlamaLog,
    LlamaModel,
)
from minerva_desktop.engine.core.logits import token_logprob
from minerva_desktop.engine.core.model_info import ALL_LAYERS, describe, physical_cores
from minerva_desktop.engine.core.prompts import PromptBuilder
from minerva_desktop.engine.core.request import RunningRequest
from minerva_desktop.engine.core.sampler import Sampler
from minerva_desktop.engine.core.scheduler import Batch, Chunk, Scheduler, Sequence
from minerva_desktop.engine.core.slots import Placement, SlotTable
from minerva_desktop.engine.messages import (
    MAX_PARALLEL,
    ContextInfo,
    ErrorInfo,
    Generate,
    LoadOptions,
    SequenceOutput,
)
from minerva_desktop.errors import InferenceError, MinervaError, ModelLoadError

DEFAULT_N_CTX = 8192  # tokens; more is the user's choice, since the KV cache grows with it
# Sequences beside those that run, for what finished requests leave behind: the last chats go on
# without processing their history again. Recurrent models keep a whole state for each.
N_KEPT = 8
MAX_WAITING = 256  # requests; beyond, `QueueFull`
KEPT_SHARE = 4  # a shift keeps the prompt's first tokens, at most a fourth of the context


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
        """Load the model. Raises `ModelNotFound`, `ModelLoadError` or `OutOfMemory`."""
        started = time.perf_counter()
        self._abort_flag = abort
        gpu_layers = ALL_LAYERS if options.n_gpu_layers is None else options.n_gpu_layers
        self._model = LlamaModel(path, n_gpu_layers=gpu_layers, on_progress=on_progress, log=log)
        n_threads = options.n_threads or physical_cores()
        n_ctx = options.n_ctx or min(self._model.n_ctx_train, DEFAULT_N_CTX)
        n_batch = max(min(options.n_batch, n_ctx), options.n_parallel)
        n_kept = 0 if self._model.is_recurrent else N_KEPT
        n_slots = min(options.n_parallel + n_kept, MAX_PARALLEL)
        self._context = LlamaContext(
            self._model,
            n_ctx=n_ctx,
            n_batch=n_batch,
            n_threads=n_threads,
            n_seq_max=n_slots,
            abort=abort,
            log=log,
        )
        # Models of the BERT kind have no memory of a sequence, and ggml aborts on generating.
        if not (self._model.has_decoder and self._context.has_memory):
            raise ModelLoadError(f"{path.name} only makes embeddings; it cannot chat")
        self._prompts = PromptBuilder(self._model, n_ctx=self._context.n_ctx, limit=limit)
        n_cells, append_only = self._context.n_ctx, self._model.is_append_only
        slots = SlotTable(n_slots=n_slots, n_cells=n_cells, append_only=append_only)
        self._scheduler = Scheduler(
            slots, n_batch=n_batch, max_running=options.n_parallel, max_waiting=MAX_WAITING
        )
        self._requests: dict[int, RunningRequest] = {}
        self._decoding: frozenset[int] = frozenset()
        self._info = describe(
            self._model,
            self._context,
            log=log.text(),
            gpu_layers=gpu_layers,
            n_threads=n_threads,
            n_parallel=options.n_parallel,
            seconds=time.perf_counter() - started,
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
        """Queue a generation. Raises `InvalidRequest`, `ContextLimitExceeded`, `QueueFull` or
        `InferenceError` (its chat template) before anything is computed."""
        sampling, limits = request.sampling, request.limits
        sampling.check()
        limits.check()
        self._scheduler.check_room()
        prompt = self._prompts.build(request)
        sequence = Sequence(
            request.request_id, prompt.tokens, sampling.max_tokens, request.cache_prompt
        )
        sampler = Sampler(sampling, prompt=prompt.tokens, model=self._model)
        self._scheduler.add(sequence)
        self._requests[request.request_id] = RunningRequest(
            sequence,
            sampler,
            IncrementalDetokenizer(sampling.stop),
            limits=limits,
            top_logprobs=sampling.top_logprobs,
            n_dropped_turns=prompt.n_dropped_turns,
        )

    def abort(self, request_id: int) -> tuple[SequenceOutput, ...]:
        """End a generation as ``cancelled``; nothing when it is unknown or over."""
        request = self._requests.get(request_id)
        return () if request is None else (self._finish(request, FinishReason.CANCELLED),)

    def interrupt(self, request_id: int) -> None:
        """End the running decode if it is mostly for this request. Any thread; `abort` must
        follow."""
        if request_id in self._decoding:
            self._abort_flag.set()

    def count_tokens(self, turns: tuple[ChatTurn, ...]) -> int:
        """Tokens of the prompt that ``turns`` make. Raises as `add` does."""
        return len(self._prompts.chat_tokens(turns))

    # -- the step --------------------------------------------------------------------------

    def step(self) -> tuple[SequenceOutput, ...]:
        """Compute one batch and return what became of it."""
        overdue = self._end_overdue()
        batch = self._schedule()
        try:
            rows = self._decode(batch.chunks)
        except InferenceError as error:
            failed = [self._fail(chunk.sequence.request_id, error) for chunk in batch.chunks]
            return (*overdue, *failed)
        if rows is None:
            return overdue
        self._scheduler.advance(batch.chunks)
        delivered = [
            self._deliver(chunk, row) for chunk, row in zip(batch.chunks, rows, strict=True)
        ]
        return (*overdue, *delivered)

    def _end_overdue(self) -> tuple[SequenceOutput, ...]:
        now = time.perf_counter()
        overdue = [
            (request.sequence.request_id, error)
            for request in self._requests.values()
            if (error := request.overdue(now)) is not None
        ]
        return tuple(self._fail(request_id, error) for request_id, error in overdue)

    def _schedule(self) -> Batch:
        for sequence, placement in self._scheduler.admit():
            self._requests[sequence.request_id].mark_started()
            self._place(sequence, placement)
        batch = self._scheduler.schedule()
        for slot in batch.evicted:
            self._context.forget(slot.index)
        return batch

    def _place(self, sequence: Sequence, placement: Placement) -> None:
        slot = placement.slot.index
        if not self._context.forget(slot, placement.n_kept):
            self._context.forget(slot)
            self._scheduler.lost(sequence)
        elif placement.donor is not None and placement.donor.n_held < placement.n_copied:
            self._scheduler.lost(sequence)  # the donor itself was just lost
        elif placement.donor is not None:
            self._context.share(placement.donor.index, slot, placement.n_copied)

    def _decode(self, chunks: list[Chunk]) -> list[int] | None:
        """Batch rows of the chunks' last tokens; None when nothing was computed."""
        context = self._context
        context.clear_batch()
        rows = [
            context.add_to_batch(
                chunk.sequence.tokens[chunk.start : chunk.start + chunk.count],
                position=chunk.start,
                slot=chunk.slot.index,
                needs_logits=chunk.needs_logits,
            )
            for chunk in chunks
        ]
        half = sum(chunk.count for chunk in chunks) / 2
        self._decoding = frozenset(c.sequence.request_id for c in chunks if c.count > half)
        try:
            decoded = context.decode()
        finally:
            self._decoding = frozenset()
        if decoded is Decoded.DONE:
            return rows
        self._roll_back(chunks)
        if decoded is Decoded.NO_ROOM:
            slot = self._scheduler.make_room()
            if slot is None:
                raise InferenceError("llama.cpp found no room in its KV cache")
            context.forget(slot.index)
        return None

    def _roll_back(self, chunks: list[Chunk]) -> None:
        for chunk in chunks:
            if not self._context.forget(chunk.slot.index, chunk.start):
                # A recurrent model has no older state to go back to: compute it all again.
                self._context.forget(chunk.slot.index)
                self._scheduler.lost(chunk.sequence)

    def _deliver(self, chunk: Chunk, row: int) -> SequenceOutput:
        sequence = chunk.sequence
        if not chunk.needs_logits:
            return SequenceOutput(
                request_id=sequence.request_id,
                prefill_done=sequence.n_computed,
                prefill_total=len(sequence.tokens),
            )
        request = self._requests[sequence.request_id]
        try:
            token = request.sampler.sample(self._context, row)
            if self._model.ends_generation(token):
                return self._finish(request, FinishReason.STOP)
            return self._take(request, token, row)
        except InferenceError as error:
            return self._fail(sequence.request_id, error)

    def _take(self, request: RunningRequest, token: int, row: int) -> SequenceOutput:
        """Add a sampled token to its sequence and its text to the answer."""
        sequence, logprob = request.sequence, None
        if request.top_logprobs is not None:
            n_top = request.top_logprobs
            logprob = token_logprob(self._model, self._context, row, token, n_top)
        sequence.tokens.append(token)
        request.mark_token()
        delta = request.detokenizer.push(self._model.piece(token))
        output = SequenceOutput(
            request_id=sequence.request_id, delta=delta, n_tokens=1, logprob=logprob
        )
        if request.detokenizer.stopped:
            return self._finish(request, FinishReason.STOP, output)
        if sequence.n_sampled == sequence.max_tokens:
            return self._finish(request, FinishReason.LENGTH, output)
        if len(sequence.tokens) >= self._context.n_ctx and not self._shift(request):
            return self._finish(request, FinishReason.LENGTH, output)
        return output

    def _shift(self, request: RunningRequest) -> bool:
        """Make room in a full context where the request and the model allow it."""
        if request.overflow is not Overflow.SHIFT or not self._context.can_shift:
            return False
        sequence, slot = request.sequence, request.sequence.slot
        if slot is None or self._model.is_append_only:
            return False
        keep = min(sequence.n_prompt, self._context.n_ctx // KEPT_SHARE)
        count = self._scheduler.shift(sequence, keep)
        if slot.n_held == keep:
            self._context.forget(slot.index, keep)
        elif not self._context.cut(slot.index, keep, count):
            self._context.forget(slot.index)
            self._scheduler.lost(sequence)
        return True

    # -- ends ------------------------------------------------------------------------------

    def _finish(
        self, request: RunningRequest, reason: FinishReason, last: SequenceOutput | None = None
    ) -> SequenceOutput:
        """``last``: what the final token brought, if it is to be shown."""
        completion = request.completion(reason)
        rest = request.detokenizer.flush()
        self._release(request)
        return SequenceOutput(
            request_id=request.sequence.request_id,
            delta=(last.delta if last else "") + rest,
            n_tokens=last.n_tokens if last else 0,
            logprob=last.logprob if last else None,
            completion=completion,
        )

    def _fail(self, request_id: int, error: MinervaError) -> SequenceOutput:
        self._release(self._requests[request_id])
        return SequenceOutput(request_id=request_id, error=ErrorInfo.of(error))

    def _release(self, request: RunningRequest) -> None:
        self._scheduler.remove(request.sequence.request_id)
        del self._requests[request.sequence.request_id]
        request.sampler.close()
