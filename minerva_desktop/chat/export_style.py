"""The look of an exported page: a value. Light or dark as the reader's system is."""

from __future__ import annotations

from typing import Any

from pygments.formatters import HtmlFormatter


def _code_colours(style: str) -> str:
    """The rules of a Pygments style for the kinds of words; the ground is the page's."""
    formatter: Any = HtmlFormatter(style=style)  # whose types are not known here
    rules = str(formatter.get_style_defs(".code")).splitlines()
    return "\n".join(rule.split(" /*")[0] for rule in rules if rule.startswith(".code ."))


_LAYOUT = """\
:root {
  --page: #ffffff; --text: #1c1b1a; --muted: #63605b; --line: #dddcd8;
  --bubble: #f0f0ee; --code: #f6f6f4; --link: #3543c6;
  --note: #4350d6; --tip: #1f7a3d; --important: #a8327d; --warning: #8a5a00; --caution: #b3261e;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #1b1b1d; --text: #ececee; --muted: #a3a3ab; --line: #38383d;
    --bubble: #2c2c31; --code: #232326; --link: #a0a9ff;
    --note: #7c88ff; --tip: #6fcf8e; --important: #e583bd; --warning: #e0b050; --caution: #ff8a80;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; padding: 24px 16px 64px; background: var(--page); color: var(--text);
  font: 16px/1.6 system-ui, sans-serif;
}
main { max-width: 760px; margin: 0 auto; overflow-wrap: anywhere; }
h1 { margin: 0 0 16px; font-size: 28px; line-height: 1.25; }
h2 { margin: 0 0 8px; font-size: 15px; }
small, dl, .note, figcaption, summary { color: var(--muted); font-size: 14px; }
small { font-weight: normal; margin-left: 8px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 16px; margin: 0 0 16px; }
dd { margin: 0; }
header, article { padding-bottom: 16px; margin-bottom: 16px; border-bottom: 1px solid var(--line); }
article.user .text { background: var(--bubble); border-radius: 8px; padding: 12px 16px; }
article:last-child { border-bottom: none; }
.text > :first-child { margin-top: 0; }
.text > :last-child, details > :last-child { margin-bottom: 0; }
a { color: var(--link); }
pre, code, .code { background: var(--code); font: 14px/1.5 ui-monospace, monospace; }
pre, .code { padding: 12px 16px; border-radius: 8px; overflow-x: auto; white-space: pre-wrap; }
code { padding: 2px 4px; border-radius: 4px; }
pre code { padding: 0; }
kbd {
  background: var(--code); border: 1px solid var(--line); border-radius: 4px; padding: 1px 4px;
  font: 13px ui-monospace, monospace;
}
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { border: 1px solid var(--line); padding: 4px 12px; text-align: left; }
blockquote { margin: 0 0 16px; padding-left: 16px; border-left: 4px solid var(--line); }
blockquote > :last-child { margin-bottom: 0; }
.alert { --own: var(--note); border-left-color: var(--own); }
.alert > .label { margin: 0 0 4px; color: var(--own); font-weight: 600; }
.alert > .label + * { margin-top: 0; }
.tip-alert { --own: var(--tip); }
.important-alert { --own: var(--important); }
.warning-alert { --own: var(--warning); }
.caution-alert { --own: var(--caution); }
details { margin: 0 0 12px; padding: 8px 12px; border: 1px solid var(--line); border-radius: 8px; }
.formula { margin: 0 0 16px; overflow-x: auto; }
summary { cursor: pointer; }
figure { margin: 0 0 12px; }
img { max-width: 100%; height: auto; border-radius: 8px; }
@media print {
  body { padding: 0; }
  article { break-inside: avoid; }
}
"""

STYLE = (
    f"{_LAYOUT}{_code_colours('friendly')}\n"
    f"@media (prefers-color-scheme: dark) {{\n{_code_colours('github-dark')}\n}}\n"
)
