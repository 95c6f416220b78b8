"""How large the text is that one reads and writes: the transcript's and the message field's.

`TextSize` owns it, and `ThemeSource` has the only one, so that whoever knows the theme knows this,
too. All else in the window (lists, menus, dialogs, the names and numbers around messages) has the
size of the system's font. Main thread.
"""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from minerva_desktop.settings import TEXT_SIZES, USUAL_TEXT_SIZE

USUAL_COLUMN = 800  # px
COLUMN_SIDES = 40  # px of it, beside the text


class TextSize(QObject):
    """In percent of the usual size. ``changed`` carries it, and is emitted only when it differs
    from the last one."""

    changed = Signal(int)

    def __init__(self, percent: int = USUAL_TEXT_SIZE, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._percent = percent

    @property
    def percent(self) -> int:
        """The size in force."""
        return self._percent

    @property
    def column_width(self) -> int:
        """The widest that messages and the message field get, in px: a line of larger text has
        about as many letters. Never narrower than usual: what is around the text stays as large."""
        percent = max(self._percent, USUAL_TEXT_SIZE)
        return COLUMN_SIDES + (USUAL_COLUMN - COLUMN_SIDES) * percent // USUAL_TEXT_SIZE

    def set_percent(self, percent: int) -> None:
        """Have text of that size from now on."""
        if percent != self._percent:
            self._percent = percent
            self.changed.emit(percent)

    def step(self, by: int) -> None:
        """Go ``by`` of `TEXT_SIZES` further, up or down; as far as there are any."""
        here = self._percent
        larger = [size for size in TEXT_SIZES if size > here]
        smaller = [size for size in reversed(TEXT_SIZES) if size < here]
        beyond = (larger if by > 0 else smaller)[: abs(by)]
        if beyond:
            self.set_percent(beyond[-1])

    def reset(self) -> None:
        """Have the usual size again."""
        self.set_percent(USUAL_TEXT_SIZE)
