"""CommonMark becomes the rows that its HTML stands for: whatever is put together of its signs, in
the HTML of markdown-it-py, which the specification's examples are a part of the tests of, and those
examples themselves, where they are at hand.

The examples are the specification's, under a licence of their own, and not a part of this
repository: `COMMONMARK_SPEC` names the file, `tests/test_cmark_spec/commonmark.json` of
markdown-it-py's source distribution. What is compared is the tree: containers, blocks, text and
its looks. With us raw HTML is text, so examples with HTML have another tree, and are only cut.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from minerva_desktop.ui.chat_view import markdown
from minerva_desktop.ui.chat_view.rows import LINE_BREAK, LIST, QUOTE, Kind, Mark, Row, Run
from tests.ui.chat_view.markdown_pieces import cut, rendered, streamed

SPEC = os.environ.get("COMMONMARK_SPEC", "")
N_EXAMPLES = 652
LOOKS = {"em": Mark.ITALIC, "strong": Mark.BOLD, "code": Mark.CODE}
SEEN = Mark.ITALIC | Mark.BOLD | Mark.CODE

# Examples that we read otherwise on purpose, and why.
OTHERWISE = {12: "a formula begins with an escaped bracket"}


class Leaf(NamedTuple):
    """A block with text in it. ``nest`` as in `Row`; of ``looks`` one for each character."""

    kind: str
    nest: str
    marker: str
    text: str
    looks: tuple[Mark, ...]


@dataclass
class _Open:
    kind: str = ""
    text: str = ""
    looks: list[Mark] = field(default_factory=list)


class Expected(HTMLParser):
    """Reads the leaves out of the HTML of an example."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.leaves: list[Leaf] = []
        self.links: set[str] = set()
        self._nest = ""
        self._numbers: list[int | None] = []
        self._marker = ""
        self._looks = [Mark.NONE]
        self._open = _Open()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag in {"blockquote", "ul", "ol"}:
            self._end()
            self._nest += QUOTE if tag == "blockquote" else LIST
            if tag != "blockquote":
                self._numbers.append(int(values.get("start") or 1) if tag == "ol" else None)
        elif tag == "li":
            self._end()
            number = self._numbers[-1]
            self._marker = "•" if number is None else str(number)
            self._numbers[-1] = None if number is None else number + 1
        elif tag in {"p", "pre", "h1", "h2", "h3", "h4", "h5", "h6"}:
            self._end()
            self._open.kind = "text" if tag == "p" else "code" if tag == "pre" else tag
        elif tag == "hr":
            self._end()
            self._marker = ""
            self._add("rule", "", ())
        elif tag == "br":
            self._put("\n")
        elif tag == "img":
            name = values.get("alt") or values.get("src") or ""
            self._put(f"[Image: {name}]")
        elif tag == "a":
            self.links.add(values.get("href") or "")
        elif tag in LOOKS and self._open.kind != "code":
            self._looks.append(self._looks[-1] | LOOKS[tag])

    def handle_endtag(self, tag: str) -> None:
        if tag in {"blockquote", "ul", "ol"}:
            self._end()
            self._nest = self._nest[:-1]
            if tag != "blockquote":
                self._numbers.pop()
        elif tag in {"p", "pre", "li", "h1", "h2", "h3", "h4", "h5", "h6"}:
            self._end()
            self._marker = "" if tag == "li" else self._marker
        elif tag in LOOKS and self._open.kind != "code":
            self._looks.pop()

    def handle_data(self, data: str) -> None:
        if self._open.kind or data.strip() or self._open.text:
            self._put(data)

    def close(self) -> None:
        super().close()
        self._end()

    def _put(self, text: str) -> None:
        if text.startswith("\n") and self._open.text.endswith("\n") and self._open.kind != "code":
            text = text[1:]  # after a hard break
        self._open.text += text
        self._open.looks += [self._looks[-1]] * len(text)

    def _end(self) -> None:
        done, self._open = self._open, _Open()
        if done.text.strip() or done.kind == "code":
            self._add(done.kind or "text", done.text, tuple(done.looks))

    def _add(self, kind: str, text: str, looks: tuple[Mark, ...]) -> None:
        self.leaves.append(_leaf(kind, self._nest, self._marker, text, looks))
        self._marker = ""


def _leaf(kind: str, nest: str, marker: str, text: str, looks: tuple[Mark, ...]) -> Leaf:
    if kind == "code":
        return Leaf(kind, nest, "", text.removesuffix("\n"), ())
    begin, end = len(text) - len(text.lstrip()), len(text.rstrip())
    return Leaf(kind, nest, marker, text[begin:end], looks[begin:end])


def leaves(rows: list[Row]) -> list[Leaf]:
    """What `Expected` reads, of our rows."""
    made: list[Leaf] = []
    code = ""
    waiting = Row(Kind.TEXT)
    for row in rows:
        if row.kind is Kind.CODE:
            waiting = Row(Kind.TEXT)
            code = row.raw if row.first else code + row.raw
            if row.last:
                made.append(_leaf("code", row.nest, "", code, ()))
        elif row.kind is Kind.RULE:
            waiting = Row(Kind.TEXT)
            made.append(Leaf("rule", row.nest, "", "", ()))
        elif not row.text.removeprefix(row.marker).strip():
            waiting = row  # the marker of an item that does not begin with text
        else:
            inside = row.nest.startswith(waiting.nest)
            marker = row.marker or (waiting.marker if inside else "")
            waiting = Row(Kind.TEXT)
            marker = "•" if marker in {"•", "◦"} else marker.rstrip(".)")
            kind = f"h{row.level}" if row.level else "text"
            made.append(_leaf(kind, row.nest, marker, *_inline(row.runs)))
    return made


def _inline(runs: tuple[Run, ...]) -> tuple[str, tuple[Mark, ...]]:
    text = "".join(run.text for run in runs).replace(LINE_BREAK, "\n")
    return text, tuple(run.mark & SEEN for run in runs for _ in run.text)


class Example(NamedTuple):
    """One of the specification."""

    number: int
    markdown: str
    html: str


@cache
def examples() -> tuple[Example, ...]:
    """All of them; none where the file is not there."""
    if not SPEC or not Path(SPEC).is_file():
        return ()
    found = json.loads(Path(SPEC).read_text(encoding="utf-8"))
    return tuple(Example(each["example"], each["markdown"], each["html"]) for each in found)


def has_html(example: Example) -> bool:
    """Whether there is raw HTML in it."""
    plain, raw = MarkdownIt("commonmark", {"html": False}), MarkdownIt("commonmark")
    return bool(plain.render(example.markdown) != raw.render(example.markdown))


@pytest.fixture
def any_link(monkeypatch: pytest.MonkeyPatch) -> None:
    """The specification's links lead to `/url`, which is no link with us."""
    monkeypatch.setattr(markdown, "_ALLOWED_LINK", re.compile(""))


needs_spec = pytest.mark.skipif(not examples(), reason="COMMONMARK_SPEC names no file of examples")


@needs_spec
@pytest.mark.usefixtures("any_link")
def test_the_tree_of_each_example() -> None:
    assert len(examples()) == N_EXAMPLES
    wrong: dict[int, object] = {}
    for example in examples():
        expected = Expected()
        expected.feed(example.html)
        expected.close()
        if has_html(example) or example.number in OTHERWISE:
            continue
        got = leaves(rendered(example.markdown))
        if got != expected.leaves:
            wrong[example.number] = (example.markdown, expected.leaves, got)
    assert not wrong


@needs_spec
def test_each_example_cut_anywhere_ends_the_same() -> None:
    for example in examples():
        whole = rendered(example.markdown)
        assert streamed(list(example.markdown)) == whole, example
        assert streamed(cut(example.markdown, 3)) == whole, example


# None of what we add to CommonMark: tables, formulas, footnotes, bare addresses, strikethrough.
SIGNS = st.sampled_from(
    [
        "word", "more words ", " ", "\n", "\n\n", "\n\n\n", "a  \nb", "c\\\nd",
        "# ", "#", "## head\n", "- ", "-", "---", "---\n", "* ", "*", "**", "***\n", "+ ",
        "1. ", "1", "2. ", "7) ", "10. ", "> ", ">", "> > ", "  ", "    ", "   ", "\t",
        "`", "``", "```", "```\n", "```py\n", "~~~\n", "_", "__", "=", "===\n",
        "[", "]", "[x](/url)", "[x](/u", "![i](/pic)", "!", "[ref]", "[ref]: /e\n", "[ref]:", " /g",
        "<b>", "&amp;", "\\*", "def f():\n", "    return 1\n", "é", "👍",
    ]
)  # fmt: skip


class _Reference(MarkdownIt):
    """HTML in it is text, as with us, and all links lead somewhere."""

    def validateLink(self, url: str) -> bool:
        return True


REFERENCE = _Reference("commonmark", {"html": False})


@pytest.mark.usefixtures("any_link")
@settings(
    max_examples=250,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(SIGNS, max_size=14))
def test_the_tree_of_any_markdown(pieces: list[str]) -> None:
    text = "".join(pieces) + "\n\nlast"
    expected = Expected()
    expected.feed(REFERENCE.render(text))
    expected.close()
    assert leaves(rendered(text)) == expected.leaves
