"""How long a context a model can make sense of. Pure, any thread.

Stretched positions are reckoned as llama.cpp does (``llama_init_from_model``): what the model was
trained for before anything was stretched, times the factor.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from minerva_desktop.library.estimate_options import EstimateOptions, padded_cells
from minerva_desktop.library.gguf import GgufHeader

_NONE = "none"  # a kind of scaling


class Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked of rotary positions, as `engine.load_options.RopeOptions` has it."""

    scaling: str | None = None
    freq_scale: float | None = None
    yarn_orig_ctx: int | None = None

    def reach(self, header: GgufHeader) -> int:
        """Tokens of context that the model was trained for, or is stretched to; 0: not known."""
        if self.freq_scale is None and self.scaling != _NONE:
            return header.n_ctx_train
        return self.of(first_context(header))

    def of(self, first: int) -> int:
        """What becomes of the ``first`` context that a model was trained for, in tokens."""
        if self.scaling == _NONE or self.freq_scale is None or self.freq_scale <= 0.0:
            return first
        # Nobody makes a model of more positions by calling them its first ones.
        stretched = min(self.yarn_orig_ctx or first, first) / self.freq_scale
        return max(round(stretched), first)


class Positions(Protocol):
    """What of `engine.load_options.RopeOptions` counts here."""

    @property
    def scaling(self) -> str | None: ...
    @property
    def freq_scale(self) -> float | None: ...
    @property
    def yarn_orig_ctx(self) -> int | None: ...


def stretch_of(rope: Positions) -> Stretch:
    """What was asked with ``rope``."""
    return Stretch(
        scaling=rope.scaling, freq_scale=rope.freq_scale, yarn_orig_ctx=rope.yarn_orig_ctx
    )


def first_context(header: GgufHeader) -> int:
    """Tokens that the model was trained for before its positions were stretched; 0: not known."""
    trained = header.n_ctx_train
    key = f"{header.architecture}.rope.scaling.original_context_length"
    return min(header.count(key) or trained, trained)


def usable_context(header: GgufHeader, stretch: Stretch) -> int:
    """The most tokens of context that are chosen unasked: those that the model was trained for, or
    fewer where its positions are stretched less than in training; 0: not known."""
    return min(header.n_ctx_train, stretch.reach(header))


def training(header: GgufHeader, stretch: Stretch) -> str:
    """What context a model was trained for, and what ``stretch`` makes of it: "trained for 8,192,
    which RoPE scaling stretches to 12,288"."""
    trained, reach, first = header.n_ctx_train, stretch.reach(header), first_context(header)
    if reach == trained:
        return f"trained for {trained:,}"
    if reach == first:
        return f"trained for {first:,} before RoPE scaling"
    begun = trained if reach > trained else first
    return f"trained for {begun:,}, which RoPE scaling stretches to {reach:,}"


def context_warnings(
    header: GgufHeader, found: EstimateOptions, asked: int | None, stretch: Stretch
) -> tuple[str, ...]:
    """Where the context of ``found`` is longer than the model can use, or was ``asked`` to be
    (tokens)."""
    trained = header.n_ctx_train
    if found.is_embedding and (asked or 0) > found.n_ctx:
        why = f"the model was trained for {trained:,}, and has no positions beyond them"
        return (f"context of {found.n_ctx:,} tokens instead of {asked:,}: {why}",)
    reach = stretch.reach(header)
    if not trained or found.n_ctx <= padded_cells(reach):
        return ()
    why = f"the model was {training(header, stretch)}, and beyond these it may make no sense"
    return (f"context of {found.n_ctx:,} tokens: {why}",)
