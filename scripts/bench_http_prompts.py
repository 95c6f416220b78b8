"""What the streams of `bench_http` ask for: prompts of one length whose answers are recognisable.

Each stream has two words that no other stream of its turn has. The conversation shows the model an
answer that repeats them and asks for it again, and greedy, even a small one does the same: one
token of somebody else's answer shows. All words are one token in the embedded model's vocabulary.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

N_REPEATS = 8  # of the two words
_NOUNS = """
river stone house garden window bridge forest mountain ocean desert island valley market school
station tower castle temple village city street road field farm barn kitchen table chair mirror
candle lamp clock book paper pencil letter paint music guitar piano drum violin bread butter
cheese apple orange lemon banana cherry grape onion potato tomato carrot pepper salt sugar honey
coffee tea milk water fire smoke cloud rain snow wind storm thunder summer winter spring autumn
morning evening night moon sun star planet comet horse tiger lion bear wolf eagle whale shark
snake frog spider bee ant mouse rabbit sheep goat pig cow duck goose chicken doctor teacher
farmer soldier pilot artist writer king queen prince knight dragon monster robot engine wheel
train ship boat plane rocket gold silver
"""
WORDS = tuple(_NOUNS.split())
MAX_STREAMS = len(WORDS) // 2


def words_of(stream: int, turn: int) -> tuple[str, str]:
    """The two words of a stream. The streams of one ``turn`` share none, and no two of the first
    `MAX_STREAMS` turns give a stream the same."""
    return WORDS[stream], WORDS[MAX_STREAMS + (stream + turn) % MAX_STREAMS]


def messages_of(stream: int, turn: int) -> list[dict[str, str]]:
    """What that stream asks."""
    words = words_of(stream, turn)
    question = {"role": "user", "content": f"Say {' '.join(words)}."}
    answer = {"role": "assistant", "content": f"Yes: {' '.join(words * N_REPEATS)}"}
    return [question, answer, question]


def has_foreign_words(text: str, own: Sequence[str]) -> bool:
    """Whether an answer has words of other streams, or none of its own two: a sign that it is
    somebody else's, but small models also get there by themselves."""
    # The last word may be cut off in the middle, and so be another one ("wind" of "window").
    words = re.findall(r"[a-z]+", text.lower())[:-1]
    foreign = set(WORDS).difference(own)
    return not foreign.isdisjoint(words) or set(own).isdisjoint(words)


def suspects(texts: Sequence[str | None], turn: int) -> list[int]:
    """The streams of one turn whose answers have foreign words. ``texts``: in the order of the
    streams; None stands for an answer that failed."""
    return [
        stream
        for stream, text in enumerate(texts)
        if text is not None and has_foreign_words(text, words_of(stream, turn))
    ]
