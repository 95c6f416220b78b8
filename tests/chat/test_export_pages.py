"""Markdown and HTML: what a person reads, and that nothing in a message is obeyed."""

from __future__ import annotations

import hashlib
import html
import re
import time
from html.parser import HTMLParser

import msgspec
import pytest
from hypothesis import example, given, settings
from markdown_it import MarkdownIt

from minerva_desktop.chat import export_html, export_style
from minerva_desktop.chat.completion import Completion, FinishReason, Timings
from minerva_desktop.chat.conversation import Conversation
from minerva_desktop.chat.export_html import HtmlExporter, code_block
from minerva_desktop.chat.export_markdown import chat_to_markdown, shown_markdown
from minerva_desktop.chat.message import Message, MessageState, Role
from minerva_desktop.chat.parts import (
    FilePart,
    ImagePart,
    ReasoningPart,
    ToolCallPart,
    ToolResultPart,
)
from minerva_desktop.chat.tools import ToolCall
from minerva_desktop.chat.waiting_message import WaitingMessage
from tests.chat.chat_strategies import MARKUP, ChatWithImages, chats
from tests.chat.samples import make_conversation, make_message

EXPORTER = HtmlExporter()
READER = MarkdownIt("commonmark", {"html": True}).enable("table")
OUR_TAGS = ("<details>", "</details>", "<summary>")
SAFE_TAGS = frozenset(
    ("a", "article", "blockquote", "body", "br", "code", "dd", "del", "details", "div", "dl", "dt",
     "em", "figcaption", "figure", "h1", "h2", "h3", "h4", "h5", "h6", "head", "header", "hr",
     "html", "img", "kbd", "li", "main", "meta", "ol", "p", "pre", "s", "small", "span", "strong",
     "style", "sub", "summary", "sup", "table", "tbody", "td", "th", "thead", "title", "tr", "ul",
     "annotation", "math", "mfrac", "mi", "mn", "mo", "mrow", "mspace", "msqrt", "mstyle", "msub",
     "msubsup", "msup", "mtable", "mtd", "mtext", "mtr", "semantics")
)  # fmt: skip
SAFE_ATTRIBUTES = frozenset(
    ("alt", "charset", "class", "content", "dir", "href", "http-equiv", "lang", "name", "rel",
     "src", "start", "style", "columnalign", "columnspacing", "display", "displaystyle",
     "encoding", "rowspacing", "stretchy")
)  # fmt: skip


class Seen(HTMLParser):
    """All tags of a page, with what is in their attributes; strict about how they nest."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in SAFE_TAGS:
            self.wrong.append(f"<{tag}>")
        for name, value in attrs:
            is_source = name == "src" and not (value or "").startswith("data:image/")
            is_link = name == "href" and not (value or "").startswith(("http", "mailto:"))
            is_style = name == "style" and "text-align" not in (value or "")
            if name not in SAFE_ATTRIBUTES or is_source or is_link or is_style:
                self.wrong.append(f"{tag} {name}={value}")
        if tag not in {"meta", "img", "br", "hr"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}>")


def told(conversation: Conversation, **changes: object) -> Conversation:
    """With its last message changed."""
    last = conversation.active_branch()[-1]
    conversation.replace(msgspec.structs.replace(last, **changes))
    return conversation


def live_html(markdown: str) -> list[str]:
    found: list[str] = []
    for token in READER.parse(markdown):
        for each in (token, *(token.children or ())):
            found += [each.content] if each.type in {"html_block", "html_inline"} else []
    return found


@settings(deadline=None, max_examples=25)
@given(MARKUP)
@example("a\n```\nopen <b>")
@example("` <b> ``\n\n<i> `")
@example("1. ```\n   <b>\n2. <script>")
@example("\\<b> \\\\<b>")
@example("<details>\n\n```\n</details>")
def test_markdown_of_a_message_is_never_obeyed(text: str) -> None:
    shown = shown_markdown(text)
    assert live_html(shown) == []
    # And what comes behind it is no part of it.
    tokens = READER.parse(f"{shown}\n\n# next")
    assert [token.type for token in tokens[-3:]] == ["heading_open", "inline", "heading_close"]
    assert (tokens[-3].level, tokens[-2].content) == (0, "next")


@settings(deadline=None, max_examples=25)
@given(chats(MARKUP))
def test_no_chat_puts_html_into_its_markdown(chat: ChatWithImages) -> None:
    html = live_html(chat_to_markdown(chat.conversation))
    for piece in html:
        lines = piece.strip().split("\n")
        assert all(line.startswith(OUR_TAGS) for line in lines), piece
        inner = piece.replace("<summary>", "").replace("</summary>", "")
        assert set(inner.replace("<details>", "").replace("</details>", "")).isdisjoint("<>"), piece
    assert "".join(html).count("<details>") == "".join(html).count("</details>")


@settings(deadline=None, max_examples=25)
@given(chats(MARKUP))
def test_no_chat_puts_html_into_its_page(chat: ChatWithImages) -> None:
    seen = Seen()
    seen.feed(EXPORTER.page(chat.conversation, chat.blobs))
    seen.close()
    assert seen.wrong == []
    assert seen.open == []


@pytest.fixture
def conversation() -> Conversation:
    conversation = make_conversation("First *question*", "An answer", title="My  <chat>")
    conversation.model, conversation.tags = "small.gguf", ("red", "blue")
    conversation.system_prompt = "Be brief."
    question, answer = conversation.active_branch()
    conversation.replace(msgspec.structs.replace(answer, model="small.gguf"))
    conversation.add(
        Message(
            id="second",
            parent_id=question.id,
            role=Role.ASSISTANT,
            text="Another:\n\n```python\nprint('<b>')\n```",
            state=MessageState.STOPPED,
            created_at=1000.0,
            parts=(
                ReasoningPart("I think", 2300.0),
                ToolCallPart(ToolCall("c", "find", '{"q":1}')),
            ),
        )
    )
    return conversation


def test_markdown_can_be_read(conversation: Conversation) -> None:
    text = chat_to_markdown(conversation)
    head, first, second = text.split("\n---\n")
    assert head.startswith("# My \\<chat\\>\n\n- Model: small.gguf\n- Created: 1970-01-01 ")
    assert "- Tags: red, blue\n" in head
    assert "- Messages: 2 (1 more in other branches, which are not in this file)\n" in head
    assert "<summary>System prompt</summary>\n\n> Be brief.\n\n</details>" in head
    assert first.startswith("\n## You\n\n*1970-01-01 ")
    assert first.endswith("First *question*\n")
    assert "<summary>Thoughts (2.3 s)</summary>\n\n> I think\n\n</details>" in second
    assert "Another:\n\n```python\nprint('<b>')\n```\n" in second
    assert '**Calls the tool find**\n\n```json\n{"q":1}\n```' in second
    assert second.endswith("*Version 2 of 2.*\n\n*This answer was stopped.*\n")


def test_the_page_can_be_read(conversation: Conversation) -> None:
    page = EXPORTER.page(conversation, {})
    assert "<title>My &lt;chat&gt;</title>" in page
    assert "<dt>Model</dt><dd>small.gguf</dd>" in page
    assert "<summary>Thoughts (2.3 s)</summary>" in page
    assert "<span class=\"s1\">'&lt;b&gt;'</span>" in page
    assert "prefers-color-scheme: dark" in page
    assert "default-src 'none'" in page
    assert "<script" not in page
    assert "Version 2 of 2." in page


def test_code_in_thoughts_stays_code() -> None:
    thoughts = told(make_conversation("a"), parts=(ReasoningPart("\t<script>\n-\t\t<b>"),))
    assert {piece.split("<")[0] for piece in live_html(chat_to_markdown(thoughts))} == {""}
    assert ">     <script>\n" in chat_to_markdown(thoughts)


def test_files_and_images() -> None:
    png = b"\x89PNG\r\n\x1a\n"
    digest = hashlib.sha256(png).hexdigest()
    parts = (
        FilePart("a`b.py", "x = '```'\n</details>", 12),
        ImagePart("cat.png", digest, 8, "image/png", 3, 4),
        ImagePart("gone.png", "0" * 64, 8, "image/png"),
        ImagePart("evil.svg", digest, 8, "image/svg+xml"),
        ToolResultPart("c", "42", "find"),
    )
    conversation = told(make_conversation("look"), parts=parts)
    page = EXPORTER.page(conversation, {digest: png})
    assert page.count("<img ") == 1
    assert '<img src="data:image/png;base64,iVBORw0KGgo=" alt="cat.png (3 × 4, 8 bytes)">' in page
    assert "Image: gone.png (8 bytes)" in page
    assert "Image: evil.svg (8 bytes)" in page
    text = chat_to_markdown(conversation)
    assert "<summary>a`b.py (12 bytes)</summary>\n\n````py\nx = '```'\n</details>\n````" in text
    assert "*Image: cat.png (3 × 4, 8 bytes)*" in text
    assert "<summary>Result of find</summary>\n\n```\n42\n```" in text


def test_how_an_answer_ended() -> None:
    cut = Completion(finish_reason=FinishReason.LENGTH, timings=Timings(), seed=1)
    failed = told(make_conversation("a"), state=MessageState.FAILED, error="No room.")
    assert "This answer failed. No room." in EXPORTER.page(failed, {})
    assert "cut off at its length limit" in chat_to_markdown(
        told(make_conversation("a"), completion=cut)
    )


def test_an_empty_chat_and_times_that_no_calendar_has() -> None:
    empty = make_conversation()
    assert chat_to_markdown(empty).startswith("# Untitled chat\n")
    far = told(make_conversation("a", updated_at=1e300), model="m")
    assert "Created" not in chat_to_markdown(far)
    assert "Created" not in EXPORTER.page(far, {})


@pytest.mark.parametrize(
    "text", ["[" * 8_000, "![](" * 3_000, "<" * 30_000, "`a" * 12_000, "> " * 5_000, "x" * 10**6]
)
def test_attacks_cost_no_minutes(text: str) -> None:
    began = time.process_time()
    assert live_html(shown_markdown(text)[:300_000]) == []
    assert EXPORTER.markdown(text)
    assert time.process_time() - began < 10.0  # 0.7 at most


@pytest.mark.parametrize(
    ("language", "code"),
    [("java", ("a " * 150 + "\n") * 300), ("css", ("a " * 150 + "\n") * 300), ("c", "(" * 90_000)],
)
def test_code_that_lexers_are_slow_with_keeps_its_words(language: str, code: str) -> None:
    html = code_block(code, language)
    words = re.sub("<[^>]*>", "", html)
    assert words.split() == code.split()


def test_links_and_images_of_a_model() -> None:
    html = EXPORTER.markdown("[a](http://x) [b](javascript:x) [c](data:text/html,x) ![d](http://y)")
    assert '<a href="http://x" rel="noreferrer noopener">a</a>' in html
    assert "[b](javascript:x) [c](data:text/html,x)" in html
    assert '<a href="http://y" rel="noreferrer noopener">[Image: d]</a>' in html


def test_alerts_have_their_name_and_a_colour() -> None:
    html = EXPORTER.markdown(
        "> [!TIP]\n> Be *kind*.\n>\n> - Wait.\n\n> [!warning]\n\n> [!NOTE] is text"
    )
    tip, warning, quote = html.split("<blockquote")[1:]
    label = '<p class="label">Tip</p>\n<p>Be <em>kind</em>.</p>\n<ul>'
    assert tip.startswith(f' class="alert tip-alert">\n{label}')
    shown = '<p class="label">Warning</p>\n</blockquote>\n'
    assert warning == f' class="alert warning-alert">\n{shown}'
    assert quote == ">\n<p>[!NOTE] is text</p>\n</blockquote>\n"
    assert ".tip-alert {" in export_style.STYLE


def test_messages_in_other_branches_stay_out() -> None:
    conversation = make_conversation("shown")
    conversation.add(make_message("hidden"))
    conversation.select_branch(conversation.siblings(conversation.active_branch()[0].id)[0])
    assert "hidden" not in chat_to_markdown(conversation)
    assert "hidden" not in EXPORTER.page(conversation, {})


def test_formulas_are_mathml() -> None:
    shown = EXPORTER.markdown("So $x_{0}^2+\\sqrt{0}$ costs $5 and $6.")
    assert (
        "<msubsup><mi>x</mi><mrow><mn>0</mn></mrow><mn>2</mn></msubsup><mo>+</mo><msqrt>" in shown
    )
    assert "x_{0}^2+\\sqrt{0}</annotation>" in shown
    assert shown.endswith("</math> costs $5 and $6.</p>\n")
    assert "速度</mtext>" in EXPORTER.markdown("$\\text{速度}$")
    assert "<msub><mrow><mi mathvariant=" in EXPORTER.markdown("$\\ce{H2O}$")
    assert '<math display="block">' in EXPORTER.markdown("$$\n\\frac{1}{2}\n$$")


@pytest.mark.parametrize(
    "tex",
    [r"\unknown x", r"\href{javascript:a}{b}", r"\text{\foo}"],
)
def test_a_formula_that_cannot_be_typeset_is_its_source(tex: str) -> None:
    assert EXPORTER.markdown(f"${tex}$") == f"<p>{html.escape(f'${tex}$')}</p>\n"


@pytest.mark.parametrize(
    "tex",
    [
        r'\color{red" onload="x}{x}',
        r"\style{position:fixed}{x}",
        r"\text{<script>&lt;script>&#60;b}",
    ],
)
def test_a_formula_cannot_put_anything_else_into_a_page(tex: str) -> None:
    seen = Seen()
    seen.feed(EXPORTER.markdown(f"${tex}$"))
    assert (seen.wrong, seen.open) == ([], [])


def test_formulas_without_end_cost_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_html, "MAX_FORMULA_SECONDS", 0.0)
    assert EXPORTER.markdown("$x$") == "<p>$x$</p>\n"


def test_what_reorders_text_is_named_in_a_page() -> None:
    hidden = "a\u202eb\u2066c"
    conversation = make_conversation(f"{hidden}\n\n```\n{hidden}\n```")
    conversation.title = conversation.system_prompt = hidden
    page = EXPORTER.page(conversation, {})
    assert "\u202e" not in page
    assert "\u2066" not in page
    assert page.count("a[U+202E]b[U+2066]c") == 5  # with the page's own title


def test_what_waits_to_be_sent_stands_at_the_end_and_says_so() -> None:
    chat = make_conversation("One", "Un")
    chat.draft = "half"
    chat.waiting = (
        WaitingMessage("*Two*", "/home/me/tiny.gguf", (FilePart("a.txt", "salt", 4),)),
        WaitingMessage("Three", "/home/me/tiny.gguf"),
    )
    text = chat_to_markdown(chat)
    end = text[text.index("Un") :]
    assert end.count("*This message waits to be sent.*") == 2
    places = [end.index(each) for each in ("a.txt", "*Two*", "*This", "## You\n\nThree")]
    assert places == sorted(places)
    page = EXPORTER.page(chat, {})
    assert page.count('<p class="note">This message waits to be sent.</p>') == 2
    assert "<em>Two</em>" in page
    for each in (text, page):
        assert "half" not in each
        assert "/home/me" not in each
