"""Text that tries to make the window open something, and text of the same kinds that does not."""

from __future__ import annotations

ATTACKS = [
    "![x](/dev/zero)",
    "![x](file:///dev/zero)",
    "![x][ref]\n\n[ref]: /dev/zero",
    "<img src='/dev/zero'>",
    "<img src=file:///dev/zero>",
    "<table background='/dev/zero'><tr><td>x</td></tr></table>",
    "<style>body{background-image:url(/dev/zero)}</style>",
    "<link rel=stylesheet href=/dev/zero>",
    "![x](http://127.0.0.1:9/x.png)",
    "[![x](/dev/zero)](https://a.b)",
    "| ![x](/dev/zero) |\n|--|\n| <img src='/dev/zero'> |",
    "# ![x](/dev/zero)",
    "```html\n<img src='/dev/zero'>\n```",
    "\ufffc\ufdd0<img src='/dev/zero'>\ufdd1",
    "[^1]\n\n[^1]: ![x](/dev/zero) <img src='/dev/zero'>",
    "![x](//host/dev/zero)",
    "![x](\\\\host\\dev/zero)",
    "![x](</dev/zero> 'title')",
    "![x](data:image/svg+xml,%3Csvg%3E%3Cimage%20href='/dev/zero'/%3E%3C/svg%3E)",
    "![x](/dev/zero",
    "<img src='/dev/zero",
    "[x](file:///dev/zero)",
    "<file:///dev/zero>",
    "file:///dev/zero",
    "<iframe src='/dev/zero'></iframe>",
    "<object data='/dev/zero'></object>",
    "<video src='/dev/zero' autoplay></video>",
    "<body background='/dev/zero'>",
    "<script src='/dev/zero'></script>",
    "<svg><image href='/dev/zero'/></svg>",
    "<?xml-stylesheet href='/dev/zero'?>",
    "<!--[if IE]><img src='/dev/zero'><![endif]-->",
    "&lt;img src='/dev/zero'&gt;",
    "> ![x](/dev/zero)",
    "- ![x](/dev/zero)\n  - [ ] ![x](/dev/zero)",
    "**![x](/dev/zero)** ~~![x](/dev/zero)~~ `![x](/dev/zero)`",
]
FORMULAS = [
    f"$${tex}$$"
    for tex in (
        r"\includegraphics{/dev/zero}",
        r"\href{file:///dev/zero}{x}",
        r"\url{http://127.0.0.1:9/dev/zero}",
        r"\input{/dev/zero}",
        r"\text{<image href='/dev/zero'/>}",
        r"\text{&lt;image href='/dev/zero'/&gt;}",
        r"\color{url(/dev/zero)}{x}",
        r"\style{background:url(/dev/zero)}{x}",
        r"\mathfont{/dev/zero} \fontfamily{/dev/zero} x",
        r"\verb|/dev/zero|",
    )
]
HARMLESS = [
    "# h *a* **b** ~~c~~ `d` [e](https://f.g) ☐ ☑ • ◦ ↩ \ufffd\n\n> q\n\n- l\n  - m\n\n1. n\n\n---",
    "| a |\n|--|\n| b |\n\n```html\n<i>x</i>\n```\n\n[^1]\n\n[^1]: note",
    r"$$\text{ab} \color{red}{x} \sqrt{x} \frac{a}{b}$$ $\foo$",
]
