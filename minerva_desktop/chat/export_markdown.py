"""A chat as a Markdown file to read. Values, no I/O.

Messages are Markdown already and stay as they are, but for two things. HTML in them is shown, never
obeyed: a ``<`` that would begin some gets a backslash. And a message ends where it ends: a fence
that it leaves open is closed. Thoughts and files are folded away with ``<details>``, the only HTML
there is. Images are named, not carried: a text file cannot hold them in a way that can be read.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token

from minerva_desktop.chat.conversation import Conversation
from minerva_desktop.chat.export_view import (
    Entry,
    entries_of,
    facts_of,
    file_label,
    reasoning_label,
    title_of,
)
from minerva_desktop.chat.parts import (
    FilePart,
    ImagePart,
    Part,
    ReasoningPart,
    ToolCallPart,
    ToolResultPart,
)

MAX_PARSED = 400_000  # characters; a longer message is shown as text in a fence

_SPECIAL = re.compile(r"[\\`*\[\]<>#|~&]|(?<![^\W_])_|_(?![^\W_])")
_TICKS = re.compile(r"`+")
_CONTROLS = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f]")
_LINE_END = re.compile(r"\r\n?")
# What means something to `_escaped_inline`: an escaped character, an address between angle
# brackets, a run of backticks, and what may begin HTML.
_OF_INTEREST = re.compile(r"\\.|<(?:https?://|mailto:)[^\s<>]*>|`+|<|[^\\`<]+", re.DOTALL)
_AFTER = "\n\n# What comes next"
_PARSER = MarkdownIt("commonmark", {"html": True, "maxNesting": 20}).enable("table")


def chat_to_markdown(conversation: Conversation) -> str:
    """The active branch; others are counted in its head. Ends with a line break."""
    return "\n\n".join(filter(None, _blocks(conversation))) + "\n"


def shown_markdown(text: str) -> str:
    """``text`` with its HTML shown instead of obeyed, and closed at its end."""
    text = _CONTROLS.sub("\ufffd", _LINE_END.sub("\n", text)).strip("\n")
    if len(text) <= MAX_PARSED:
        for keeps_spans in (True, False):
            safe = _escaped(text, keeps_spans=keeps_spans)
            tokens = _PARSER.parse(safe + _AFTER, {})
            if tokens and tokens[-1].type == "fence":
                safe += "\n" + tokens[-1].markup
                tokens = _PARSER.parse(safe + _AFTER, {})
            if _is_closed(tokens) and not _holds_html(tokens):
                return safe
    return fenced(text)


def fenced(text: str, language: str = "") -> str:
    """``text`` as a code block that it cannot leave, and that moves no terminal's cursor."""
    text = _CONTROLS.sub("\ufffd", _LINE_END.sub("\n", text))
    longest = max((len(run) for run in _TICKS.findall(text)), default=0)
    fence = "`" * max(3, longest + 1)
    word = re.sub(r"[^\w+#.-]", "", language)[:40]
    return "\n".join((fence + word, text.removesuffix("\n"), fence))


def _blocks(conversation: Conversation) -> Iterator[str]:
    yield f"# {_inline(title_of(conversation))}"
    facts = facts_of(conversation)
    yield "\n".join(f"- {name}: {_inline(value)}" for name, value in facts)
    if conversation.system_prompt.strip():
        yield from _folded("System prompt", _quoted(conversation.system_prompt))
    for entry in entries_of(conversation):
        yield "---"
        yield from _entry(entry)


def _entry(entry: Entry) -> Iterator[str]:
    yield f"## {entry.speaker}"
    if entry.byline:
        yield f"*{_inline(entry.byline)}*"
    calls = [part for part in entry.message.parts if isinstance(part, ToolCallPart)]
    for part in entry.message.parts:
        if not isinstance(part, ToolCallPart):
            yield from _part(part)
    if entry.message.text.strip():
        yield shown_markdown(entry.message.text)
    for call in calls:
        yield from _part(call)
    for note in entry.notes:
        yield f"*{_inline(note)}*"


def _part(part: Part) -> Iterator[str]:
    match part:
        case ReasoningPart():
            yield from _folded(reasoning_label(part), _quoted(part.text))
        case FilePart():
            yield from _folded(file_label(part), fenced(part.text, _suffix(part.name)))
        case ImagePart():
            yield f"*Image: {_inline(file_label(part))}*"
        case ToolCallPart(call=call):
            yield f"**Calls the tool {_inline(call.name)}**"
            yield fenced(call.arguments, "json")
        case ToolResultPart():
            yield from _folded(f"Result of {part.name or 'a tool'}", fenced(part.text))


def _folded(summary: str, body: str) -> Iterator[str]:
    # A blank line ends an HTML block: none may be in the summary.
    line = html.escape(" ".join(summary.split()))
    yield f"<details>\n<summary>{line}</summary>"
    yield body
    yield "</details>"


def _quoted(text: str) -> str:
    """As a quotation, which nothing in it can leave. A tab would be as wide as its column, which
    is another one behind the mark: what was code would be none any more."""
    lines = shown_markdown(text.expandtabs(4)).split("\n")
    return "\n".join(f"> {line}".rstrip() for line in lines)


def _suffix(name: str) -> str:
    stem, dot, suffix = name.rpartition(".")
    return suffix.lower() if stem and dot else ""


def _inline(text: str) -> str:
    return _SPECIAL.sub(r"\\\g<0>", _CONTROLS.sub("\ufffd", text))


# -- HTML in a message -------------------------------------------------------------------------


def _escaped(text: str, *, keeps_spans: bool) -> str:
    """``text`` with a backslash before each ``<`` that is in no code block, and in no code span
    either if ``keeps_spans``."""
    lines = text.split("\n")
    # Its blocks as they are once nothing in it is HTML any more.
    tokens = _PARSER.parse(text.replace("<", "x"), {})
    code = _lines_of(tokens, {"fence", "code_block"})
    paragraphs = {t.map[0]: t.map[1] for t in tokens if t.type == "inline" and t.map}
    escaped: list[str] = []
    while (at := len(escaped)) < len(lines):
        if at in code:
            escaped.append(lines[at])
            continue
        end = max(paragraphs.get(at, 0), at + 1)  # a code span ends with its paragraph
        piece = "\n".join(lines[at:end])
        escaped += _escaped_inline(piece, keeps_spans=keeps_spans).split("\n")
    return "\n".join(escaped)


def _lines_of(tokens: Sequence[Token], kinds: set[str]) -> set[int]:
    return {n for token in tokens if token.type in kinds and token.map for n in range(*token.map)}


def _escaped_inline(text: str, *, keeps_spans: bool) -> str:
    ends = _span_ends(text) if keeps_spans else {}
    pieces: list[str] = []
    at = 0
    while at < len(text):
        found = _OF_INTEREST.match(text, at)
        piece = found[0] if found is not None else text[at]
        if piece[0] == "`":
            piece = text[at : ends.get(at, at + len(piece))]
        pieces.append("\\<" if piece == "<" else piece)
        at += len(piece)
    return "".join(pieces)


def _span_ends(text: str) -> dict[int, int]:
    """Where a code span ends that begins with the run of backticks at a place: behind the next run
    that is as long."""
    ends: dict[int, int] = {}
    later: dict[int, int] = {}  # by length: where the next such run ends
    for run in reversed(list(_TICKS.finditer(text))):
        length = run.end() - run.start()
        if length in later:
            ends[run.start()] = later[length]
        later[length] = run.end()
    return ends


def _is_closed(tokens: Sequence[Token]) -> bool:
    """Whether what comes behind a message is no part of it: there, a heading."""
    return len(tokens) >= 3 and tokens[-3].type == "heading_open" and tokens[-3].level == 0


def _holds_html(tokens: Sequence[Token]) -> bool:
    kinds = {"html_block", "html_inline"}
    return any(
        token.type in kinds or any(child.type in kinds for child in token.children or ())
        for token in tokens
    )
