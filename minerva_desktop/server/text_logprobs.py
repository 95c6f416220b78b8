"""Log-probabilities in the shape of OpenAI's older completions. Asyncio loop of the endpoint."""

from __future__ import annotations

import codecs
from collections.abc import Sequence

from minerva_desktop.chat.completion import TokenLogprob
from minerva_desktop.server.schemas.completions import TextLogprobs


class LogprobWriter:
    """Writes those of one choice as its tokens come, and knows where in the text each begins."""

    def __init__(self, n_top: int) -> None:
        """``n_top`` likeliest tokens were asked for beside the chosen ones."""
        self._n_top = n_top
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._offset = 0

    def write(self, logprobs: Sequence[TokenLogprob]) -> TextLogprobs:
        """The next tokens."""
        offsets = []
        for each in logprobs:
            offsets.append(self._offset)
            self._offset += len(self._decoder.decode(each.piece))
        return TextLogprobs(
            tuple(_spelled(each.piece) for each in logprobs),
            tuple(each.logprob for each in logprobs),
            tuple(_top(each) for each in logprobs) if self._n_top else None,
            tuple(offsets),
        )


def _top(chosen: TokenLogprob) -> dict[str, float]:
    """The likeliest tokens, and the chosen one in any case. Of those that are spelled alike the
    likeliest."""
    top: dict[str, float] = {}
    for each in (*chosen.top, chosen):
        top.setdefault(_spelled(each.piece), each.logprob)
    return top


def _spelled(piece: bytes) -> str:
    try:
        return piece.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in piece)
