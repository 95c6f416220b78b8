"""How likely a model finds the tokens of a prompt. Engine child, main thread.

Evaluations score a text that way: no answer is wanted, but the log-probability of each token after
those before it.
"""

from __future__ import annotations

from minerva_desktop.chat.completion import PromptToken
from minerva_desktop.engine.core.llama import LlamaContext
from minerva_desktop.engine.core.logits import LogprobReader
from minerva_desktop.engine.core.sequence import Chunk, Sequence
from minerva_desktop.engine.core.vocabulary import Vocabulary


class PromptScorer:
    """Reads the scores of one sequence's prompt, chunk by chunk as they are computed."""

    def __init__(
        self,
        sequence: Sequence,
        text: str | None,
        *,
        n_top: int,
        reader: LogprobReader,
        vocabulary: Vocabulary,
    ) -> None:
        """``text`` is what was tokenised; None where the prompt came as tokens. ``n_top``
        likeliest tokens are wanted at each place."""
        self._sequence = sequence
        self._text = None if text is None else TextReader(text.encode("utf-8", "replace"))
        self._n_top = n_top
        self._reader = reader
        self._vocabulary = vocabulary

    def read(self, context: LlamaContext, chunk: Chunk, row: int) -> tuple[PromptToken, ...]:
        """The tokens whose scores ``chunk`` brought, which was just decoded; ``row`` is that of its
        last token. A prompt that has to be computed twice brings none the second time."""
        sequence = self._sequence
        end = min(chunk.start + chunk.count, sequence.n_prompt - 1)
        # The row of a token says what may come behind it.
        first_row = row - chunk.count + 1 - chunk.start
        scored = tuple(
            self._token(context, index, first_row + index - 1)
            for index in range(sequence.n_scored, end + 1)
        )
        sequence.n_scored += len(scored)
        return scored

    def _token(self, context: LlamaContext, index: int, row: int) -> PromptToken:
        token, spell = self._sequence.tokens[index], self._vocabulary.written_out
        piece = spell(token)
        text = piece
        if self._text is not None:
            is_added = index == 0 and self._vocabulary.adds_bos
            text = b"" if is_added else self._text.take(piece)
        if index == 0:
            return PromptToken(token=token, piece=piece, text=text)
        found = self._reader.of(context, row, token, self._n_top, spell)
        return PromptToken(
            token=token, piece=piece, text=text, logprob=found.logprob, top=found.top
        )


class TextReader:
    """Finds the pieces of tokens in the text that was tokenised. Some tokenisers put a space before
    it and behind control tokens, and a token at its end."""

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._at = 0
        self._is_lost = False

    def take(self, piece: bytes) -> bytes:
        """What of ``piece`` stands in the text next."""
        if self._is_lost:
            return piece
        if self._at == len(self._text):
            return b""
        for found in (piece, piece.removeprefix(b" ")):
            if self._text.startswith(found, self._at):
                self._at += len(found)
                return found
        self._is_lost = True  # a tokeniser that changes the text: what it reads is what is told
        return piece
