"""Writes rows into a `QTextDocument`, touching only what changed. Main thread.

Each row is one block, except a table's rows, which are the cells of a `QTextTable`. Text goes in
through a cursor with a format, never as HTML, so nothing in it can be markup.
"""

from __future__ import annotations

from bisect import bisect_right

from PySide6.QtCore import Qt
from PySide6.QtGui import (
    QTextBlock,
    QTextBlockFormat,
    QTextCursor,
    QTextDocument,
    QTextOption,
)

from minerva_desktop.ui.chat_view.formula_runs import FormulaRuns, formulas_in
from minerva_desktop.ui.chat_view.formulas import Formulas
from minerva_desktop.ui.chat_view.plain_stream import Update
from minerva_desktop.ui.chat_view.rows import Kind, Mark, Row, Run, grows, shape, table_shape
from minerva_desktop.ui.chat_view.table_writer import TableWriter
from minerva_desktop.ui.chat_view.text_formats import TextFormats, code_hang
from minerva_desktop.ui.chat_view.text_measures import FORMULA_BOTTOM

_IN_BOX = {Kind.CODE, Kind.TABLE}


class DocumentWriter:
    """Keeps the rows that a document shows. ``boxes`` are the code boxes' first and last rows;
    ``tables`` has the tables."""

    def __init__(self, document: QTextDocument, formats: TextFormats) -> None:
        self._document = document
        self._formulas = FormulaRuns(document)
        self._blocks: list[int] = []  # number of each row's first block
        self.tables = TableWriter(document, self._formulas)
        self._unwrapped: set[int] = set()  # boxes whose lines are not wrapped
        self.rows: list[Row] = []
        self.boxes: list[tuple[int, int]] = []
        document.setDocumentMargin(0)
        document.setUndoRedoEnabled(False)
        option = QTextOption()
        option.setWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        document.setDefaultTextOption(option)
        self._use(formats)

    def _use(self, formats: TextFormats) -> None:
        """Write in ``formats`` from now on; the document is empty."""
        self._formats = formats
        self._formulas.scale = formats.formula_scale
        self._document.setDefaultFont(formats.font)
        option = self._document.defaultTextOption()
        option.setTabStopDistance(4 * formats.code_metrics.horizontalAdvance(" "))
        self._document.setDefaultTextOption(option)

    def use_formulas(self, formulas: Formulas) -> None:
        """Have formulas drawn by ``formulas``; without that they stay as they were written."""
        self._formulas.source = formulas

    def apply(self, update: Update) -> int:
        """Make the document show ``update``; the index of the first row that changed."""
        self._formulas.prepare(update.rows)
        old, new = self.rows, update.rows
        index = update.keep
        same = 0
        while index + same < len(old) and same < len(new) and old[index + same] == new[same]:
            same += 1
        index += same
        first_changed = index
        cursor = QTextCursor(self._document)
        cursor.beginEditBlock()
        for row in new[same:]:
            if index == len(self.rows) or not self._change(cursor, index, row, update):
                self._truncate(cursor, index)
                self._append(cursor, row)
            index += 1
        if update.whole:
            self._truncate(cursor, index)
        self.tables.fit(self._document.textWidth())
        if first_changed == 0:
            self._leave_gap()
        cursor.endEditBlock()
        return first_changed

    def _leave_gap(self, *, is_lazy: bool = False) -> None:
        """Qt leaves out the gap above a document's first block, where a box of code has its header:
        the frame around all has it instead. Before all is laid out, or it is laid out twice."""
        gap = self._formats.measures.gap_above(self.rows[0], None) if self.rows else 0
        frame = self._document.rootFrame().frameFormat()
        if frame.topMargin() != gap:
            if is_lazy:  # of a new width Qt lays out little at first, and so of what else changes
                self._document.setTextWidth(self._document.textWidth())
            frame.setTopMargin(gap)
            self._document.rootFrame().setFrameFormat(frame)

    def restyle(self, formats: TextFormats) -> None:
        """Write everything again in other formats."""
        rows = list(self.rows)
        self.apply(Update(0, []))
        self._use(formats)
        self.apply(Update(0, rows))

    def fit_tables(self, width: float) -> None:
        """The text is to be ``width`` px wide."""
        cursor = QTextCursor(self._document)
        cursor.beginEditBlock()  # or all is laid out for each table
        self.tables.fit(width)
        cursor.endEditBlock()

    def use_colours(self, formats: TextFormats) -> None:
        """Write in ``formats`` from now on, which have other colours, and nothing else."""
        self._formats = formats

    def use_size(self, formats: TextFormats) -> None:
        """Write in ``formats`` from now on, in another size; what is written is left to others. To
        change the font of the document, too, would lay all of it out again, for nothing: all text
        has a size of its own."""
        self._formats = formats
        self._formulas.scale = formats.formula_scale
        self._leave_gap(is_lazy=True)

    def set_wrapped(self, box: int, *, wraps: bool) -> None:
        """Whether long lines of box number ``box`` are wrapped, as they are at first, or go on."""
        if wraps:
            self._unwrapped.discard(box)
        else:
            self._unwrapped.add(box)
        cursor = QTextCursor(self._document)
        cursor.beginEditBlock()
        first, last = self.boxes[box]
        for index in range(first, last + 1):
            self.lay_out(cursor, index)
        cursor.endEditBlock()

    def draw_formulas(self, sources: set[str]) -> int | None:
        """``sources`` can be drawn now: the first row that changed, None where none did."""
        taken = self._formulas.take(sources)
        if not taken:
            return None
        changed = [
            at for at, row in enumerate(self.rows) if not taken.isdisjoint(formulas_in([row]))
        ]
        cursor = QTextCursor(self._document)
        cursor.beginEditBlock()
        for index in changed:
            self._draw_in_row(cursor, index, taken)
        cursor.endEditBlock()
        return changed[0] if changed else None

    def length(self, run: Run) -> int:
        """How many positions ``run`` takes in the document."""
        return self._formulas.length(run)

    @property
    def formulas(self) -> FormulaRuns:
        """Those that are drawn."""
        return self._formulas

    @property
    def formats(self) -> TextFormats:
        """The formats that are written in now."""
        return self._formats

    def block(self, index: int) -> QTextBlock:
        """The block of row ``index``; of a table row, its first cell's."""
        return self._document.findBlockByNumber(self._blocks[index])

    def block_number(self, index: int) -> int:
        """The number of `block`."""
        return self._blocks[index]

    def row_at(self, block: QTextBlock) -> int:
        """The index of the row that ``block`` belongs to."""
        return max(0, bisect_right(self._blocks, block.blockNumber()) - 1)

    def has(self, index: int, cell: int) -> bool:
        """Whether there is such a row, and such a cell in it."""
        if index >= len(self.rows):
            return False
        row = self.rows[index]
        return cell < len(row.cells) if row.kind is Kind.TABLE else cell == 0

    def position(self, index: int, cell: int, offset: int, *, begins: bool = False) -> int:
        """Where code point ``offset`` of the text of row ``index`` is in the document; of a table
        row, of its cell number ``cell``. The row's marker does not count. A formula is one
        position: inside of it is behind it, or before it, if something ``begins`` there."""
        row = self.rows[index]
        block = self._document.findBlockByNumber(self._blocks[index] + cell)
        position = block.position() + (len(row.marker) + 1 if row.marker else 0)
        for run in row.cells[cell] if row.kind is Kind.TABLE else row.runs:
            if offset <= len(run.text):
                if self._formulas.is_drawn(run):
                    is_before = not offset or (begins and offset < len(run.text))
                    return position + (not is_before)
                return position + self._formulas.length(run._replace(text=run.text[:offset]))
            offset -= len(run.text)
            position += self._formulas.length(run)
        return position

    def box_source(self, box: int) -> str:
        """The code in box number ``box`` as the model wrote it."""
        first, last = self.boxes[box]
        return "".join(row.raw for row in self.rows[first : last + 1]).removesuffix("\n")

    def _draw_in_row(self, cursor: QTextCursor, index: int, taken: set[str]) -> None:
        """Write the formulas ``taken`` of a row again, which stand there as text."""
        row = self.rows[index]
        if row.kind is Kind.TABLE:
            table = QTextCursor(self.block(index)).currentTable()
            line = table.cellAt(self.block(index).position()).row()
            for column, runs in enumerate(row.cells):
                place = table.cellAt(line, column).firstPosition()
                self._draw_runs(cursor, place, runs, row, taken)
            return
        if row.kind is Kind.FORMULA:
            self.lay_out(cursor, index)
        offset = len(row.marker) + 1 if row.marker else 0
        self._draw_runs(cursor, self.block(index).position() + offset, row.runs, row, taken)

    def _draw_runs(
        self, cursor: QTextCursor, place: int, runs: tuple[Run, ...], row: Row, taken: set[str]
    ) -> None:
        for run in runs:
            if run.text in taken and Mark.FORMULA in run.mark:
                cursor.setPosition(place)
                length = len(run.text.encode("utf-16-le")) // 2
                cursor.setPosition(place + length, QTextCursor.MoveMode.KeepAnchor)
                header = row.kind is Kind.TABLE and row.first
                self._formulas.insert(cursor, run, self._formats.run(run, row, header=header))
            place += self._formulas.length(run)

    def _layout(self, row: Row, above: Row | None, box: int = -1) -> QTextBlockFormat:
        """``box``: the number of the code box that the row is in, if it is in one."""
        made = self._formats.block(row, above)
        made.setNonBreakableLines(box in self._unwrapped)
        if row.kind is Kind.FORMULA and self._formulas.is_drawn(row.runs[0]):
            if not row.marker:  # else it stands beside that
                made.setAlignment(Qt.AlignmentFlag.AlignHCenter)
            single = QTextBlockFormat.LineHeightTypes.SingleHeight
            made.setLineHeight(0, single.value)
            made.setBottomMargin(FORMULA_BOTTOM)
        return made

    # -- changing ----------------------------------------------------------------------------

    def _change(self, cursor: QTextCursor, index: int, row: Row, update: Update) -> bool:
        """Make row ``index`` be ``row``, those below stay as they are; False where it cannot."""
        if self.rows[index] == row or self._patch(cursor, index, row):
            return True
        # What is whole is written below at once: nobody sees it go and come again.
        return not update.whole and self._replace(cursor, index, row)

    def _replace(self, cursor: QTextCursor, index: int, row: Row) -> bool:
        """Write ``row`` into the block of row ``index``, which is another shape."""
        below = self.rows[index + 1] if index + 1 < len(self.rows) else None
        if {row.kind, self.rows[index].kind} & _IN_BOX or (below and below.kind is Kind.TABLE):
            return False
        cursor.setPosition(self.block(index).position())
        cursor.movePosition(QTextCursor.MoveOperation.EndOfBlock, QTextCursor.MoveMode.KeepAnchor)
        if cursor.hasSelection():
            cursor.removeSelectedText()
        cursor.setBlockFormat(self._layout(row, self.rows[index - 1] if index else None))
        cursor.setBlockCharFormat(self._formats.row(row))
        self._write(cursor, row)
        self.rows[index] = row
        if below is not None:  # the gap between the two may be another now
            self.lay_out(cursor, index + 1)
        return True

    def lay_out(self, cursor: QTextCursor, index: int) -> None:
        """Give row ``index``, which is not a table's, the format that its block has there."""
        row, above = self.rows[index], self.rows[index - 1] if index else None
        box = bisect_right(self.boxes, (index, len(self.rows))) - 1
        cursor.setPosition(self.block(index).position())
        cursor.setBlockFormat(self._layout(row, above, box if row.kind is Kind.CODE else -1))

    def _patch(self, cursor: QTextCursor, index: int, row: Row) -> bool:
        """Change row ``index`` into ``row`` within its block; False when it is another shape."""
        old = self.rows[index]
        if row.kind is Kind.TABLE:
            return self._patch_cells(cursor, index, row)
        if shape(old) != shape(row):
            return False
        block = self.block(index)
        formula = row.kind is Kind.FORMULA
        self.rows[index] = row
        if formula or old.last != row.last or code_hang(old) != code_hang(row):
            self.lay_out(cursor, index)
        offset = len(row.marker) + 1 if row.marker else 0
        self._patch_runs(cursor, block.position() + offset, old.runs, row.runs, row)
        return True

    def _patch_cells(self, cursor: QTextCursor, index: int, row: Row) -> bool:
        """The same for a table's row. Above others its length must not decide where they are."""
        old = self.rows[index]
        if table_shape(old) != table_shape(row):
            return False
        if index < len(self.rows) - 1 and not self.tables.keeps_parts(index, row):
            return False
        for cell, (before, after) in enumerate(zip(old.cells, row.cells, strict=True)):
            if before != after:
                block = self._document.findBlockByNumber(self._blocks[index] + cell)
                self._patch_runs(cursor, block.position(), before, after, row)
        self.tables.change(index, row)
        self.rows[index] = row
        return True

    def _patch_runs(
        self,
        cursor: QTextCursor,
        place: int,
        old: tuple[Run, ...],
        new: tuple[Run, ...],
        row: Row,
    ) -> None:
        """Change ``old``, which is at ``place`` up to the end of a block, into ``new``."""
        same = 0
        for before, after in zip(old, new, strict=False):
            if before != after:
                break
            place += self._formulas.length(before)
            same += 1
        rest = new[same:]
        if same == len(old) - 1 and rest and grows(old[same], rest[0]):
            place += self._formulas.length(old[same])
            rest = (rest[0]._replace(text=rest[0].text[len(old[same].text) :]), *rest[1:])
        cursor.setPosition(place)
        cursor.movePosition(QTextCursor.MoveOperation.EndOfBlock, QTextCursor.MoveMode.KeepAnchor)
        if cursor.hasSelection():
            cursor.removeSelectedText()
        header = row.kind is Kind.TABLE and row.first
        for run in rest:
            self._formulas.insert(cursor, run, self._formats.run(run, row, header=header))

    def _truncate(self, cursor: QTextCursor, index: int) -> None:
        """Remove the rows from ``index`` on."""
        if index >= len(self.rows):
            return
        self.tables.drop(index)
        row = self.rows[index]
        if index == 0:
            self._document.clear()
        elif row.kind is Kind.TABLE and not row.first:
            self.tables.truncate(cursor, index)
        elif self.rows[index - 1].kind is Kind.TABLE:
            self.tables.clear_below(cursor)
        else:
            self._remove_after(cursor, index - 1)
        del self.rows[index:], self._blocks[index:]
        while self.boxes and self.boxes[-1][0] >= index:
            self.boxes.pop()
        if self.boxes and self.boxes[-1][1] >= index:
            self.boxes[-1] = (self.boxes[-1][0], index - 1)

    def _remove_after(self, cursor: QTextCursor, index: int) -> None:
        block = self.block(index)
        layout, text = block.blockFormat(), block.charFormat()
        cursor.setPosition(block.position() + block.length() - 1)
        _remove_to_end(cursor)
        # An empty block takes over the format of the one that was joined to it.
        cursor.setBlockFormat(layout)
        cursor.setBlockCharFormat(text)

    def _append(self, cursor: QTextCursor, row: Row) -> None:
        above = self.rows[-1] if self.rows else None
        cursor.movePosition(QTextCursor.MoveOperation.End)
        if row.kind is Kind.TABLE:
            block = self.tables.append(cursor, row, above, len(self.rows), self._formats)
            self._blocks.append(block)
        else:
            box = len(self.boxes) - (not row.first) if row.kind is Kind.CODE else -1
            layout, text = self._layout(row, above, box), self._formats.row(row)
            if above is None or above.kind is Kind.TABLE:
                self.tables.leave_below(layout.topMargin())
                cursor.setBlockFormat(layout)
                cursor.setBlockCharFormat(text)
            else:
                cursor.insertBlock(layout, text)
            self._blocks.append(cursor.blockNumber())
            self._write(cursor, row)
        if row.kind is Kind.CODE:
            first = len(self.rows) if row.first else self.boxes.pop()[0]
            self.boxes.append((first, len(self.rows)))
        self.rows.append(row)

    def _write(self, cursor: QTextCursor, row: Row) -> None:
        if row.marker:
            cursor.insertText(f"{row.marker}\t", self._formats.marker())
        for run in row.runs:
            self._formulas.insert(cursor, run, self._formats.run(run, row))


def _remove_to_end(cursor: QTextCursor) -> None:
    cursor.movePosition(QTextCursor.MoveOperation.End, QTextCursor.MoveMode.KeepAnchor)
    if cursor.hasSelection():
        cursor.removeSelectedText()
