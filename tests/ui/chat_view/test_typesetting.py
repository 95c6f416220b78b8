"""How LaTeX is set: its rows, its numbers, and what means nothing here."""

from __future__ import annotations

import itertools

import pytest
from PySide6.QtCore import QRectF

from minerva_desktop.ui.chat_view import typesetting
from minerva_desktop.ui.chat_view.typesetting import typeset


@pytest.mark.parametrize(
    "tex",
    [
        r"\begin{aligned} f &= \frac{1}{2} \\ &= \sum_{i=0}^{n} \frac{a_i}{b_i} \end{aligned}",
        r"\begin{split} a &= b \\ &= c + d \end{split}",
        r"\begin{matrix} 1 & 2 \\ 3 & 4 \end{matrix}",
    ],
)
def test_rows_keep_apart(tex: str) -> None:
    parts = [each.boundingRect() for each in typeset(tex, display=True).path.toSubpathPolygons()]
    parts.sort(key=QRectF.top)
    above = itertools.accumulate((each.bottom() for each in parts), max)
    gaps = [below.top() - bottom for bottom, below in zip(above, parts[1:], strict=False)]
    assert 0.45 * typesetting.EM < max(gaps) < typesetting.EM


@pytest.mark.parametrize(
    ("tex", "same"),
    [
        (
            r"\begin{align} a &= 2 \tag{1} \\ b &= 3 \nonumber \end{align}",
            r"\begin{align*} a &= 2 \qquad \text{(1)} \\ b &= 3 \end{align*}",
        ),
        (r"a \tag*{(1)}", r"a \qquad \text{(1)}"),
        (r"\label{e}x", "x"),
        (r"\color{red}{x} + {\color{blue} y}", "{x} + {y}"),
        (r"\textcolor[rgb]{1,0,0}{x} + \color[HTML]{ff0000}y", "{x} + y"),
        (
            r"\begin{gather} a \\[0.5em] b \\ [c] \end{gather}",
            r"\begin{gather} a \\ b \\ [c] \end{gather}",
        ),
    ],
)
def test_what_says_nothing_to_a_drawing_is_left_out(tex: str, same: str) -> None:
    assert typeset(tex, display=True).path == typeset(same, display=True).path
