"""Log-probabilities in the shape of OpenAI's older completions. Asyncio loop of the endpoint."""

from __future__ import annotations

import codecs
from collections.abc import Sequence

from minerva_desktop.chat.completion import PromptToken, TokenLogprob
from minerva_desktop.server.schemas.completions import TextLogprobs


class LogprobWriter:
    """Writes those of one choice as its tokens come, those of an echoed prompt first, and knows
    where in the text each begins."""

    def __init__(self, n_top: int) -> None:
        """``n_top`` likeliest tokens were asked for beside the chosen ones."""
        self._n_top = n_top
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._offset = 0

    def write(self, logprobs: Sequence[TokenLogprob]) -> TextLogprobs:
        """The next tokens of an answer."""
        _, offsets = self._read([each.piece for each in logprobs])
        return TextLogprobs(
            tuple(_spelled(each.piece) for each in logprobs),
            tuple(each.logprob for each in logprobs),
            tuple(_top(each.top, each.piece, each.logprob) for each in logprobs)
            if self._n_top
            else None,
            offsets,
        )

    def write_prompt(self, tokens: Sequence[PromptToken]) -> tuple[str, TextLogprobs]:
        """The next tokens of a prompt, and their text."""
        text, offsets = self._read([each.text for each in tokens])
        return text, TextLogprobs(
            tuple(_spelled(each.piece) for each in tokens),
            tuple(each.logprob for each in tokens),
            tuple(
                None if each.logprob is None else _top(each.top, each.piece, each.logprob)
                for each in tokens
            )
            if self._n_top
            else None,
            offsets,
        )

    def _read(self, pieces: Sequence[bytes]) -> tuple[str, tuple[int, ...]]:
        """The text of ``pieces``, and where each begins."""
        text, offsets = "", []
        for piece in pieces:
            offsets.append(self._offset + len(text))
            text += self._decoder.decode(piece)
        self._offset += len(text)
        return text, tuple(offsets)


def joined(parts: Sequence[TextLogprobs]) -> TextLogprobs:
    """Those of one choice, which came in ``parts``."""
    return TextLogprobs(
        tuple(token for part in parts for token in part.tokens),
        tuple(value for part in parts for value in part.token_logprobs),
        tuple(top for part in parts for top in part.top_logprobs or ())
        if any(part.top_logprobs is not None for part in parts)
        else None,
        tuple(offset for part in parts for offset in part.text_offset),
    )


def _top(top: Sequence[TokenLogprob], piece: bytes, logprob: float) -> dict[str, float]:
    """The likeliest tokens, and the chosen one in any case. Of those that are spelled alike the
    likeliest."""
    found: dict[str, float] = {}
    for each in top:
        found.setdefault(_spelled(each.piece), each.logprob)
    found.setdefault(_spelled(piece), logprob)
    return found


def _spelled(piece: bytes) -> str:
    try:
        return piece.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in piece)
