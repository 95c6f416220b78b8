"""The text of each token of a prompt, found in the prompt."""

from __future__ import annotations

import pytest

from minerva_desktop.engine.core.prompt_scores import TextReader


@pytest.mark.parametrize(
    ("text", "pieces", "found"),
    [
        ("a b", [b"a", b" b"], [b"a", b" b"]),
        # A space that the tokeniser put first, and one behind a control token.
        ("a<s>b", [b" a", b"<s>", b" b"], [b"a", b"<s>", b"b"]),
        (" a", [b" a"], [b" a"]),
        ("é", ["é".encode()[:1], "é".encode()[1:]], ["é".encode()[:1], "é".encode()[1:]]),
        ("a", [b"a", b"</s>"], [b"a", b""]),
        # A tokeniser that knows no capitals: what it reads is told.
        ("A b", [b"a", b" b"], [b"a", b" b"]),
    ],
)
def test_pieces_are_found_in_the_text(text: str, pieces: list[bytes], found: list[bytes]) -> None:
    reader = TextReader(text.encode())
    assert [reader.take(piece) for piece in pieces] == found
