"""How rows look in a text document: fonts, sizes, colours, margins. Main thread."""

from __future__ import annotations

import math

from PySide6.QtCore import Qt
from PySide6.QtGui import (
    QColor,
    QFont,
    QFontDatabase,
    QFontMetricsF,
    QTextBlockFormat,
    QTextCharFormat,
    QTextFormat,
    QTextFrameFormat,
    QTextLength,
    QTextOption,
    QTextTableCellFormat,
    QTextTableFormat,
)

from minerva_desktop.ui.chat_view.code_highlight import token_style
from minerva_desktop.ui.chat_view.rows import Kind, Mark, Row, Run, reads_right_to_left
from minerva_desktop.ui.chat_view.text_measures import (
    BODY_PX,
    CELL_BOTTOM,
    CELL_TOP,
    CODE_PADDING,
    CODE_PX,
    HEADING_PX,
    MANY_COLUMNS,
    MARKER_GAP,
    SMALL_PX,
    TextMeasures,
)
from minerva_desktop.ui.theme import Theme

TEXT_LEADING = 1.6  # height of a line, in heights of its font
CODE_LEADING = 1.55
HEADING_LEADING = 1.35
MAX_HANG = 24  # characters
MIN_CONTRAST = 4.5
MORE_CONTRAST = 7.0  # for those who want it
FORMULA_X_HEIGHT = 0.467  # of the size of the font that formulas are set in
MAX_FORMULA_SCALE = 1.2
MAX_SHARED = 4  # formats of a theme and a size: two themes, and quieter ones for thoughts


def code_font_families() -> list[str]:
    """The system's fixed-width font."""
    return [QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont).family(), "monospace"]


def code_hang(row: Row) -> int:
    """By how many characters the rest of a code line that has to wrap is indented."""
    line = row.raw.expandtabs(4)
    return min(len(line) - len(line.lstrip()), MAX_HANG) + 2 if line.strip() else 0


def contrast(first: QColor, second: QColor) -> float:
    """The contrast ratio of two colours as WCAG defines it, 1 to 21."""
    bright, dim = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def _luminance(colour: QColor) -> float:
    channels = (colour.redF(), colour.greenF(), colour.blueF())
    red, green, blue = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def readable(colour: QColor, background: QColor, text: QColor, least: float) -> QColor:
    """``colour``, moved towards ``text`` until it has the ``least`` contrast to ``background``."""
    for step in range(11):
        share = step / 10
        mixed = QColor.fromRgbF(
            colour.redF() + (text.redF() - colour.redF()) * share,
            colour.greenF() + (text.greenF() - colour.greenF()) * share,
            colour.blueF() + (text.blueF() - colour.blueF()) * share,
        )
        if contrast(mixed, background) >= least:
            return mixed
    return text


_FLAG = Qt.AlignmentFlag
# Without "absolute" Qt takes left for the side on which what is read begins.
_SIDES = {
    "": _FLAG.AlignLeft,
    "left": _FLAG.AlignLeft | _FLAG.AlignAbsolute,
    "center": _FLAG.AlignHCenter,
    "right": _FLAG.AlignRight | _FLAG.AlignAbsolute,
}


class TextFormats:
    """The formats of one theme and one size of text, made once each. ``font`` is the transcript's:
    ``base``, the application's, at reading size."""

    def __init__(self, theme: Theme, base: QFont, measures: TextMeasures) -> None:
        self.theme = theme
        self.measures = measures
        self.font = font = QFont(base)
        font.setPixelSize(measures.body)
        self._families = code_font_families()
        code = QFont(font)
        code.setFamilies(self._families)
        code.setPixelSize(measures.code)
        self.code_metrics = QFontMetricsF(code)
        # Fonts of one size differ in how high their lines are by themselves.
        body = QFontMetricsF(font)
        self._text_metrics = body
        self._text_line = measures.body / body.height()
        # A formula's letters are as high as those around it, for which its font is larger.
        share = body.xHeight() / measures.body / FORMULA_X_HEIGHT
        self.formula_scale = min(MAX_FORMULA_SCALE, max(1.0, share))
        self._code_line = measures.code / self.code_metrics.height()
        self._cache: dict[tuple[int, str, str, int, str], QTextCharFormat] = {}
        self._metrics: dict[tuple[bool, bool, int], QFontMetricsF] = {}

    def run(self, run: Run, row: Row, *, header: bool = False) -> QTextCharFormat:
        """The look of a run in its row; ``header`` for cells of a table's first row."""
        mark = int(run.mark)  # of which `|` is fast
        if row.kind is Kind.CODE:
            return self._cached(mark, "", run.token or "-", CODE_PX)
        if row.kind is Kind.ALERT:
            return self._cached(mark, "", "", BODY_PX, row.nest[0])
        if header or row.kind is Kind.HEADING:
            mark |= int(Mark.BOLD)
        size = HEADING_PX[row.level - 1] if row.kind is Kind.HEADING else BODY_PX
        size = SMALL_PX if len(row.cells) >= MANY_COLUMNS else size
        return self._cached(mark, run.link, "", size)

    def block(self, row: Row, above: Row | None) -> QTextBlockFormat:
        """Margins and line height of a row that is not a table's."""
        made = _line_height(self._line_percent(row.kind))
        margin: float = self.measures.left_margin(row.nest)
        made.setTopMargin(self.measures.gap_above(row, above))
        if row.kind is Kind.CODE:
            hang = code_hang(row) * self.code_metrics.horizontalAdvance(" ")
            margin += CODE_PADDING + hang
            made.setTextIndent(-hang)
            made.setRightMargin(CODE_PADDING)
        if row.kind is Kind.RULE:
            made.setLineHeight(1, QTextBlockFormat.LineHeightTypes.FixedHeight.value)
        from_right = row.kind is not Kind.CODE and reads_right_to_left(row.runs)
        if row.marker:
            width = math.ceil(self._text_metrics.horizontalAdvance(row.marker))
            room = self.measures.marker_room(row)
            hang = max(room, width + self.measures.px(MARKER_GAP))
            margin += hang - room
            made.setTextIndent(-hang)
            # Qt turns the types round in a line that is read from the right.
            kinds = QTextOption.TabType
            kind = kinds.RightTab if from_right else kinds.LeftTab
            made.setTabPositions([QTextOption.Tab(hang, kind)])
        if row.kind is Kind.HEADING:
            made.setHeadingLevel(row.level)
        if from_right:
            made.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
            made.setRightMargin(margin)
        else:
            made.setLeftMargin(margin)
        return made

    def cell_block(self, align: str) -> QTextBlockFormat:
        """The paragraph in a cell; ``align`` as in `Row`."""
        made = _line_height(self._line_percent(Kind.TABLE))
        made.setAlignment(_SIDES[align])
        return made

    def _line_percent(self, kind: Kind) -> float:
        if kind is Kind.CODE:
            return 100 * CODE_LEADING * self._code_line
        return 100 * self._text_line * (HEADING_LEADING if kind is Kind.HEADING else TEXT_LEADING)

    def cell_metrics(self, run: Run, row: Row) -> QFontMetricsF:
        """What measures a run in its row of a table."""
        size = SMALL_PX if len(row.cells) >= MANY_COLUMNS else BODY_PX
        is_code, is_bold = Mark.CODE in run.mark, row.first or Mark.BOLD in run.mark
        key = (is_code, is_bold, size)
        if key not in self._metrics:
            font = QFont(self.font)
            if is_code:
                font.setFamilies(self._families)
                size = _code_size(size)
            font.setPixelSize(self.measures.px(size))
            font.setWeight(QFont.Weight.DemiBold if is_bold else QFont.Weight.Normal)
            self._metrics[key] = QFontMetricsF(font)
        return self._metrics[key]

    def row(self, row: Row) -> QTextCharFormat:
        """The look of a row's empty text, which sets the height of an empty line."""
        return self.run(Run(""), row)

    def marker(self) -> QTextCharFormat:
        """The look of bullets and numbers."""
        return self._cached(int(Mark.MUTED), "", "", BODY_PX)

    def _cached(
        self, mark: int, link: str, token: str, size: int, alert: str = ""
    ) -> QTextCharFormat:
        key = (mark, link, token, size, alert)
        if key not in self._cache:
            made = self._cache[key] = self._make(Mark(mark), link, token, size)
            if alert:
                made.setForeground(QColor(alert_colour(self.theme, alert)))
        return self._cache[key]

    def _make(self, mark: Mark, link: str, token: str, size: int) -> QTextCharFormat:
        theme = self.theme
        made = QTextCharFormat()
        if token or Mark.CODE in mark:
            made.setFontFamilies(self._families)
            made.setFontFixedPitch(True)
            size = size if token else _code_size(size)
        if Mark.RAISED in mark:
            made.setVerticalAlignment(QTextCharFormat.VerticalAlignment.AlignSuperScript)
        elif Mark.LOWERED in mark:
            made.setVerticalAlignment(QTextCharFormat.VerticalAlignment.AlignSubScript)
        made.setProperty(QTextFormat.Property.FontPixelSize, self.measures.px(size))
        if Mark.BOLD in mark:
            made.setFontWeight(QFont.Weight.DemiBold)
        made.setFontItalic(Mark.ITALIC in mark)
        made.setFontStrikeOut(Mark.STRIKE in mark)
        colour = QColor(theme.muted if Mark.MUTED in mark else theme.text)
        if token:
            colour = self._style_token(made, token)
        if link:
            made.setAnchor(True)
            made.setAnchorHref(link)
            made.setFontUnderline(True)
            colour = QColor(theme.link)
        made.setForeground(colour)
        return made

    def _style_token(self, made: QTextCharFormat, token: str) -> QColor:
        text = QColor(self.theme.text)
        if token == "-":
            return text
        style = token_style(self.theme.code_style, token)
        if style.bold:
            made.setFontWeight(QFont.Weight.DemiBold)
        made.setFontItalic(style.italic)
        colour = QColor(style.colour) if style.colour else text
        least = MORE_CONTRAST if self.theme.vivid else MIN_CONTRAST
        return readable(colour, QColor(self.theme.code), text, least)


def alert_colour(theme: Theme, alert: str) -> str:
    """Of an alert (`markdown_alerts.ALERTS`), of whose bar it is the colour and of its label."""
    if alert == "I":
        return theme.series[2]
    colours = {"N": theme.accent, "T": theme.success, "W": theme.warning, "C": theme.danger}
    return colours[alert]


class SharedFormats:
    """The formats of the themes and the size of text in force, for all texts of a transcript: to
    make them for each message took a tenth of the time that it takes to show it."""

    def __init__(self) -> None:
        self._made: dict[tuple[Theme, str, TextMeasures], TextFormats] = {}

    def of(self, theme: Theme, base: QFont, measures: TextMeasures) -> TextFormats:
        """Those of ``theme``, for text in ``base`` at the size that ``measures`` have."""
        key = (theme, base.key(), measures)
        if key not in self._made:
            if len(self._made) >= MAX_SHARED:
                self._made.clear()
            self._made[key] = TextFormats(theme, base, measures)
        return self._made[key]


def _code_size(size: int) -> int:
    """Of code among text of that size; px at the usual size, both."""
    return round(size * CODE_PX / BODY_PX)


def separator_formats() -> tuple[QTextBlockFormat, QTextCharFormat]:
    """For the empty blocks that a text document insists on around a table: next to no height."""
    block = QTextBlockFormat()
    block.setLineHeight(1, QTextBlockFormat.LineHeightTypes.FixedHeight.value)
    text = QTextCharFormat()
    text.setProperty(QTextFormat.Property.FontPixelSize, 1)
    return block, text


def table_format(row: Row, above: Row | None, measures: TextMeasures) -> QTextTableFormat:
    """The frame of the table that begins with ``row``, below ``above``."""
    made = QTextTableFormat()
    made.setBorder(0)
    made.setBorderCollapse(True)
    made.setCellSpacing(0)
    made.setCellPadding(0)
    # A frame's margins hold on their own: gaps next to it do not count.
    made.setTopMargin(measures.gap_above(row, above))
    made.setBottomMargin(measures.table_bottom)
    made.setLeftMargin(measures.left_margin(row.nest))
    made.setHeaderRowCount(int(row.first))
    made.setWidth(QTextLength(QTextLength.Type.PercentageLength, 100))
    return made


def cell_format(
    formats: TextFormats, n_columns: int, column: int, *, header: bool
) -> QTextTableCellFormat:
    """A cell: a line under it, no other border."""
    theme, measures = formats.theme, formats.measures
    made = QTextTableCellFormat()
    made.setTopPadding(measures.px(CELL_TOP))
    made.setBottomPadding(measures.px(CELL_BOTTOM))
    made.setRightPadding(measures.cell_padding(n_columns, column))
    made.setVerticalAlignment(QTextCharFormat.VerticalAlignment.AlignMiddle)
    made.setBottomBorder(1)
    made.setBottomBorderStyle(QTextFrameFormat.BorderStyle.BorderStyle_Solid)
    made.setBottomBorderBrush(QColor(theme.muted if header else theme.border))
    return made


def _line_height(percent: float) -> QTextBlockFormat:
    made = QTextBlockFormat()
    made.setLineHeight(percent, QTextBlockFormat.LineHeightTypes.ProportionalHeight.value)
    return made
