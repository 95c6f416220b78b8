"""Fields for a number in a range that say when what was typed is none, and leave it as it is.

`forms` dresses them and puts the sentence beside them. Main thread.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QLineEdit, QWidget

# With or without commas or spaces between thousands, for so the window itself writes numbers.
_WHOLE = re.compile(r"[0-9]{1,19}|[0-9]{1,3}(?:[,\s][0-9]{3}){1,6}")
_BEGUN = re.compile(r"[0-9]{1,3}(?:[,\s][0-9]{0,3}){1,6}")
_BETWEEN = re.compile(r"[,\s]")
_DECIMAL = re.compile(r"(?=[.,]?[0-9])[0-9]{0,9}[.,]?[0-9]{0,9}")


class CheckedField(QLineEdit):
    """A field that says when it cannot be taken, or empty, which ``meaning_of_empty`` explains as
    the placeholder. ``problem_changed`` carries what is wrong, and nothing once all is right."""

    problem_changed = Signal(str)

    def __init__(self, meaning_of_empty: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._problem = self._explanation = ""
        self.setPlaceholderText(meaning_of_empty)
        self.editingFinished.connect(self.check)

    def explain(self, text: str) -> None:
        """Tell screen readers what it is for."""
        self._explanation = text
        self.setAccessibleDescription(text)

    @property
    def problem(self) -> str:
        """What is known to be wrong with what stands there; else nothing."""
        return self._problem

    @Slot()
    def check(self) -> bool:
        """Whether it can be taken; from now on it says so if it cannot."""
        raise NotImplementedError

    def _typed(self) -> str:
        return self.text().strip()

    def _mark(self, problem: str, spoken: str) -> None:
        """``spoken``: the problem as a screen reader says it."""
        if problem == self._problem:
            return
        self._problem = problem
        self.setProperty("state", "failed" if problem else "")
        self.style().unpolish(self)
        self.style().polish(self)
        self.setAccessibleDescription(spoken if problem else self._explanation)
        self.problem_changed.emit(problem)


class NumberField(CheckedField):
    """A number from ``minimum`` to ``maximum``, if there is one, or empty. ``problem_changed``
    carries the range: at once where more digits cannot help, else when the field is left."""

    def __init__(
        self,
        minimum: float,
        maximum: float | None,
        meaning_of_empty: str,
        *,
        whole: bool,
        parent: QWidget | None = None,
    ) -> None:
        """``whole``: it takes no fractions."""
        super().__init__(meaning_of_empty, parent)
        self._minimum, self._maximum = minimum, math.inf if maximum is None else maximum
        self._is_whole = whole
        self.textChanged.connect(self._on_text)

    @property
    def range_text(self) -> str:
        """What it takes, for people."""
        if self._maximum == math.inf:
            return f"{self._minimum:,} or more"
        return f"{self._minimum:,} to {self._maximum:,}"

    @Slot()
    def check(self) -> bool:
        """Whether it is empty or in its range; from now on it says so if it is not."""
        number = self._number()
        is_right = not self._typed() or (
            number is not None and self._minimum <= number <= self._maximum
        )
        self._mark("" if is_right else self.range_text, f"Not in the range {self.range_text}")
        return is_right

    @Slot()
    def _on_text(self) -> None:
        number, typed = self._number(), self._typed()
        is_begun = self._is_whole and _BEGUN.fullmatch(typed)
        is_hopeless = not is_begun if number is None else number > self._maximum
        if (typed and is_hopeless) or self._problem:
            self.check()

    def _number(self) -> float | None:
        typed = self._typed()
        if self._is_whole:
            return float(_BETWEEN.sub("", typed)) if _WHOLE.fullmatch(typed) else None
        return float(typed.replace(",", ".")) if _DECIMAL.fullmatch(typed) else None


class WholeField(NumberField):
    """Takes whole numbers of up to 19 digits, also written as 10,485,760 or 10 485 760."""

    def __init__(self, minimum: int, maximum: int | None, meaning_of_empty: str) -> None:
        super().__init__(minimum, maximum, meaning_of_empty, whole=True)

    def value(self) -> int | None:
        """The number; None when empty. Raises `ValueError` where `check` is not true."""
        typed = self._typed()
        if not self.check():
            raise ValueError(f"{typed} is not {self.range_text}")
        return int(_BETWEEN.sub("", typed)) if typed else None

    def set_value(self, value: int | None) -> None:
        """Show ``value`` without a ``textEdited`` signal."""
        self.setText("" if value is None else str(value))


class DecimalField(NumberField):
    """Takes fractions, too, behind a point or a comma."""

    def __init__(self, minimum: float, maximum: int, meaning_of_empty: str) -> None:
        super().__init__(minimum, maximum, meaning_of_empty, whole=False)

    def value(self) -> float | None:
        """The number; None when empty. Raises `ValueError` where `check` is not true."""
        if not self.check():
            raise ValueError(f"{self._typed()} is not {self.range_text}")
        return self._number()

    def set_value(self, value: float | None) -> None:
        """Show ``value``, to the ninth digit behind the point, without a ``textEdited`` signal."""
        self.setText("" if value is None else f"{value:.9f}".rstrip("0").rstrip("."))


def all_right(fields: Iterable[NumberField]) -> bool:
    """Whether each of ``fields`` can be taken; the first that cannot gets the focus."""
    wrong = [field for field in fields if not field.check()]
    if wrong:
        wrong[0].setFocus(Qt.FocusReason.OtherFocusReason)
        wrong[0].selectAll()
    return not wrong
