r"""LaTeX becomes outlines, and nothing else; what is hostile becomes nothing."""

from __future__ import annotations

import time
import xml.etree.ElementTree as ET

import pytest
from PySide6.QtGui import QPainterPath
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
        (r"\text{Հայ}", "Հայ"),  # DejaVu has it, the formulas' font does not
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


@pytest.mark.parametrize(
    "operator",
    [
        *(r"\inf", r"\sup", r"\lim", r"\max", r"\min", r"\limsup", r"\gcd", r"\Pr", r"\sum"),
        *(r"\operatorname*{arg\,max}", r"\operatorname*{arg~min}", r"\mathop{\arg\max}"),
    ],
)
@pytest.mark.parametrize(
    "around", ["{}", r"\left( {} \right)", r"\begin{{aligned}} {} \end{{aligned}}"]
)
def test_limits_are_below_an_operator_on_a_line_of_its_own(operator: str, around: str) -> None:
    under = typeset(around.format(rf"{operator}_{{x \in X}}"), display=True)
    bare = typeset(around.format(operator), display=True)
    beside = typeset(rf"{operator}_{{x \in X}}", display=False)
    assert under.descent > bare.descent + 0.3
    assert under.width < bare.width + beside.width - typeset(operator, display=False).width - 0.1


def test_limits_are_beside_an_operator_in_a_line_and_in_a_fraction() -> None:
    for word in (r"\max", r"\inf", r"\operatorname*{arg\,max}"):
        low = typeset(rf"{word}_{{x}}", display=False)
        assert low.descent < 0.45
        both = typeset(rf"\frac{{{word}_{{x}}}}{{2}}", display=True)
        assert both.width >= low.width


def test_limits_are_beside_an_operator_that_is_to_have_none() -> None:
    below, beside = (
        typeset(rf"\sum{rule}_{{i \in I}} x", display=True) for rule in ("", r"\nolimits")
    )
    assert beside.descent < below.descent - 0.1
    assert beside.width > below.width + 0.5


def test_limits_that_are_wider_than_their_operator_are_in_the_middle_of_it() -> None:
    drawing = typeset(r"\max_{0 \le i \le n}", display=True)
    word, below = (
        [point.x for point in points(drawing) if (point.y > 0.15 * typesetting.EM) == is_below]
        for is_below in (False, True)
    )
    middles = [(min(each) + max(each)) / 2 for each in (word, below)]
    assert middles[0] == pytest.approx(middles[1], abs=0.06 * typesetting.EM)
    assert typeset(r"y\max_{0 \le i \le n}", display=True).width > drawing.width


def points(drawing: typesetting.Drawing) -> list[QPainterPath.Element]:
    path = drawing.path
    return [path.elementAt(index) for index in range(path.elementCount())]


@pytest.mark.parametrize("arrow", ["right", "left", "leftright", "Right"])
def test_an_arrow_is_as_long_as_its_label(arrow: str) -> None:
    short, over, under, both = (
        typeset(rf"A \x{arrow}arrow{label} B", display=True)
        for label in ("{x}", r"{\text{a long label}}", r"[\text{a long label}]{}",
                      r"[\text{a long label}]{x}")
    )  # fmt: skip
    label = typeset(r"\text{a long label}", display=False)
    assert over.width > short.width + 1
    assert over.width == pytest.approx(under.width) == pytest.approx(both.width)
    line = [point for point in points(over) if -0.4 < point.y / typesetting.EM < -0.1]
    assert max(point.x for point in line) - min(point.x for point in line) > label.width * 70
    assert over.ascent > short.ascent - 0.1
    assert under.descent > over.descent + 0.3
    assert both.ascent > under.ascent


@pytest.mark.parametrize("name", ["SO(3)", "s-lim", r"\mathbf{E}", r"Var\,", "GL_2"])
def test_an_operator_may_be_named_by_more_than_letters(name: str) -> None:
    assert typeset(rf"\operatorname{{{name}}} x", display=True).path.elementCount() > 20


@pytest.mark.parametrize(
    ("tex", "alike"),
    [
        (r"\hat{y}", r"\check{y}"),  # no wider than a letter
        ("x = -b", "x = {-b}"),
        (r"\left(-x\right)", r"\left({-x}\right)"),
        (r"a \pmod{n}", r"a \quad(\mathrm{mod}\;n)"),
        (r"\frac12 \lVert v \rVert", r"\frac12 \| v \|"),
        (r"\mathbb{1}_A", "\U0001d7d9_A"),
        (r"2\sin x", r"2\,\sin x"),
        (r"A \cap B \lor C", "A + B + C"),
        (r"(X) \sim \mathrm{N}", r"(X) = \mathrm{N}"),
        (r"a \overset{!}{=} b", "a = b"),
        (r"\ket{x}", r"|x\rangle"),
        (r"\require{cancel} \cancel{x}", r"\cancel{x}"),
        (r"(x)\log_2 y", r"(x)\,\log_2 y"),
    ],
)
def test_signs_are_set_as_tex_does(tex: str, alike: str) -> None:
    made, expected = typeset(tex, display=True), typeset(alike, display=True)
    assert made.width == pytest.approx(expected.width, rel=0.06)
    assert made.descent == pytest.approx(expected.descent, abs=0.1)


def test_brackets_are_as_high_as_the_sum_in_them_and_a_matrix_has_a_power() -> None:
    around = typeset(r"\left( \sum_{k=1}^n k \right)", display=True)
    inside = typeset(r"\sum_{k=1}^n k", display=True)
    brackets = [point.y for point in points(around) if point.x < 0.3 * typesetting.EM]
    assert max(brackets) - min(brackets) > 0.9 * (inside.ascent + inside.descent) * typesetting.EM
    matrix = r"\begin{pmatrix} a & b \\ c & d \end{pmatrix}"
    assert typeset(rf"{matrix}^{{-1}}", display=True).width > typeset(matrix, display=True).width


@pytest.mark.parametrize(
    ("array", "n_columns", "n_rows"),
    [
        (r"{c|cc} & 0 & 1 \\ \hline 0 & 0 & 1 \\ 1 & 1 & 0", 1, 1),
        (r"{|c|c||c|} \hline p & q & r \\ \hline T & F & T \\ \hline", 2, 1),
        (r"{cc} a & b \\ c & d \\ \hline e & f", 0, 1),
        (r"{cc|c} 1 & 2 & 3", 1, 0),
        (r"{ccc} 1 & 2 & 3", 0, 0),
    ],
)
def test_an_array_has_the_lines_between_its_columns_and_rows(
    array: str, n_columns: int, n_rows: int
) -> None:
    drawing = typeset(rf"\begin{{array}}{array} \end{{array}}", display=True)
    plain = array.replace("|", "").replace(r"\hline", "")
    bare = typeset(rf"\begin{{array}}{plain} \end{{array}}", display=True)
    n_points = drawing.path.elementCount() - bare.path.elementCount()
    rectangle = 5  # points
    assert n_points == rectangle * (n_columns + n_rows)
    box, inner = drawing.path.boundingRect(), bare.path.boundingRect()
    assert (box.height() > inner.height()) == (n_columns > 0)
    assert (box.width() > inner.width()) == (n_rows > 0)


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
