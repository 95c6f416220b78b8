"""Guesses from a small model with the same vocabulary. Engine child, main thread."""

from __future__ import annotations

import logging
import math
from pathlib import Path

from minerva_desktop.engine.core.abort_flag import AbortFlag
from minerva_desktop.engine.core.bindings import llama
from minerva_desktop.engine.core.context_params import ContextPlan, draft_options, draft_params
from minerva_desktop.engine.core.llama import Decoded, LlamaContext, LlamaModel
from minerva_desktop.engine.core.llama_log import LlamaLog
from minerva_desktop.engine.core.logits import Candidates
from minerva_desktop.engine.core.model_parts import check_file
from minerva_desktop.engine.core.sequence import Sequence
from minerva_desktop.engine.core.slot import Slot, common_prefix
from minerva_desktop.engine.core.speculation import room_for_drafts
from minerva_desktop.engine.load_options import LoadOptions, Speculation
from minerva_desktop.errors import InferenceError, ModelLoadError, OutOfMemory

_log = logging.getLogger(__name__)

# Likeliest tokens among which the first one's probability is taken, as llama.cpp's own
# speculation does (common/speculative.cpp).
_N_LIKELIEST = 10
# llama.cpp's bound for vocabularies that differ in padding only (common/speculative.cpp).
_MAX_VOCABULARY_DIFFERENCE = 128
_FIRST_COMPARED = 5  # tokens before it are control tokens, which may be named otherwise


class DraftModel:
    """A second model that runs ahead of the first, greedily, while it is sure of itself.

    It has a sequence for each slot of the first model's context and catches up with what that
    holds, a batch at most in each step, so that a long prompt holds up nobody.
    """

    def __init__(
        self,
        target: LlamaModel,
        options: LoadOptions,
        speculation: Speculation,
        *,
        path: Path,
        plan: ContextPlan,
        n_ctx: int,
        n_threads: int,
        abort: AbortFlag,
        log: LlamaLog,
    ) -> None:
        """Load it beside a context of ``plan`` that holds ``n_ctx`` tokens.

        Raises `ModelNotFound`, `ModelLoadError` or `OutOfMemory`.
        """
        check_file(path, f"The draft model “{path.name}”")  # not in words as of the model
        own = draft_options(options)
        self.model = LlamaModel(path, own, log=log)
        check_vocabulary(self.model, target, path.name)
        params = draft_params(own, plan, n_ctx, n_threads)
        self._context = LlamaContext(self.model, params, abort=abort, log=log)
        check_can_guess(self.model, self._context, path.name)
        self._n_batch = plan.n_batch
        self._n_ctx = n_ctx
        self._n_draft = speculation.n_draft
        self._p_min = speculation.p_min
        self._held: dict[int, list[int]] = {}  # tokens of each slot
        self._candidates = Candidates(self.model.n_vocab)
        self._top = llama.llama_sampler_init_top_k(_N_LIKELIEST)
        self._n_vocab = min(self.model.n_vocab, target.n_vocab)

    def draft(self, sequences: list[Sequence]) -> None:
        """Fill the ``drafts`` of sequences that decode."""
        for sequence in sequences:  # of one that gets none, those for an earlier end are stale
            sequence.drafts.clear()
        wanted = {
            id(sequence): room
            for sequence in sequences
            if (room := room_for_drafts(sequence, self._n_draft, self._n_ctx))
        }
        going = self._that_fit([s for s in sequences if id(s) in wanted])
        while going:
            rows = self._compute(going)
            if rows is None:
                return
            going = [
                sequence
                for sequence in going
                if (row := rows.get(id(sequence))) is not None
                and self._guess(sequence, row)
                and len(sequence.drafts) < wanted[id(sequence)]
            ]

    def use_threads(self, n_threads: int) -> None:
        """Compute the next guesses with so many."""
        self._context.use_threads(n_threads)

    def forget(self, request_id: int) -> None:
        """What its slot holds is of use to whoever comes next."""

    def empty(self, slot: Slot) -> None:
        """As in `Drafter`."""
        if self._held.pop(slot.index, None):
            self._context.forget(slot.index)

    def _that_fit(self, sequences: list[Sequence]) -> list[Sequence]:
        """As many of them, from the first on, as the cache holds; it shares no beginnings. The
        slots of all others are emptied when their cells are needed."""
        fitting: list[Sequence] = []
        n_cells = 0
        for sequence in sequences:
            n_cells += len(sequence.tokens) + self._n_draft
            if sequence.slot is None or n_cells > self._n_ctx:
                break
            fitting.append(sequence)
        used = {sequence.slot.index for sequence in fitting if sequence.slot is not None}
        n_held = sum(len(held) for slot, held in self._held.items() if slot not in used)
        for slot in [slot for slot in self._held if slot not in used]:
            if n_held + n_cells <= self._n_ctx:
                break
            n_held -= len(self._held.pop(slot))
            self._context.forget(slot)
        return fitting

    def _compute(self, sequences: list[Sequence]) -> dict[int, int] | None:
        """Compute what each sequence has and this model lacks, as far as a batch goes. The rows of
        those that are caught up; None when llama.cpp could not, or the step was aborted."""
        context, budget = self._context, self._n_batch
        context.batch.clear()
        rows: dict[int, int] = {}
        parts: list[tuple[int, list[int]]] = []
        for sequence in sequences:
            slot = -1 if sequence.slot is None else sequence.slot.index
            tokens = sequence.tokens + sequence.drafts
            start = self._keep_common(slot, tokens)
            new = tokens[start : start + budget]
            if not new or max(new) >= self._n_vocab:  # a token that only the other model knows
                continue
            budget -= len(new)
            is_end = start + len(new) == len(tokens)
            row = context.batch.add(new, position=start, slot=slot, n_outputs=int(is_end))
            parts.append((slot, new))
            if is_end:
                rows[id(sequence)] = row
        if not parts or not self._decodes():
            return None
        for slot, new in parts:
            self._held.setdefault(slot, []).extend(new)
        return rows

    def _decodes(self) -> bool:
        """Compute the batch. A model that only guesses never ends an answer by its failure."""
        try:
            if self._context.decode() is Decoded.DONE:
                return True
        except (InferenceError, OutOfMemory) as error:
            _log.warning("The draft model: %s", error)
        self._context.forget_all()
        self._held.clear()
        return False

    def _keep_common(self, slot: int, tokens: list[int]) -> int:
        """How many of ``tokens`` are computed; the rest of the slot is forgotten."""
        held = self._held.setdefault(slot, [])
        length = common_prefix(held, tokens, len(tokens) - 1)
        if length < len(held):
            self._context.forget(slot, length)
            del held[length:]
        return length

    def _guess(self, sequence: Sequence, row: int) -> bool:
        """Add the likeliest token; False where the model is not sure or its turn ends."""
        self._candidates.fill(self._context, row)
        self._candidates.apply(self._top)
        best = self._candidates.best(_N_LIKELIEST)
        token, highest = best[0]
        probability = 1.0 / math.fsum(math.exp(logit - highest) for _, logit in best)
        is_known = token < self._n_vocab
        if not is_known or probability < self._p_min or self._ends(token):
            return False
        sequence.drafts.append(token)
        return True

    def _ends(self, token: int) -> bool:
        return self.model.vocabulary.ends_generation(token)


def check_can_guess(draft: LlamaModel, context: LlamaContext, name: str) -> None:
    """Raise `ModelLoadError` for a ``draft`` whose guesses, once wrong, cannot be taken back."""
    if draft.is_recurrent or not context.has_memory:
        raise ModelLoadError(f"{name} cannot take tokens back, so it cannot guess ahead")


def check_vocabulary(draft: LlamaModel, target: LlamaModel, name: str) -> None:
    """Raise `ModelLoadError` where the ``draft`` of that ``name`` has other tokens than what it is
    to guess for."""
    ours, theirs = draft.vocabulary, target.vocabulary
    n_common = min(ours.n_tokens, theirs.n_tokens)
    if abs(ours.n_tokens - theirs.n_tokens) > _MAX_VOCABULARY_DIFFERENCE:
        raise ModelLoadError(
            f"{name} has another vocabulary ({ours.n_tokens:,} tokens) than the model "
            f"({theirs.n_tokens:,} tokens), so it cannot guess ahead for it"
        )
    tokens = range(_FIRST_COMPARED, n_common)
    n_other = sum(ours.text(token) != theirs.text(token) for token in tokens)
    if n_other or ours.kind != theirs.kind:
        how = f"{n_other:,} of {n_common:,} tokens" if n_other else "ways to split text"
        raise ModelLoadError(
            f"{name} has another vocabulary than the model ({how} differ), so it cannot guess "
            "ahead for it"
        )
