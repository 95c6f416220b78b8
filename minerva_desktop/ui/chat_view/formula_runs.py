"""Which formulas of one document are drawn, and which still stand there as they were written.

All places where the same formula stands are alike, so the length of a run in the document is known
without looking. `DocumentWriter` uses this. Main thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from PySide6.QtGui import QTextCharFormat, QTextCursor, QTextDocument

from minerva_desktop.ui.chat_view.formula_object import FORMULA_TYPE, OBJECT, SOURCE, FormulaObject
from minerva_desktop.ui.chat_view.formulas import Allowance, Formulas
from minerva_desktop.ui.chat_view.rows import Kind, Mark, Row, Run, all_runs


class FormulaRuns:
    """``source`` draws them; None: nobody does. ``scale``: see `FormulaObject.format`."""

    def __init__(self, document: QTextDocument) -> None:
        self.source: Formulas | None = None
        self.scale = 1.0
        self._waiting: set[str] = set()
        self._allowance = Allowance()
        self._painter = FormulaObject(document)
        document.documentLayout().registerHandler(FORMULA_TYPE, self._painter)

    @property
    def painter(self) -> FormulaObject:
        """What paints them."""
        return self._painter

    def prepare(self, rows: Iterable[Row]) -> None:
        """Before ``rows`` are written: have their formulas drawn, or ask for that."""
        if self.source is None:
            return
        for formula in formulas_in(rows):
            if formula in self._painter.drawings or formula in self._waiting:
                continue
            drawing = self.source.drawing(formula)
            if drawing is not None:
                self._painter.drawings[formula] = drawing
            elif self.source.request(formula, self._allowance):
                self._waiting.add(formula)

    def take(self, drawn: set[str]) -> set[str]:
        """``drawn`` can be drawn: those of them that stood here as text and are drawn from now on,
        and have to be written again."""
        taken = self._waiting & drawn
        if self.source is None or not taken:
            return set()
        self._waiting -= taken
        found = {formula: self.source.drawing(formula) for formula in taken}
        drawings = {formula: drawing for formula, drawing in found.items() if drawing is not None}
        self._painter.drawings.update(drawings)
        return set(drawings)

    def is_drawn(self, run: Run) -> bool:
        """Whether ``run`` is shown as a formula."""
        return run.text in self._painter.drawings and Mark.FORMULA in run.mark

    def length(self, run: Run) -> int:
        """How many positions ``run`` takes in the document."""
        if self.is_drawn(run):
            return 1
        return len(run.text) if run.text.isascii() else len(run.text.encode("utf-16-le")) // 2

    def insert(self, cursor: QTextCursor, run: Run, look: QTextCharFormat) -> None:
        """Write ``run``, with the look that text in its place has."""
        cursor.insertText(OBJECT if self.is_drawn(run) else run.text, self.look(run, look))

    def look(self, run: Run, look: QTextCharFormat) -> QTextCharFormat:
        """That of ``run`` in the document, where text has that ``look``."""
        return self._painter.format(run.text, look, self.scale) if self.is_drawn(run) else look


def formulas_in(rows: Iterable[Row]) -> Iterator[str]:
    """The sources of all formulas in ``rows``."""
    # Most long texts are code, in which there are none.
    text = (row for row in rows if row.kind is not Kind.CODE)
    return (run.text for run in all_runs(text) if Mark.FORMULA in run.mark)


def with_sources(cursor: QTextCursor) -> str:
    """The selected text, with each formula as it was written."""
    document = cursor.document()
    is_all = cursor.selectionStart() == 0 and cursor.selectionEnd() == document.characterCount() - 1
    # A copy of what is selected costs ten times as much.
    text = document.toPlainText() if is_all else cursor.selection().toPlainText()
    if OBJECT not in text:
        return text
    copy = QTextDocument()
    QTextCursor(copy).insertFragment(cursor.selection())
    found = copy.find(OBJECT)
    while not found.isNull():
        found.insertText(str(found.charFormat().property(SOURCE)), QTextCharFormat())
        found = copy.find(OBJECT, found.position())
    return copy.toPlainText()
