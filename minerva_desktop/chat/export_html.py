"""A chat as one HTML page that needs nothing else. Values, no I/O.

What a model wrote is untrusted: its HTML is shown as text but for ``<sub>`` and its like, its
images become links, an address other than http, https or mailto stays the source that it was, what
would reorder or hide text is named, as in the window, and the page's own policy forbids scripts and
everything from outside. Images that came with a message are in the page. Formulas are MathML; one
that cannot be typeset stays the source that it was, too.
"""

from __future__ import annotations

import base64
import html
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from io import StringIO
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from pygments.formatters import HtmlFormatter
from pygments.lexer import Lexer
from pygments.lexers import get_all_lexers, get_lexer_by_name
from pygments.token import Text, _TokenType

from minerva_desktop.chat.conversation import Conversation
from minerva_desktop.chat.export_style import STYLE
from minerva_desktop.chat.export_view import (
    Entry,
    entries_of,
    facts_of,
    file_label,
    reasoning_label,
    title_of,
)
from minerva_desktop.chat.markdown_alerts import add_alerts
from minerva_desktop.chat.markdown_math import add_formulas, formula_tex, is_display
from minerva_desktop.chat.markdown_tags import add_tags
from minerva_desktop.chat.parts import (
    FilePart,
    ImagePart,
    Part,
    ReasoningPart,
    ToolCallPart,
    ToolResultPart,
)
from minerva_desktop.chat.visible_text import clean_source
from minerva_desktop.errors import InvalidRequest

MAX_PARSED = 400_000  # characters; a longer message is shown as it is, without its Markdown
MAX_BRACKETS = 1_000  # in one message; with more none of them makes a link (that takes seconds)
MAX_COLOURED = 100_000  # characters of a code block
MAX_LINE = 400  # characters of a line of it: some lexers are as slow as their square, or worse
MAX_SECONDS = 0.5  # for the colours of one block
MAX_FORMULA_SECONDS = 5.0  # for those of one message; what is left then is shown as its source
SHOWN_IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp"})

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; form-action 'none'"
_FORMULAS_END = "formulas_end"  # in what a parser is given: when the time for formulas is up
_LINKS = ("http://", "https://", "mailto:")


class HtmlExporter:
    """Holds the configured parsers; writing keeps no state in it. Any one thread at a time."""

    def __init__(self) -> None:
        options = {"html": False, "linkify": False, "maxNesting": 60}
        self._parser = _Parser("commonmark", options, renderer_cls=_Renderer)
        self._parser.enable(["table", "strikethrough"])
        self._without_links = _Parser("commonmark", options, renderer_cls=_Renderer)
        self._without_links.enable(["table", "strikethrough"]).disable(["link", "image"])
        for parser in (self._parser, self._without_links):
            add_formulas(parser)
            add_alerts(parser)
            add_tags(parser)

    def page(self, conversation: Conversation, blobs: Mapping[str, bytes]) -> str:
        """The active branch; others are counted in its head. ``blobs``: the images' bytes by
        digest; one that is not there is named only."""
        title = _shown(title_of(conversation))
        return "\n".join(
            (
                '<!DOCTYPE html>\n<html lang="">\n<head>\n<meta charset="utf-8">',
                f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
                '<meta name="viewport" content="width=device-width, initial-scale=1">',
                '<meta name="color-scheme" content="light dark">',
                '<meta name="referrer" content="no-referrer">',
                f"<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>",
                *self._head(conversation, title),
                *(self._entry(entry, blobs) for entry in entries_of(conversation)),
                "</main>\n</body>\n</html>\n",
            )
        )

    def markdown(self, text: str) -> str:
        """A message's Markdown as HTML that can be shown anywhere in a page."""
        if len(text) > MAX_PARSED:
            return f"<pre>{_shown(text)}</pre>"
        crowded = text.count("[") > MAX_BRACKETS
        parser = self._without_links if crowded else self._parser
        env = {_FORMULAS_END: time.monotonic() + MAX_FORMULA_SECONDS}
        return str(parser.render(clean_source(text), env))

    def _head(self, conversation: Conversation, title: str) -> Iterator[str]:
        yield f"<header>\n<h1>{title}</h1>\n<dl>"
        for name, value in facts_of(conversation):
            yield f"<dt>{_shown(name)}</dt><dd>{_shown(value)}</dd>"
        yield "</dl>"
        if conversation.system_prompt.strip():
            yield _folded("System prompt", f"<pre>{_shown(conversation.system_prompt)}</pre>")
        yield "</header>"

    def _entry(self, entry: Entry, blobs: Mapping[str, bytes]) -> str:
        message = entry.message
        pieces = [
            f'<article class="{message.role.value}">',
            f"<h2>{_shown(entry.speaker)} <small>{_shown(entry.byline)}</small></h2>",
        ]
        calls = [part for part in message.parts if isinstance(part, ToolCallPart)]
        others = [part for part in message.parts if not isinstance(part, ToolCallPart)]
        pieces += [self._part(part, blobs) for part in others]
        if message.text.strip():
            pieces.append(f'<div class="text" dir="auto">{self.markdown(message.text)}</div>')
        pieces += [self._part(part, blobs) for part in calls]
        pieces += [f'<p class="note">{_shown(note)}</p>' for note in entry.notes]
        return "\n".join((*pieces, "</article>"))

    def _part(self, part: Part, blobs: Mapping[str, bytes]) -> str:
        match part:
            case ReasoningPart():
                shown = f'<div class="text" dir="auto">{self.markdown(part.text)}</div>'
                return _folded(reasoning_label(part), shown)
            case FilePart():
                _, dot, suffix = part.name.rpartition(".")
                return _folded(
                    file_label(part),
                    code_block(part.text.removesuffix("\n"), suffix if dot else ""),
                )
            case ImagePart():
                return _image(part, blobs)
            case ToolCallPart(call=call):
                title = f'<p class="note">Calls the tool {_shown(call.name)}</p>'
                return title + code_block(call.arguments, "json")
            case ToolResultPart():
                title = f"Result of {part.name or 'a tool'}"
                return _folded(title, f"<pre>{_shown(part.text)}</pre>")


def code_block(code: str, language: str) -> str:
    """``code`` with Pygments' classes, where it knows the language or a file's suffix."""
    name = _LEXERS.get(language.lower())
    code = clean_source(code)
    longest = max(map(len, code.split("\n")))
    if name is None or len(code) > MAX_COLOURED or longest > MAX_LINE:
        return f"<pre>{_shown(code)}</pre>"
    coloured = StringIO()
    _FORMATTER.format(_coloured(get_lexer_by_name(name), f"{code}\n"), coloured)
    return f'<pre class="code">{coloured.getvalue().rstrip()}</pre>'


def _coloured(lexer: Lexer, code: str) -> Iterator[tuple[_TokenType, str]]:
    """Pygments' tokens of ``code``; once they took too long, the rest is one of plain text."""
    end, at = time.monotonic() + MAX_SECONDS, 0
    for start, kind, text in lexer.get_tokens_unprocessed(code):
        if time.monotonic() > end:
            break
        yield kind, text
        at = start + len(text)
    yield Text, code[at:]


class _Parser(MarkdownIt):
    """markdown-it with our idea of an address that may be clicked."""

    def validateLink(self, url: str) -> bool:  # noqa: N802 - markdown-it's
        return url.strip().lower().startswith(_LINKS)


class _Renderer(RendererHTML):
    """Code in colours, and images as links: nothing is fetched by opening the page."""

    def fence(
        self, tokens: Sequence[Token], index: int, _options: OptionsDict, _env: EnvType
    ) -> str:
        token = tokens[index]
        language, *_ = (*token.info.split(), "")
        return code_block(token.content.removesuffix("\n"), language) + "\n"

    def image(
        self, tokens: Sequence[Token], index: int, _options: OptionsDict, _env: EnvType
    ) -> str:
        token = tokens[index]
        target = _shown(str(token.attrGet("src") or ""))
        label = _shown(token.content or str(token.attrGet("src") or ""))
        return f'<a href="{target}" rel="noreferrer noopener">[Image: {label}]</a>'

    def math_inline(
        self, tokens: Sequence[Token], index: int, _options: OptionsDict, env: EnvType
    ) -> str:
        return _formula(tokens[index].content, env)

    def math_block(
        self, tokens: Sequence[Token], index: int, _options: OptionsDict, env: EnvType
    ) -> str:
        return f'<div class="formula">{_formula(tokens[index].content, env)}</div>\n'

    def link_open(
        self, tokens: Sequence[Token], index: int, _options: OptionsDict, _env: EnvType
    ) -> str:
        target = _shown(str(tokens[index].attrGet("href") or ""))
        return f'<a href="{target}" rel="noreferrer noopener">'


def _formula(source: str, env: EnvType) -> str:
    """A formula as MathML, or its source where that cannot be had."""
    if time.monotonic() < env[_FORMULAS_END]:
        # Late: the import takes 0.2 s, and most chats have no formula.
        from minerva_desktop.chat.mathml import mathml

        with suppress(InvalidRequest):
            return mathml(formula_tex(source), display=is_display(source))
    return _shown(source)


def _shown(text: str) -> str:
    """``text`` for a page, where nothing in it reorders or hides any."""
    return html.escape(clean_source(text))


def _image(part: ImagePart, blobs: Mapping[str, bytes]) -> str:
    label = _shown(file_label(part))
    content = blobs.get(part.digest)
    if content is None or part.media_type not in SHOWN_IMAGES:
        return f'<p class="note">Image: {label}</p>'
    source = f"data:{part.media_type};base64,{base64.b64encode(content).decode()}"
    return f'<figure><img src="{source}" alt="{label}"><figcaption>{label}</figcaption></figure>'


def _folded(summary: str, body: str) -> str:
    return f"<details>\n<summary>{_shown(summary)}</summary>\n{body}\n</details>"


def _lexer_names() -> Mapping[str, str]:
    """By alias, and by the suffix of files: the first alias of Pygments' lexer."""
    names: dict[str, str] = {}
    suffixes: dict[str, str] = {}
    for _, aliases, patterns, _ in get_all_lexers(plugins=False):
        names.update(dict.fromkeys(aliases, next(iter(aliases), "")))
        for pattern in patterns if aliases else ():
            if pattern.startswith("*."):
                suffixes.setdefault(pattern[2:], aliases[0])
    return suffixes | names


_LEXERS = _lexer_names()
_FORMATTER: HtmlFormatter[Any] = HtmlFormatter(nowrap=True)
