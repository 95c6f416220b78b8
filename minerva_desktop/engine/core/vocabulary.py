"""A model's vocabulary: text to tokens and back.

Reads constant data of a loaded model, so that several threads may each have one of their own,
also while a decode runs.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from minerva_desktop.engine.core.bindings import llama
from minerva_desktop.errors import InferenceError, InvalidRequest

# Vocabularies have the tokens of single bytes at their beginning, behind up to so many control
# tokens (Mistral's Tekken; Gemma 3 has them from 238 on, Llama 2 from 3, most from 0).
_N_BEFORE_BYTES = 1_000


class InfillTokens(NamedTuple):
    """What stands before the text in front of a gap, before that behind it, and at the gap."""

    prefix: int
    suffix: int
    middle: int


class Vocabulary:
    """The tokens of one model. Used on one thread: it has a buffer, and remembers the answers
    that every step of a decode asks for."""

    def __init__(self, model_handle: Any) -> None:
        self.handle = llama.llama_model_get_vocab(model_handle)
        self.n_tokens = int(llama.llama_vocab_n_tokens(self.handle))
        self._end_tokens: tuple[int, ...] | None = None
        self._buffer = ctypes.create_string_buffer(256)
        self._pieces: dict[int, bytes] = {}
        self._is_end: dict[int, bool] = {}
        self._byte_tokens: dict[int, int] | None = None

    @property
    def bos(self) -> int:
        """The beginning-of-sequence token, -1 when the model has none."""
        return int(llama.llama_vocab_bos(self.handle))

    @property
    def eos(self) -> int:
        """The end-of-sequence token, -1 when the model has none."""
        return int(llama.llama_vocab_eos(self.handle))

    @property
    def adds_bos(self) -> bool:
        """Whether `tokenize` puts the beginning-of-sequence token first."""
        return bool(llama.llama_vocab_get_add_bos(self.handle))

    @property
    def infill(self) -> InfillTokens | None:
        """Those for filling in the middle, where the model has all of them."""
        found = InfillTokens(
            int(llama.llama_vocab_fim_pre(self.handle)),
            int(llama.llama_vocab_fim_suf(self.handle)),
            int(llama.llama_vocab_fim_mid(self.handle)),
        )
        return found if min(found) >= 0 else None

    @property
    def kind(self) -> int:
        """llama.cpp's kind of tokeniser (``llama_vocab_type``)."""
        return int(llama.llama_vocab_type(self.handle))

    def end_tokens(self) -> tuple[int, ...]:
        """All tokens that end a turn."""
        if self._end_tokens is None:
            # Not `ends_generation`: to remember each of 262,144 tokens takes 20 MB.
            is_end, vocabulary = llama.llama_vocab_is_eog, self.handle
            self._end_tokens = tuple(t for t in range(self.n_tokens) if is_end(vocabulary, t))
        return self._end_tokens

    def ends_generation(self, token: int) -> bool:
        """Whether the model ends its turn with ``token``."""
        known = self._is_end.get(token)
        if known is None:
            known = self._is_end[token] = bool(llama.llama_vocab_is_eog(self.handle, token))
        return known

    def text(self, token: int) -> str:
        """A token's text as the vocabulary spells it; empty for "no such token" (-1)."""
        if token < 0:
            return ""
        raw = llama.llama_vocab_get_text(self.handle, token)
        return raw.decode("utf-8", "replace") if raw else ""

    def tokenize(self, text: str, *, special: bool, add_special: bool = True) -> list[int]:
        """Token ids of ``text``.

        ``special`` reads control tokens written out in it; ``add_special`` puts those that the
        model wants around a text (the beginning of a sequence, say).
        """
        raw = text.encode("utf-8", "replace")
        # A token covers at least one byte, but for the ones that the model adds at the ends.
        size = len(raw) + 8
        tokens = (llama.llama_token * size)()
        count = llama.llama_tokenize(self.handle, raw, len(raw), tokens, size, add_special, special)
        if count < 0:
            raise InferenceError(f"llama.cpp could not tokenise a text of {len(raw):,} bytes")
        return list(tokens[:count])

    def check(self, tokens: Sequence[int], param: str) -> None:
        """Raise `InvalidRequest` for a token that the model does not have."""
        for token in tokens:
            if not 0 <= token < self.n_tokens:
                raise InvalidRequest(
                    f"{param} names token {token}, but the model has {self.n_tokens:,} tokens",
                    param=param,
                )

    def piece(self, token: int) -> bytes:
        """The bytes that ``token`` adds to a text; none for a control token."""
        known = self._pieces.get(token)
        if known is None:
            known = self._pieces[token] = self._spell(token, special=False)
        return known

    def bytewise(self, token: int) -> Sequence[int]:
        """Tokens of one byte each that add to a text what ``token`` does; ``token`` itself where
        it adds nothing, ends a turn, or the vocabulary has no tokens for its bytes. None has a zero
        byte, at which llama.cpp's grammars end a token."""
        if self.ends_generation(token):
            return (token,)
        if self._byte_tokens is None:
            first = range(min(self.n_tokens, _N_BEFORE_BYTES + 256))
            pieces = ((self._spell(each, special=False), each) for each in first)
            self._byte_tokens = {
                piece[0]: each
                for piece, each in pieces
                if len(piece) == 1 and piece[0] and not self.ends_generation(each)
            }
        found = [self._byte_tokens.get(byte, -1) for byte in self.piece(token)]
        return found if found and min(found) >= 0 else (token,)

    def written_out(self, token: int) -> bytes:
        """The bytes of ``token``, those of control tokens too."""
        return self._spell(token, special=True)

    def speller(self, marks: Iterable[str]) -> Callable[[int], bytes]:
        """Like `piece`, but for the control tokens among those that make up ``marks``, which are
        written out; `piece` itself where there is none."""
        tokens = {
            token
            for mark in marks
            for token in self.tokenize(mark, special=True, add_special=False)
            if not self.piece(token)
        }
        shown = {token: self.written_out(token) for token in tokens}
        if not shown:
            return self.piece

        def spell(token: int) -> bytes:
            known = shown.get(token)
            return self.piece(token) if known is None else known

        return spell

    def _spell(self, token: int, *, special: bool) -> bytes:
        size = llama.llama_token_to_piece(
            self.handle, token, self._buffer, len(self._buffer), 0, special
        )
        if size < 0:
            self._buffer = ctypes.create_string_buffer(-size)
            return self._spell(token, special=special)
        return self._buffer.raw[:size]
