"""llama.cpp's samplers for one sequence. Used on the engine child's main thread, but for what
`dry_prototype` makes on a desk thread.

The chain has llama.cpp's own order (`common/sampling.cpp`, 0.3.36), unless a request has another.
Without a grammar and before anything else is asked for, one call into llama.cpp does it all; and
where that would only find the likeliest token, `greedy` does.
"""

from __future__ import annotations

import ctypes
import random
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from minerva_desktop.chat.sampling import MAX_SEED, SAMPLERS, TEMPERATURE, SamplingParameters
from minerva_desktop.engine.core.bindings import llama
from minerva_desktop.engine.core.call_watch import CallWatch
from minerva_desktop.engine.core.greedy import BAN, GreedyChoice
from minerva_desktop.engine.core.llama import LlamaContext, LlamaModel
from minerva_desktop.engine.core.logits import Candidates, accept_by_grammar, check_numbers
from minerva_desktop.engine.core.vocabulary import Vocabulary
from minerva_desktop.errors import InferenceError, InvalidRequest

# For one token, on the machine that it runs on. Of alternatives that begin with different
# characters, 600 take llama.cpp 1 s of a processor with a vocabulary of 49,152.
MAX_GRAMMAR_SECONDS = 2.0
_MIN_KEEP = 1
_MIROSTAT_M = 100  # as in llama.cpp's `common_sampler_init`
# Of the likeliest token's probability. Less has only what is banned: XTC would take it for unlikely
# and prefer it, and with it the entropy that typical_p works out is no number.
_LEAST_SHARE = 1e-37
_SPARE_LIKELIEST = ("top_n_sigma", "top_k", "top_p", "min_p")


class DryPrototype:
    """A DRY sampler to make others from. Only reads the vocabulary, which no thread changes."""

    def __init__(self, handle: Any) -> None:
        """``handle`` is freed with this object."""
        self._handle = handle

    def __del__(self) -> None:
        llama.llama_sampler_free(self._handle)

    def clone(self) -> Any:
        """A handle of a sampler that the caller owns."""
        return llama.llama_sampler_clone(self._handle)


def dry_prototype(parameters: SamplingParameters, vocabulary: Vocabulary) -> DryPrototype | None:
    """The one that ``parameters`` ask for. Takes up to a second, for llama.cpp looks for each
    breaker in every token of the vocabulary."""
    is_wanted = parameters.dry_multiplier and parameters.dry_penalty_last_n
    if not is_wanted or "dry" not in parameters.samplers:
        return None
    return _dry_prototype(
        vocabulary,
        parameters.dry_multiplier,
        parameters.dry_base,
        parameters.dry_allowed_length,
        parameters.dry_penalty_last_n,
        tuple(text.encode("utf-8", "replace") for text in parameters.dry_sequence_breakers),
    )


def forget_dry_prototypes() -> None:
    """Those that no request uses are freed. Any thread."""
    _dry_prototype.cache_clear()


@lru_cache(maxsize=8)
def _dry_prototype(
    vocabulary: Vocabulary,
    multiplier: float,
    base: float,
    allowed_length: int,
    last_n: int,
    breakers: tuple[bytes, ...],
) -> DryPrototype:
    handle = llama.llama_sampler_init_dry(
        vocabulary.handle,
        multiplier,
        base,
        allowed_length,
        last_n,
        (ctypes.c_char_p * len(breakers))(*breakers),
        len(breakers),
    )
    return DryPrototype(handle)


class Sampler:
    """Picks the next token from a row of logits."""

    def __init__(
        self,
        parameters: SamplingParameters,
        *,
        grammar: str | None,
        watch: CallWatch | None,
        dry: DryPrototype | None,
        spell: Callable[[int], bytes],
        prompt: Sequence[int],
        model: LlamaModel,
    ) -> None:
        """``grammar`` is GBNF that `check_grammar` has passed, as is that of ``watch``, which says
        where it begins by what ``spell`` makes of the tokens; not both. ``dry`` is what
        `dry_prototype` made of ``parameters``. ``prompt`` (token ids) counts for the penalties, as
        in llama-server.

        Raises `InvalidRequest` for a bias of a token that the vocabulary does not have.
        """
        self.seed = random.randint(0, MAX_SEED) if parameters.seed is None else parameters.seed
        self._model = model
        self._n_sampled = 0
        self._min_tokens = parameters.min_tokens
        self._handles: list[Any] = []
        self._watch = watch
        self._spell = spell
        self._grammar: Any = None
        self._ban_ends: Any = None
        self._candidates: Candidates | None = None
        self._choice: GreedyChoice | None = None
        self.n_call = 0  # bytes at the last token's end that are of a call the model began
        self._chain = self._own(
            llama.llama_sampler_chain_init(llama.llama_sampler_chain_default_params())
        )
        try:
            self._build(parameters, grammar, dry)
        except InvalidRequest:
            self.close()
            raise
        n_seen = max(parameters.repeat_last_n, parameters.dry_penalty_last_n)
        for token in prompt[max(0, len(prompt) - n_seen) :]:
            llama.llama_sampler_accept(self._chain, token)

    def sample(self, context: LlamaContext, row: int) -> int:
        """The next token, from the logits of batch row ``row``. Raises `InferenceError` where a
        grammar leaves none, or would take too long, and where there are no numbers to go by."""
        check_numbers(context, row)
        token = None
        if self._grammar is not None or self._n_sampled < self._min_tokens:
            token = self._sample_constrained(context, row)
        elif self._choice is not None:
            token = self._choice.pick(context.row(row, self._model.n_vocab))
        if token is None:
            token = int(llama.llama_sampler_sample(self._chain, context.handle, row))
        check_numbers(context, row, token)
        self._n_sampled += 1
        if self._watch is not None:
            self._follow_calls(self._watch, token)
        return token

    def close(self) -> None:
        """Free all samplers; no use after this."""
        while self._handles:
            llama.llama_sampler_free(self._handles.pop())

    # -- building --------------------------------------------------------------------------

    def _own(self, handle: Any) -> Any:
        self._handles.append(handle)
        return handle

    def _add(self, sampler: Any) -> None:
        if sampler is not None:
            llama.llama_sampler_chain_add(self._chain, sampler)

    def _build(
        self, parameters: SamplingParameters, grammar: str | None, dry: DryPrototype | None
    ) -> None:
        self._add_biases(parameters)
        if _takes_any(parameters):
            # Not before the biases: those look for tokens that have moved one by one.
            self._add(llama.llama_sampler_init_min_p(_LEAST_SHARE, _MIN_KEEP))
        if parameters.mirostat:
            self._add(self._penalties(parameters))
            self._add(None if dry is None else dry.clone())
            self._add_mirostat(parameters)
        else:
            self._add_in_order(parameters, dry)
        if parameters.min_tokens and not parameters.ignore_eos:
            ends = self._model.vocabulary.end_tokens()
            self._ban_ends = self._own(self._bias(dict.fromkeys(ends, BAN)))
        if grammar is not None:
            self._start_grammar(grammar)

    def _start_grammar(self, grammar: str) -> None:
        vocabulary = self._model.vocabulary.handle
        handle = llama.llama_sampler_init_grammar(vocabulary, grammar.encode(), b"root")
        if not handle:
            raise InvalidRequest("llama.cpp does not accept the grammar", param="grammar")
        self._grammar = self._own(handle)

    def _end_grammar(self) -> None:
        self._handles.remove(self._grammar)
        llama.llama_sampler_free(self._grammar)
        self._grammar = None

    def _add_biases(self, parameters: SamplingParameters) -> None:
        n_vocab = self._model.n_vocab
        for token in parameters.logit_bias:
            if not 0 <= token < n_vocab:
                raise InvalidRequest(
                    f"logit_bias names token {token}, but the model has {n_vocab:,} tokens",
                    param="logit_bias",
                )
        biases = dict(parameters.logit_bias)
        if parameters.ignore_eos:
            biases |= dict.fromkeys(self._model.vocabulary.end_tokens(), BAN)
        if biases:
            self._add(self._bias(biases))

    def _bias(self, biases: dict[int, float]) -> Any:
        array = (llama.llama_logit_bias * len(biases))(*biases.items())
        return llama.llama_sampler_init_logit_bias(self._model.n_vocab, len(biases), array)

    def _penalties(self, parameters: SamplingParameters) -> Any:
        repeat, frequency = parameters.repeat_penalty, parameters.frequency_penalty
        penalised = (repeat, frequency, parameters.presence_penalty) != (1.0, 0.0, 0.0)
        if not penalised or not parameters.repeat_last_n:
            return None
        return llama.llama_sampler_init_penalties(
            self._model.n_vocab,
            parameters.repeat_last_n,
            repeat,
            frequency,
            parameters.presence_penalty,
        )

    def _add_mirostat(self, parameters: SamplingParameters) -> None:
        tau, eta = parameters.mirostat_tau, parameters.mirostat_eta
        temperature = 0.0 if parameters.is_greedy else parameters.temperature
        self._add(llama.llama_sampler_init_temp(temperature))
        if parameters.mirostat == 1:
            n_vocab = self._model.n_vocab
            self._add(llama.llama_sampler_init_mirostat(n_vocab, self.seed, tau, eta, _MIROSTAT_M))
        else:
            self._add(llama.llama_sampler_init_mirostat_v2(self.seed, tau, eta))

    def _add_in_order(self, parameters: SamplingParameters, dry: DryPrototype | None) -> None:
        """The request's samplers, and what takes a token of those that they leave."""
        superfluous = _SPARE_LIKELIEST if _only_narrows(parameters) else ()
        for name in parameters.samplers:
            if name == TEMPERATURE and parameters.is_greedy:
                sampler = llama.llama_sampler_init_greedy()
                self._add(sampler)
                self._choose_quickly(parameters, sampler)
                return  # nothing is left for those behind it
            if name not in superfluous:
                self._add(self._made(name, parameters, dry))
        self._add(llama.llama_sampler_init_dist(self.seed))

    def _made(self, name: str, parameters: SamplingParameters, dry: DryPrototype | None) -> Any:
        """The sampler of that name; None where it would change nothing, for each takes time."""
        sampler: Any = None
        match name:
            case "penalties":
                sampler = self._penalties(parameters)
            case "dry" if dry is not None:
                sampler = dry.clone()
            case "top_n_sigma" if parameters.top_n_sigma > 0.0:
                sampler = llama.llama_sampler_init_top_n_sigma(parameters.top_n_sigma)
            case "top_k" if parameters.top_k:
                sampler = llama.llama_sampler_init_top_k(parameters.top_k)
            case "typ_p" if parameters.typical_p < 1.0:
                sampler = llama.llama_sampler_init_typical(parameters.typical_p, _MIN_KEEP)
            case "top_p" if parameters.top_p < 1.0:
                sampler = llama.llama_sampler_init_top_p(parameters.top_p, _MIN_KEEP)
            case "min_p" if parameters.min_p > 0.0:
                sampler = llama.llama_sampler_init_min_p(parameters.min_p, _MIN_KEEP)
            case "xtc" if parameters.xtc_probability > 0.0:
                sampler = llama.llama_sampler_init_xtc(
                    parameters.xtc_probability, parameters.xtc_threshold, _MIN_KEEP, self.seed
                )
            case "temperature":
                low, high = parameters.temperatures
                middle, reach = (low + high) / 2.0, (high - low) / 2.0
                exponent = parameters.dynatemp_exponent
                sampler = llama.llama_sampler_init_temp_ext(middle, reach, exponent)
        return sampler

    def _choose_quickly(self, parameters: SamplingParameters, greedy: Any) -> None:
        """Do without the chain where it holds nothing but ``greedy`` and a ban of the ends."""
        banned = self._model.vocabulary.end_tokens() if parameters.ignore_eos else ()
        n_known = 2 if banned else 1
        if not parameters.logit_bias and llama.llama_sampler_chain_n(self._chain) == n_known:
            self._choice = GreedyChoice(greedy, self._model.n_vocab, banned)

    # -- with a grammar, or before an end is allowed ---------------------------------------

    def _sample_constrained(self, context: LlamaContext, row: int) -> int:
        """A grammar has to look at every candidate, which takes milliseconds. So the chain picks
        first, and only a pick that the grammar forbids is made again among what it allows."""
        candidates = self._candidates or Candidates(self._model.n_vocab)
        self._candidates = candidates
        candidates.fill(context, row)
        self._apply_end_ban(candidates)
        token = candidates.pick(self._chain)
        grammar = self._grammar
        if grammar is not None and (token is None or not candidates.allows(grammar, token)):
            candidates.fill(context, row)
            self._apply_end_ban(candidates)
            self._apply_grammar(candidates)
            token = candidates.pick(self._chain)
            if token is None or not candidates.allows(grammar, token):
                token = self._forced_end(candidates)
        if token is None:
            raise InferenceError("logit_bias bans all tokens of the model's vocabulary")
        if grammar is not None:
            accept_by_grammar(grammar, self._model.vocabulary.bytewise(token))
        llama.llama_sampler_accept(self._chain, token)
        return token

    def _apply_grammar(self, candidates: Candidates) -> None:
        """All answers of the model wait for it: one that would take too long ends its own."""
        seconds = candidates.foretell(self._grammar, MAX_GRAMMAR_SECONDS)
        if seconds > MAX_GRAMMAR_SECONDS:
            raise InferenceError(
                "The grammar allows too much at this place: to choose among"
                f" {self._model.n_vocab:,} tokens would take {seconds:.1f} s, and may take"
                f" {MAX_GRAMMAR_SECONDS:g} s. Give it fewer alternatives"
            )
        candidates.apply(self._grammar)

    def _forced_end(self, candidates: Candidates) -> int:
        """An end where the grammar lets nothing else follow, even if ends are banned: the text is
        whole. Elsewhere a token that it does not allow would end the process: llama.cpp throws."""
        for end in self._model.vocabulary.end_tokens()[:1]:
            if candidates.allows(self._grammar, end):
                return end
        raise InferenceError("The grammar allows no token of the model's vocabulary here")

    # -- calls that the model begins by itself ---------------------------------------------

    def _follow_calls(self, watch: CallWatch, token: int) -> None:
        """Bind the answer from where a call begins to where it is over."""
        piece = self._spell(token)
        self.n_call = 0
        if self._grammar is None:
            rest = watch.feed(piece)
            if rest is not None:
                self._start_grammar(watch.started.grammar)
                self.n_call = len(rest)
                if not self._takes(rest):
                    self._end_grammar()
                    self.n_call = 0
            return
        self.n_call = len(piece)
        if not watch.started.is_last and self._candidates is not None:
            ends = self._model.vocabulary.end_tokens()
            if ends and self._candidates.allows(self._grammar, ends[0]):
                self._end_grammar()

    def _takes(self, text: bytes) -> bool:
        """Whether the grammar takes ``text``, which stands behind the beginning of a call in the
        same token. Each token is asked for before it is accepted, for a wrong one would throw."""
        candidates = self._candidates = self._candidates or Candidates(self._model.n_vocab)
        vocabulary = self._model.vocabulary
        for token in vocabulary.tokenize(
            text.decode("utf-8", "replace"), special=True, add_special=False
        ):
            if not candidates.allows(self._grammar, token):
                return False
            accept_by_grammar(self._grammar, vocabulary.bytewise(token))
        return True

    def _apply_end_ban(self, candidates: Candidates) -> None:
        if self._ban_ends is not None and self._n_sampled < self._min_tokens:
            candidates.apply(self._ban_ends)


def _only_narrows(parameters: SamplingParameters) -> bool:
    """Whether the likeliest token is taken, and is the same without `_SPARE_LIKELIEST`. What may
    take it away depends on what is left of the others; so do penalties that come behind them."""
    is_usual = parameters.samplers == SAMPLERS
    return parameters.is_greedy and is_usual and not _takes_any(parameters)


def _takes_any(parameters: SamplingParameters) -> bool:
    """Whether a sampler is used that may take the likeliest token away."""
    return parameters.typical_p < 1.0 or parameters.xtc_probability > 0.0
