"""The child's side of an embedding model: texts in, vectors out, many texts in one batch.

Runs on the engine child's main thread, but for `interrupt`.
"""

from __future__ import annotations

import math
from array import array
from collections import deque

from minerva_desktop.engine.core.abort_flag import AbortFlag
from minerva_desktop.engine.core.desk import Prepared, PreparedEmbedding, cancelled
from minerva_desktop.engine.core.leftovers import Leftovers
from minerva_desktop.engine.core.llama import Decoded, LlamaContext, LlamaModel
from minerva_desktop.engine.core.model_info import templates_of
from minerva_desktop.engine.core.prompts import PromptBuilder
from minerva_desktop.engine.core.vocabulary import Vocabulary
from minerva_desktop.engine.load_options import EMBEDDING_TEXTS
from minerva_desktop.engine.messages import (
    EMBEDS_ONLY,
    ContextInfo,
    Embedded,
    ErrorInfo,
    Event,
    RequestFailed,
)
from minerva_desktop.errors import InferenceError, InvalidRequest, OutOfMemory


class _Job:
    """One request: which of its inputs come next, and the vectors so far."""

    def __init__(self, prepared: PreparedEmbedding) -> None:
        self.request_id = prepared.request.request_id
        self.inputs = prepared.inputs
        self.n_taken = 0
        self.n_doubtful = 0  # its texts before this one are computed alone
        self._normalize = prepared.request.normalize
        self._on_start = prepared.on_start
        self._vectors: dict[int, bytes] = {}

    @property
    def is_doubtful(self) -> bool:
        """Whether the next text was in a step with one that got no vector, and may be that one."""
        return self.n_taken < self.n_doubtful

    def take(self) -> int:
        """The next text, which is about to be computed: its index."""
        if self._on_start is not None:
            self._on_start()
            self._on_start = None
        self.n_taken += 1
        return self.n_taken - 1

    def put(self, index: int, vector: list[float]) -> None:
        """Keep the embedding of input ``index``. Raises `InferenceError` where it is none."""
        length = math.sqrt(math.fsum(value * value for value in vector))
        if not math.isfinite(length):
            raise InferenceError(
                f"The model computed no numbers (NaN) for {self._name(index)}: its file is damaged,"
                " or a number grew too large. Try it with no layers on the GPU, or get the file"
                " again"
            )
        if self._normalize:
            if not length:
                raise InferenceError(
                    f"All numbers that the model computed for {self._name(index)} are 0, so that no"
                    " vector of length 1 has their direction: its file is damaged. Get it again, or"
                    " ask for vectors as they are"
                )
            vector = [value / length for value in vector]
        self._vectors[index] = array("f", vector).tobytes()

    def _name(self, index: int) -> str:
        n_inputs = len(self.inputs)
        return f"text {index + 1:,} of {n_inputs:,}" if n_inputs > 1 else "the text"

    def answer(self) -> Embedded | None:
        """All vectors, once they are there."""
        if len(self._vectors) < len(self.inputs):
            return None
        vectors = tuple(self._vectors[index] for index in range(len(self.inputs)))
        return Embedded(self.request_id, vectors, tuple(len(tokens) for tokens in self.inputs))


class EmbeddingCore:
    """One loaded embedding model and the requests for it, a text of each in turn."""

    def __init__(
        self, model: LlamaModel, context: LlamaContext, info: ContextInfo, *, abort: AbortFlag
    ) -> None:
        """``context`` computes embeddings; a text may have ``info.n_ctx`` tokens."""
        self.info = info
        self._context = context
        self._model = model
        self._abort_flag = abort
        self._n_ctx = info.n_ctx
        self._jobs: deque[_Job] = deque()
        self.leftovers = Leftovers()

    def prompt_builder(self) -> PromptBuilder:
        """For a thread of the desk."""
        vocabulary = Vocabulary(self._model.handle)
        return PromptBuilder(vocabulary, templates=templates_of(self._model), n_ctx=self._n_ctx)

    def use_threads(self, n_threads: int) -> None:
        """Compute the next steps with so many."""
        self._context.use_threads(n_threads)

    @property
    def has_work(self) -> bool:
        """Whether `step` would compute anything."""
        return bool(self._jobs)

    def add(self, prepared: Prepared) -> None:
        """Queue a request. Raises `InvalidRequest`."""
        if not isinstance(prepared, PreparedEmbedding):
            raise InvalidRequest(EMBEDS_ONLY, param="model")
        self._jobs.append(_Job(prepared))

    def abort(self, request_id: int) -> tuple[Event, ...]:
        """Forget a request; nothing when it is unknown or over."""
        n_jobs = len(self._jobs)
        self._jobs = deque(job for job in self._jobs if job.request_id != request_id)
        return (cancelled(request_id),) if len(self._jobs) < n_jobs else ()

    def interrupt(self, request_id: int) -> None:
        """End the running decode if it is for this request alone. Any thread; `abort` must
        follow."""
        jobs = tuple(self._jobs)
        if len(jobs) == 1 and jobs[0].request_id == request_id:
            self._abort_flag.set()

    def step(self) -> tuple[Event, ...]:
        """Compute one batch of texts; the answers that it completes."""
        batch = self._next_texts()
        self._context.batch.clear()
        for slot, (job, index) in enumerate(batch):
            tokens = job.inputs[index]
            self._context.batch.add(tokens, position=0, slot=slot, n_outputs=len(tokens))
        try:
            self._compute(batch)
        except (InferenceError, OutOfMemory) as error:
            failed = {job.request_id for job, _ in batch}
            self._jobs = deque(job for job in self._jobs if job.request_id not in failed)
            return tuple(RequestFailed(number, ErrorInfo.of(error)) for number in failed)
        answers = {job.request_id: job.answer() for job, _ in batch}
        done = tuple(answer for answer in answers.values() if answer is not None)
        over = {answer.request_id for answer in done}
        self._jobs = deque(job for job in self._jobs if job.request_id not in over)
        return done

    def _next_texts(self) -> list[tuple[_Job, int]]:
        """Texts that fit into one batch, one of each request in turn."""
        batch: list[tuple[_Job, int]] = []
        n_left = self._n_ctx
        open_jobs = deque(job for job in self._jobs if job.n_taken < len(job.inputs))
        while open_jobs and len(batch) < EMBEDDING_TEXTS:
            job = open_jobs.popleft()
            n_tokens, goes_alone = len(job.inputs[job.n_taken]), job.is_doubtful
            if n_tokens > n_left or (batch and goes_alone):
                break
            batch.append((job, job.take()))
            n_left -= n_tokens
            if goes_alone:
                break
            if job.n_taken < len(job.inputs):
                open_jobs.append(job)
        # The next batch begins with those that this one left out.
        self._jobs.rotate(-1)
        return batch

    def _compute(self, batch: list[tuple[_Job, int]]) -> None:
        """Put the vectors of ``batch``, or take it back: when the decode was aborted, or one of
        several is none. Raises `InferenceError` where that of a single text is none."""
        self._context.forget_all()
        decoded = self._context.decode()
        if decoded is Decoded.NO_ROOM:
            n_tokens = self._context.batch.n_rows
            raise InferenceError(
                f"llama.cpp found no room for the {len(batch):,} texts of one batch, with"
                f" {n_tokens:,} tokens: its context holds {self._context.n_ctx:,}"
            )
        if decoded is not Decoded.DONE:
            _take_back(batch)
            return
        try:
            for slot, (job, index) in enumerate(batch):
                job.put(index, self._context.embedding(slot))
        except InferenceError:
            # What is no number stays in a cache, and no weight of it is a number either.
            self._context.wipe()
            if len(batch) == 1:
                for job in self._jobs:
                    job.n_doubtful = 0  # this was the one
                raise
            # It makes all texts beside it the same, and the others may be sound. Each is computed
            # alone until it is found: more of them together it would spoil again.
            _take_back(batch)
            for job, index in batch:
                job.n_doubtful = max(job.n_doubtful, index + 1)


def _take_back(batch: list[tuple[_Job, int]]) -> None:
    for job, index in batch:
        job.n_taken = min(job.n_taken, index)
