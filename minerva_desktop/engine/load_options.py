"""How to load a model: every option, its range, and what goes with what.

Values without behaviour; any thread.
"""

from __future__ import annotations

import math
import os
from enum import StrEnum
from pathlib import Path

import msgspec

from minerva_desktop.engine.option_words import option_words
from minerva_desktop.errors import InvalidRequest
from minerva_desktop.load_limits import (
    MAX_GPU_LAYERS,
    MAX_N_CTX,
    MAX_ROPE_BASE,
    MAX_ROPE_SCALE,
    MAX_TEMPLATE,
    MAX_THREADS,
    MAX_YARN_BETA,
    MAX_YARN_FACTOR,
    MIN_N_CTX,
    MIN_ROPE_SCALE,
)

MAX_PARALLEL = 256  # LLAMA_MAX_SEQ of llama.cpp 0.3.36
MAX_ADAPTERS = 16
DEFAULT_N_CTX = 8192  # tokens; the KV cache grows with it
# Of one text, and of one batch of texts. The compute buffer grows with it, and the chunks into
# which people cut documents are shorter; more is the user's choice.
EMBEDDING_N_CTX = 2048
EMBEDDING_TEXTS = 64  # in one batch
# Sequences at least, so that the last chats go on without processing their history again. Not more:
# a step looks at every cell that is in use. Recurrent models keep a whole state for each.
MIN_SLOTS = 8
SPARE_SLOTS = 4  # beside those that run at once
MAX_DRAFT = 16  # tokens
# llama.cpp falls back to ChatML for a model that brings no template (common/chat.cpp).
CHATML_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
CHATML_END = "<|im_end|>"  # of a turn


class KvType(StrEnum):
    """Number format of the KV cache: ``q8_0`` takes 53 % of the memory of ``f16``, ``q4_0`` 28.
    ``auto``: ``f16``, unless whoever knows the memory (`load_choice`) finds that it is short, and
    that the model's heads divide by the 32 numbers of a block."""

    AUTO = "auto"
    F16 = "f16"
    Q8_0 = "q8_0"
    Q4_0 = "q4_0"

    @property
    def is_quantised(self) -> bool:
        """Whether numbers are stored in blocks."""
        return self in (KvType.Q8_0, KvType.Q4_0)


class FlashAttention(StrEnum):
    """Whether attention is computed in one fused step; ``auto``: where llama.cpp can."""

    AUTO = "auto"
    ON = "on"
    OFF = "off"


class RopeScaling(StrEnum):
    """How positions beyond the trained context are squeezed into it."""

    NONE = "none"
    LINEAR = "linear"
    YARN = "yarn"
    LONGROPE = "longrope"


class RopeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Rotary position embedding, where it shall differ from what the GGUF says (None: as it says).

    ``freq_scale`` is 1 / factor: 0.25 stretches the context to four times its length.
    ``yarn_orig_ctx`` in tokens. What llama.cpp would not heed is refused by the load: any of them
    for a model without such positions, a kind of scaling without a factor, YaRN's without YaRN, and
    ``yarn_attn_factor`` with it.
    """

    scaling: RopeScaling | None = None
    freq_base: float | None = None
    freq_scale: float | None = None
    yarn_ext_factor: float | None = None
    yarn_attn_factor: float | None = None
    yarn_beta_fast: float | None = None
    yarn_beta_slow: float | None = None
    yarn_orig_ctx: int | None = None

    def check(self) -> None:
        """Raise `InvalidRequest`, naming the field, for a number out of range."""
        for name, low, high in (
            ("freq_base", 1, MAX_ROPE_BASE),
            ("freq_scale", 1 / MAX_ROPE_SCALE, 1 / MIN_ROPE_SCALE),
            ("yarn_ext_factor", 0, MAX_YARN_FACTOR),
            ("yarn_attn_factor", 0, MAX_YARN_FACTOR),
            ("yarn_beta_fast", 0, MAX_YARN_BETA),
            ("yarn_beta_slow", 0, MAX_YARN_BETA),
            ("yarn_orig_ctx", 1, MAX_N_CTX),
        ):
            _within(f"rope.{name}", getattr(self, name), low, high)
        if self.yarn_beta_fast is not None and self.yarn_beta_slow is not None:
            check_betas(self.yarn_beta_fast, self.yarn_beta_slow)


class LoraAdapter(msgspec.Struct, frozen=True):
    """A LoRA adapter file (path as bytes, see `Load`) and how strongly it works unless a request
    says otherwise: 1.0 as trained, 0.0 not at all."""

    path: bytes
    scale: float = 1.0


class Speculation(msgspec.Struct, frozen=True, kw_only=True):
    """Guess up to ``n_draft`` tokens ahead and check them all in one decode.

    The answer is the one that would have come without. The guesses come from ``draft_model`` (a
    small GGUF with the same vocabulary; it stops guessing below a probability of ``p_min``), or,
    where that is None, from the last place in prompt and answer that reads like the end so far.
    """

    draft_model: bytes | None = None
    n_draft: int = 8
    p_min: float = 0.75

    @property
    def draft_path(self) -> Path | None:
        """The draft model's file, if the guesses come from a model."""
        return None if self.draft_model is None else Path(os.fsdecode(self.draft_model))

    def check(self) -> None:
        """Raise `InvalidRequest`, naming the field, for a number out of range."""
        _within("speculation.n_draft", self.n_draft, 1, MAX_DRAFT)
        _within("speculation.p_min", self.p_min, 0.0, 1.0)


class SnapshotOptions(msgspec.Struct, frozen=True):
    """Where the states of named chats are kept (path as bytes), in at most ``max_bytes`` in all;
    0 keeps none."""

    folder: bytes
    max_bytes: int


class LoadOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How to load a model.

    ``n_ctx`` in tokens, None: the model's own, at most `DEFAULT_N_CTX` (`EMBEDDING_N_CTX` where it
    makes embeddings), unless who knows the memory (`load_choice`) chooses another.
    ``n_gpu_layers`` None: all that the build's GPU backend takes (none without one). ``n_threads``
    None: physical cores, or fewer beside busy programs; ``n_threads_batch`` (for prompts) None: as
    many as ``n_threads``. Neither is more than there are cores for this process.
    ``n_parallel`` requests are computed together; they share the ``n_ctx`` tokens. ``n_batch``
    tokens at most are computed in one step, of which each of them needs one.
    ``tensor_split``: each GPU's share.
    ``use_mlock`` keeps the weights from being swapped out. ``chat_template`` (Jinja) takes the
    place of all that the GGUF brings, also of the one that it has for tools; None: as it says.
    """

    n_ctx: int | None = None
    n_gpu_layers: int | None = None
    n_threads: int | None = None
    n_threads_batch: int | None = None
    n_batch: int = 512
    n_parallel: int = 4
    kv_type_k: KvType = KvType.AUTO
    kv_type_v: KvType = KvType.AUTO
    flash_attention: FlashAttention = FlashAttention.AUTO
    use_mmap: bool = True
    use_mlock: bool = False
    tensor_split: tuple[float, ...] = ()
    rope: RopeOptions = RopeOptions()
    lora: tuple[LoraAdapter, ...] = ()
    speculation: Speculation | None = None
    snapshots: SnapshotOptions | None = None
    chat_template: str | None = None

    def n_slots(self, *, is_recurrent: bool) -> int:
        """Sequences that the KV cache can hold: those that run, and what others left behind."""
        if is_recurrent:
            return self.n_parallel
        return min(max(self.n_parallel + SPARE_SLOTS, MIN_SLOTS), MAX_PARALLEL)

    def n_sequences(self, *, is_recurrent: bool, is_hybrid: bool) -> int:
        """Those, and one of nobody's that hybrid models have for company (`SequenceCache`), unless
        there are as many as llama.cpp can have."""
        return min(self.n_slots(is_recurrent=is_recurrent) + is_hybrid, MAX_PARALLEL)

    def check(self) -> None:
        """Raise `InvalidRequest`, naming the field, for what llama.cpp would choke on."""
        for name, low, high in (
            ("n_ctx", MIN_N_CTX, MAX_N_CTX),
            ("n_gpu_layers", 0, MAX_GPU_LAYERS),
            ("n_threads", 1, MAX_THREADS),
            ("n_threads_batch", 1, MAX_THREADS),
            ("n_batch", 1, 65_536),
            ("n_parallel", 1, MAX_PARALLEL),
        ):
            _within(name, getattr(self, name), low, high)
        self._check_batch()
        self.rope.check()
        if self.chat_template is not None:
            check_template_text(self.chat_template)
        if self.speculation is not None:
            self.speculation.check()
        if len(self.lora) > MAX_ADAPTERS:
            raise InvalidRequest(
                f"A model takes up to {MAX_ADAPTERS} LoRA adapters, not {len(self.lora)}",
                param="lora",
            )
        for adapter in self.lora:
            check_lora_scale(adapter.scale)
        for share in self.tensor_split:
            _within("tensor_split", share, 0.0, 1e6)
        if self.flash_attention is FlashAttention.OFF and self.kv_type_v.is_quantised:
            raise InvalidRequest(
                f"A KV cache in {self.kv_type_v} needs flash attention, which is off: let it be"
                " automatic, or keep the cache (its values at least) in f16",
                param="flash_attention",
            )

    def _check_batch(self) -> None:
        """A step has a token of each request that writes."""
        if self.n_batch < self.n_parallel:
            raise InvalidRequest(
                f"A batch of {self.n_batch:,} tokens is too small for {self.n_parallel:,} requests"
                " computed together, which need one each: make it larger, or compute fewer"
                " together",
                param="n_batch",
            )


def check_template_text(template: str) -> None:
    """Raise `InvalidRequest` for a chat template that is none at all; a child sees to the rest."""
    if not template.strip() or len(template) > MAX_TEMPLATE:
        raise InvalidRequest(
            f"A chat template has 1 to {MAX_TEMPLATE:,} characters, not {len(template):,}",
            param="chat_template",
        )
    try:
        template.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequest(
            "A chat template cannot hold half a character", param="chat_template"
        ) from error


def check_betas(fast: float, slow: float, param: str = "rope.yarn_beta_fast") -> None:
    """Raise `InvalidRequest`, naming ``param``, where nothing is between YaRN's two bounds."""
    if fast < slow:
        raise InvalidRequest(
            f"YaRN's fast beta, {fast:g}, must not be below its slow beta, {slow:g}", param=param
        )


def check_lora_scale(scale: float) -> None:
    """Raise `InvalidRequest` for a scale that is no sensible number."""
    _within("lora", scale, -100.0, 100.0)


def _within(name: str, value: float | None, low: float, high: float) -> None:
    if value is None:
        return
    if math.isnan(value) or not low <= value <= high:
        raise InvalidRequest(
            f"{option_words(name)} must be between {low:,} and {high:,}, not {value:,}",
            param=name,
        )
