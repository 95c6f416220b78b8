"""The page at ``/docs``: one HTML document without a script, a font or a picture from anywhere.

Made from the OpenAPI description and the examples of the `Operation`s. All that goes into it is
escaped, and its Content-Security-Policy allows its own style sheet and nothing else. Any thread.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Iterator, Sequence
from itertools import groupby

from minerva_desktop import __version__
from minerva_desktop.errors import MinervaError
from minerva_desktop.server.api_description import REFERENCE, Json, phrase
from minerva_desktop.server.config import ConnectionLimits
from minerva_desktop.server.docs_style import STYLE
from minerva_desktop.server.json_body import MAX_BODY_BYTES, MAX_KEYS, MAX_PARTS
from minerva_desktop.server.operation import Operation
from minerva_desktop.units import format_bytes

NO_KEY = "none"
EMBEDDER = "$EMBEDDER"
# Where no model may be named, or there is none.
SOME_MODEL, SOME_EMBEDDER = "MODEL", "EMBEDDING_MODEL"
KEY_VARIABLE = "$MINERVA_API_KEY"
_QUOTED_CODE = re.compile(r"``(.+?)``|`(.+?)`")
_LIMITS = ConnectionLimits()
_BIG = 2**53  # a bound beyond it is the type's own


class DocsPage:
    """The page of one start of the endpoint."""

    def __init__(
        self,
        operations: Sequence[Operation],
        errors: Sequence[type[MinervaError]],
        description: Json,
    ) -> None:
        self._operations = operations
        self._errors = _error_table(errors)
        self._description = description
        self._types = "\n".join(self._type_articles())
        digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
        self.policy = (
            f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none';"
            " form-action 'none'; frame-ancestors 'none'"
        )

    def render(self, *, url: str, model: str | None, embedder: str | None, needs_key: bool) -> str:
        """The page with examples that ask ``model``, and for embeddings ``embedder``, at ``url``;
        None: a word that stands for its name."""
        filler = _Filler(url, model, embedder, needs_key)
        key = "needs an API key" if needs_key else "needs no API key"
        sections = [
            f"<h2>{html.escape(group)}</h2>"
            + "".join(self._operation(each, filler) for each in members)
            for group, members in groupby(self._operations, key=lambda each: each.group)
        ]
        return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Minerva Desktop: HTTP endpoint</title>
<style>{STYLE}</style>
</head>
<body>
{self._navigation()}
<main>
<h1>HTTP endpoint</h1>
<p class="lead">Clients of OpenAI’s API work with the base URL
<code>{html.escape(url)}/v1</code>, clients of Anthropic’s with
<code>{html.escape(url)}</code></p>
<div class="facts"><span>Minerva Desktop {__version__}</span><span>{key}</span>
<span><a href="/openapi.json">openapi.json</a></span></div>
{"".join(sections)}
<p>A body has at most {format_bytes(MAX_BODY_BYTES)} and {MAX_PARTS:,} parts (commas, colons and
opening brackets outside of strings), an object in it at most {MAX_KEYS:,} keys.</p>
<h2 id="errors">Errors</h2>
<p>An error names the field that it is about in <code>param</code>, and its kind in
<code>code</code>; on <code>/v1/messages</code> they are in <code>details</code>. In a stream that
has begun it is the last event. An answer is computed however slowly it is read: of its stream
{format_bytes(_LIMITS.backlog_bytes)} wait for the reader, and when there has been more for
{_LIMITS.behind_s:.0f} seconds in all, <code>client_too_slow</code> ends it. A client that closes
its connection, if only on its own side (<code>nc -N</code>), has left, and the work for it ends:
keep it open until the answer is there. Beside these there are <code>not_found</code> (404) and
<code>method_not_allowed</code> (405) for paths and methods, and <code>internal_error</code> (500),
which is a bug of Minerva: its log says more.</p>
{self._errors}
<h2 id="types">Types</h2>
{self._types}
</main>
</body>
</html>
"""

    def _navigation(self) -> str:
        parts = ['<nav aria-label="Routes"><div class="name">Minerva Desktop</div>']
        for group, members in groupby(self._operations, key=lambda each: each.group):
            parts.append(f"<b>{html.escape(group)}</b>")
            parts += [
                f'<a href="#{each.anchor}">{html.escape(each.summary)}</a>' for each in members
            ]
        parts.append('<b>Reference</b><a href="#errors">Errors</a><a href="#types">Types</a></nav>')
        return "".join(parts)

    def _operation(self, operation: Operation, filler: _Filler) -> str:
        path, described = self._described(operation)
        parts = [
            f'<article id="{operation.anchor}"><div class="route">',
            f'<span class="method {operation.method.lower()}">{operation.method}</span>',
            f"<h3><code>{html.escape(path)}</code></h3>",
            f'<span class="summary">{html.escape(operation.summary)}</span></div>',
        ]
        if operation.details:
            parts.append(f"<p>{_text(operation.details)}</p>")
        parts.append(_samples(operation, path, filler))
        if "parameters" in described:
            parts.append(_parameters(described["parameters"]))
        if operation.request is not None:
            body = described["requestBody"]["content"]["application/json"]["schema"]
            name = body["$ref"].removeprefix(REFERENCE)
            parts.append(
                f"<details><summary>Request: {name}</summary>{self._table(name)}</details>"
            )
        parts.append(_answers(described["responses"]))
        parts.append("</article>")
        return "".join(parts)

    def _described(self, operation: Operation) -> tuple[str, Json]:
        for path, methods in self._description["paths"].items():
            described = methods.get(operation.method.lower())
            if described is not None and described["operationId"] == operation.anchor:
                return path, described
        raise KeyError(operation.anchor)

    def _type_articles(self) -> Iterator[str]:
        for name, schema in sorted(self._description["components"]["schemas"].items()):
            text = _text(schema.get("description", ""))
            yield (
                f'<article id="type-{name}"><h3><code>{name}</code></h3><p>{text}</p>'
                f"{self._table(name)}</article>"
            )

    def _table(self, name: str) -> str:
        schema = self._description["components"]["schemas"][name]
        fields = schema.get("properties", {})
        if not fields:
            return f"<p>{_kind(schema)}</p>"
        required = frozenset(schema.get("required", ()))
        rows = "".join(
            f"<tr><td><code>{html.escape(field)}</code></td><td>{_kind(kind)}</td>"
            f'<td class="muted">{_notes(kind, is_required=field in required)}</td></tr>'
            for field, kind in sorted(fields.items(), key=lambda each: each[0] not in required)
        )
        head = "<tr><th>Field</th><th>Type</th><th></th></tr>"
        return f'<div class="scroll"><table>{head}{rows}</table></div>'


class _Filler:
    """Puts this endpoint's own values into examples."""

    def __init__(self, url: str, model: str | None, embedder: str | None, needs_key: bool) -> None:
        self.needs_key = needs_key
        self.url = url
        self.has_embedder = embedder is not None
        self._values = {
            "$URL": url,
            "$MODEL": model or SOME_MODEL,
            EMBEDDER: embedder or SOME_EMBEDDER,
            "$KEY": "mk-…" if needs_key else NO_KEY,
        }

    def fill(self, text: str) -> str:
        """``text`` with them."""
        for name, value in self._values.items():
            text = text.replace(name, value)
        return text


def _samples(operation: Operation, path: str, filler: _Filler) -> str:
    samples = [("curl", _curl(operation, path, filler))]
    if operation.python:
        samples.append(("Python", filler.fill(operation.python).rstrip()))
    blocks = "".join(
        f"<div><span>{name}</span><pre><code>{html.escape(code)}</code></pre></div>"
        for name, code in samples
    )
    note = ""
    if EMBEDDER in operation.example.values() and not filler.has_embedder:
        note = f"<p><code>{SOME_EMBEDDER}</code> stands for a model that makes embeddings.</p>"
    return f'<div class="samples">{blocks}</div>{note}'


def _curl(operation: Operation, path: str, filler: _Filler) -> str:
    target = filler.fill(re.sub(r"{\w+}", "$MODEL", path))
    parts = [f"curl {filler.url}{target}"]
    if filler.needs_key and not operation.is_open:
        parts.append(f'-H "Authorization: Bearer {KEY_VARIABLE}"')
    if operation.example:
        body = filler.fill(json.dumps(dict(operation.example), indent=2, ensure_ascii=False))
        parts.append('-H "Content-Type: application/json"')
        quoted = body.replace("'", "'\\''").replace("\n", "\n  ")
        parts.append(f"-d '{quoted}'")
    return " \\\n  ".join(parts)


def _parameters(parameters: list[Json]) -> str:
    rows = "".join(
        f"<tr><td><code>{html.escape(each['name'])}</code></td>"
        f'<td>{_kind(each["schema"])}</td><td class="muted">{_parameter_notes(each)}</td></tr>'
        for each in parameters
    )
    head = "<tr><th>Parameter</th><th>Type</th><th></th></tr>"
    return f'<div class="scroll"><table>{head}{rows}</table></div>'


def _parameter_notes(parameter: Json) -> str:
    notes = _notes(parameter["schema"], is_required=parameter["required"])
    return f"in the {parameter['in']}{', ' if notes else ''}{notes}"


def _answers(responses: Json) -> str:
    rows = []
    for status, response in responses.items():
        content = response.get("content", {})
        kinds = []
        for media, each in content.items():
            name = html.escape(media.partition(";")[0])
            kinds.append(f"{_kind(each['schema'])} ({name})" if each["schema"] else name)
        mark = "good" if status == "200" else "bad"
        rows.append(
            f'<tr><td class="{mark}">{status} {html.escape(phrase(int(status)))}</td>'
            f"<td>{'<br>'.join(kinds)}</td></tr>"
        )
    table = f'<div class="scroll"><table>{"".join(rows)}</table></div>'
    return f"<details><summary>Answers</summary>{table}</details>"


def _error_table(errors: Sequence[type[MinervaError]]) -> str:
    """Their docstrings, in the order of their statuses."""
    rows = [
        f'<tr><td class="bad">{error.http_status} {html.escape(phrase(error.http_status))}</td>'
        f"<td><code>{error.code}</code></td><td>{_text(error.__doc__ or '')}</td></tr>"
        for error in sorted(errors, key=lambda error: error.http_status)
    ]
    head = "<tr><th>Status</th><th>Code</th><th></th></tr>"
    return f'<div class="scroll"><table>{head}{"".join(rows)}</table></div>'


def _kind(schema: Json) -> str:
    """A schema in words, as HTML."""
    if "$ref" in schema:
        name = html.escape(schema["$ref"].removeprefix(REFERENCE))
        return f'<a href="#type-{name}">{name}</a>'
    for key in ("anyOf", "oneOf"):
        if key in schema:
            kinds = [_kind(each) for each in schema[key] if each.get("type") != "null"]
            return " or ".join(dict.fromkeys(kinds)) or "null"
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return " or ".join(f"<code>{html.escape(json.dumps(value))}</code>" for value in values)
    if schema.get("type") == "array":
        items = schema.get("items")
        return f"list of {_kind(items)}" if items else "list"
    return html.escape(str(schema.get("type", "anything")))


def _notes(schema: Json, *, is_required: bool) -> str:
    """What else is known of a field."""
    notes = ["required"] if is_required else []
    if "description" in schema:
        notes.append(_text(schema["description"]).rstrip("."))
    for bounds in (schema, *schema.get("anyOf", ())):
        for low, high, unit in (
            ("minimum", "maximum", ""),
            ("minLength", "maxLength", " characters"),
            ("minItems", "maxItems", " items"),
        ):
            least, most = bounds.get(low), bounds.get(high)
            if least is not None and most is not None and abs(most) < _BIG:
                notes.append(f"{least:,} to {most:,}{unit}")
            elif most is not None and abs(most) < _BIG:
                notes.append(f"at most {most:,}{unit}")
            elif least is not None and abs(least) < _BIG:
                notes.append(f"at least {least:,}{unit}")
    default = schema.get("default")
    if default is not None and not isinstance(default, list | dict):
        notes.append(f"default <code>{html.escape(json.dumps(default))}</code>")
    return ", ".join(notes)


def _text(text: str) -> str:
    """A docstring as HTML."""
    escaped = html.escape(" ".join(text.split()), quote=False)
    return _QUOTED_CODE.sub(lambda found: f"<code>{found[1] or found[2]}</code>", escaped)
