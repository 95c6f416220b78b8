"""How tokens cross the wire: a text of megabytes has more than a million."""

from __future__ import annotations

import msgspec

from minerva_desktop.engine.messages import Tokenized
from tests.patience import cpu_seconds


def test_tokens_and_their_pieces_come_out_as_they_went_in() -> None:
    for tokens, pieces in (((), ()), ((3, 2**31 - 1, 0), (b"a", b"", b"\xc3\xa9"))):
        sent = msgspec.msgpack.encode(Tokenized.of(7, tokens, pieces))
        came = msgspec.msgpack.decode(sent, type=Tokenized)
        assert (came.request_id, came.tokens, came.pieces) == (7, tokens, pieces)


def test_a_million_tokens_hold_the_loop_that_reads_them_for_a_moment() -> None:
    sent = msgspec.msgpack.encode(Tokenized.of(7, range(1_000_000), [b" word"] * 1_000_000))
    assert cpu_seconds(lambda: msgspec.msgpack.decode(sent, type=Tokenized)) < 0.05
    came = msgspec.msgpack.decode(sent, type=Tokenized)
    read = [(len(tokens), set(pieces)) for tokens, pieces in came.unpacked(600_000)]
    assert read == [(600_000, {b" word"}), (400_000, {b" word"})]
