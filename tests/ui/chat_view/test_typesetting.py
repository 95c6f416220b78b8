r"""LaTeX becomes outlines, and nothing else; what is hostile becomes nothing."""

from __future__ import annotations

import time
import xml.etree.ElementTree as ET

import pytest
from ziamath.tex import tex2mml

from minerva_desktop.chat.mathml import prepared
from minerva_desktop.errors import InvalidRequest
from minerva_desktop.ui.chat_view import typesetting
from minerva_desktop.ui.chat_view.typesetting import typeset

pytestmark = pytest.mark.usefixtures("qapp")  # whose font words have that the formulas' lacks


@pytest.mark.parametrize(
    "tex",
    [
        r"\int_0^\infty e^{-x^2}\,dx = \frac{\sqrt{\pi}}{2}",
        r"\begin{pmatrix} a & b \\ c & d \end{pmatrix}",
        r"\begin{aligned} a &= b \\ &< c \tag{1} \end{aligned}",
        r"f(x) = \begin{cases} 1 & \text{if } x > 0 \\ 0 & \text{otherwise} \end{cases}",
        r"\boxed{E = mc^2} \label{e}",
        r"\left< x \right> \in \mathbb{R}^n, 2\text{-dimensional}",
        r"\underbrace{a+b}_{n} \binom{n}{k} \sqrt[3]{x} \hat{x} \overline{AB} \cancel{y}",
        r"\bigl\{ \bigr\} \Big\{ \bigl\| \bigl\langle x \bigr\rangle \bigl\lvert x \bigg\rvert",
        r"\mathop{x} \mathop{a+b}\limits_{i}^{n} \mathop{\mathrm{lim}}_{x} a \mathrel{\mathrm R} b",
        r"\genfrac{(}{)}{0pt}{}{n}{k} \genfrac{}{}{}{0}{n}{k} \norm{x + \abs{y}} \P \eqref{e:1}",
        r"\begin{aligned}[t] a &= b \end{aligned} \begin{array}[b]{cc} a & b \end{array}",
        r"\ce{2H2 + O2 ->[\Delta] 2H2O(l)}, \ce{SO4^2-}, \ce{^{14}_6C}, \ce{A <=> B v}",
        r"\text{100\%, \$5, a\_b, \{c\}, A \& B, 10 cm, x < 0} \text{\%}",
        r"\text{if $x_1 > 0$ and \textbf{not \(y\)}\quad{so}}",
    ],
)
def test_usual_latex_is_typeset(tex: str) -> None:
    drawing = typeset(tex, display=True)
    box = drawing.path.boundingRect()
    assert drawing.path.elementCount() > 50
    assert box.width() == pytest.approx(drawing.width * typesetting.EM, rel=0.1)
    assert -box.top() == pytest.approx(drawing.ascent * typesetting.EM, rel=0.1)


def test_a_sum_in_a_line_is_lower_than_one_on_its_own() -> None:
    for tex in (r"\sum_{i=1}^n i", r"\int_0^1 x", r"\frac{a}{b}"):
        inline, display = (typeset(tex, display=display) for display in (False, True))
        assert inline.ascent + inline.descent < 0.75 * (display.ascent + display.descent)


HOSTILE = [
    r"\colorbox{red}{x}",
    r"\foo{x}",
    r"\includegraphics{/dev/zero}",
    r"\href{file:///dev/zero}{x}",
    r"\url{http://127.0.0.1:9}",
    r"\input{/etc/passwd}",
    r"x &nvlt;image/> y",
    r"\text{\input{/etc/passwd}}",
    r"\ce{\href{file:///dev/zero}{x}}",
    r"\style{background:url(/dev/zero)}{x}",
    r"\def\a{\a\a}\a",
    r"\newcommand{\a}{\a\a}\a",
    r"\hspace{999999999em} x",
    r"\skew{9999999999}{x}",
    r"\begin{matrix} x",
    "\\text{\U00010330}",  # no font has it
    "\\text{\U0001f600}",  # which is a picture
    r"\text{a \foo{b}}",
    r"\text{" * 280 + r"\foo" + "}" * 280,
    r"\genfrac{}{}{1.2.3}{}{n}{k} \foo",
    r"\abs{" * 280 + "x" + "}" * 280,
    r"\text{$" * 300 + "x" + "$}" * 300,
    "{" * 1_900,
    r"\sqrt{" * 280 + "x" + "}" * 280,
    "x" + "^{x" * 480 + "}" * 480,
    r"\left(" * 100 + "x" + r"\right)" * 100,
    r"\begin{matrix}" + r"1 & 2 \\ " * 200 + r"\end{matrix}",
    r"\begin{pmatrix}" * 9 + "x" + r"\end{pmatrix}" * 9,  # short, and deep
    r"\frac1{" * 40 + "x" + "}" * 40,  # its time is up while Python closes a generator
    "1" * 1_900,
    "",
]


# Hypothesis counts the time of garbage collections, and may be who is told that time is up: then
# nobody hears it, and it is told again.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("tex", HOSTILE)
def test_hostile_latex_is_refused_in_little_time(tex: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typesetting, "MAX_SECONDS", 0.1)
    began = time.monotonic()
    with pytest.raises(InvalidRequest, match="cannot be typeset") as raised:
        typeset(tex, display=True)
    assert time.monotonic() - began < 2.0
    assert raised.value.detail


@pytest.mark.parametrize(
    ("tex", "alike"),
    [
        (r"\text{<image href='/dev/zero'/>}", "<image\xa0href='/dev/zero'/>"),
        (r"\text{&lt;i/&gt;&nvlt;i/>]]>}", "&lt;i/&gt;&nvlt;i/>]]>"),
    ],
)
def test_markup_in_a_text_is_text(tex: str, alike: str) -> None:
    assert "".join(ET.fromstring(tex2mml(prepared(tex))).itertext()) == alike


@pytest.mark.parametrize(
    ("tex", "alike"),
    [
        (r"\Big\langle x", r"\Big⟨ x"),
        (r"\text{速度}", "速度"),
        (r"\text{100\%}", r"\text{100}\%"),
        (r"\ce{H2O}", r"\mathrm{H}_2\mathrm{O}"),
        (r"\ce{SO4^2-}", r"\mathrm{SO}_4^{2-}"),
        (
            r"\ce{N2 <=>[Fe][450 °C] NH3}",
            r"\mathrm{N}_2 \xrightleftharpoons[{450\,°\mathrm C}]{\mathrm{Fe}} \mathrm{NH}_3",
        ),
        (r"\ce{A <-->[x] B}", r"\mathrm{A} \xtofrom[{}]{\mathrm{x}} \mathrm{B}"),
        (r"\ce{A <->[x] B}", r"\mathrm{A} \xleftrightarrow[{}]{\mathrm{x}} \mathrm{B}"),
        (r"a \bmod n", r"a\;\mathrm{mod}\;n"),
        (r"\text{if $\norm{x}$ is}", r"\text{if }\lVert x \rVert\text{ is}"),
        (r"\text{a\(\)b}", r"\text{ab}"),
        (r"\ce{Na+ + Cl-}", r"\mathrm{Na}^+ + \mathrm{Cl}^-"),
    ],
)
def test_a_command_looks_as_what_it_stands_for(tex: str, alike: str) -> None:
    made, expected = typeset(tex, display=True), typeset(alike, display=True)
    assert made.path.elementCount() == expected.path.elementCount()
    assert made.width == pytest.approx(expected.width, rel=0.06)


@pytest.mark.parametrize(
    ("tex", "alike"),
    [
        (r"\tag{1} E=mc^2", r"E=mc^2 \tag{1}"),
        (r"\tag*{A} a^{2} \{ b,", r"a^{2} \{ b, \tag*{A}"),
        (r"\tag{$\star$} x", r"x \qquad \text{($\star$)}"),
        (r"\tag*{} x", "x"),
        (
            r"\begin{align} \tag{1} a &= \begin{cases} b \\ c \end{cases} \\ d &= e \end{align}",
            r"\begin{align} a &= \begin{cases} b \\ c \end{cases} \tag{1} \\ d &= e \end{align}",
        ),
    ],
)
def test_a_tag_stands_where_its_row_ends(tex: str, alike: str) -> None:
    made, expected = typeset(tex, display=True), typeset(alike, display=True)
    assert made == expected


@pytest.mark.parametrize(
    ("operator", "behind"),
    [
        (r"\limsup", "a_n"),
        (r"\det", "2"),
        (r"\operatorname{rank}", "A"),
        (r"\lim_{n\to\infty}", r"\frac{1}{n}"),
        (r"\log_2", "{x}"),
        (r"\operatorname*{argmax}_{x}", "f(x)"),
    ],
)
def test_an_operator_does_not_touch_what_it_is_of(operator: str, behind: str) -> None:
    both = typeset(rf"{operator} {behind}", display=True).width
    apart = typeset(rf"{operator}{{}} {behind}", display=True).width
    assert both == pytest.approx(apart + 0.167, abs=0.02)


def test_an_operator_stands_at_its_bracket_and_letters_of_chemistry_together() -> None:
    for tex, alike in ((r"\det(A)", r"\det{}(A)"), (r"\ce{CaCO3Na}", r"\ce{CaCO3}\ce{Na}")):
        assert typeset(tex, display=True) == typeset(alike, display=True)


def test_words_that_the_formulas_font_lacks_are_in_the_windows_font() -> None:
    """Georgian, which the fonts of any system have: its words have a width and an outline."""
    word, twice = (typeset(rf"\text{{{'დრო' * n}}}", display=True) for n in (1, 2))
    assert word.path.elementCount() > 50
    assert twice.path.elementCount() == 2 * word.path.elementCount()
    assert twice.width == pytest.approx(2 * word.width, rel=0.05)
    assert word.ascent == pytest.approx(-word.path.boundingRect().top() / typesetting.EM, abs=0.05)
    small = typeset(r"v_{დრო}", display=True)
    assert small.width < typeset("v", display=True).width + 0.9 * word.width


def test_nothing_but_outlines_comes_out_of_colours_and_styles() -> None:
    plain = typeset("x", display=True)
    for tex in (r'\color{red" onload="x}{x}', r"\textcolor{url(/dev/zero)}{x}"):
        assert typeset(tex, display=True).path == plain.path
