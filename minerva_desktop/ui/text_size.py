"""How large the text is that one reads and writes: the transcript's and the message field's.

`TextSize` owns it, and `ThemeSource` has the only one, so that whoever knows the theme knows this,
too. All else in the window (lists, menus, dialogs, the names and numbers around messages) has the
size of the system's font. Main thread.
"""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from minerva_desktop.settings import TEXT_SIZES, USUAL_TEXT_SIZE


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
