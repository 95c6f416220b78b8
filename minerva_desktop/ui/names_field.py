"""A field for several names, with spaces or commas between them. Main thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from PySide6.QtCore import Slot

from minerva_desktop.errors import InvalidRequest
from minerva_desktop.settings import MAX_NAMES
from minerva_desktop.ui.number_fields import CheckedField


class NamesField(CheckedField):
    """``problem_changed`` carries the rule once a name is there that breaks it."""

    def __init__(
        self, meaning_of_empty: str, check_name: Callable[[str], object], rule: str
    ) -> None:
        """``check_name`` raises `InvalidRequest` for a name that breaks the ``rule``."""
        super().__init__(meaning_of_empty)
        self._check_name = check_name
        self._rule = rule
        self.textChanged.connect(self._on_text)

    def names(self) -> tuple[str, ...]:
        """Each once, without the slash that an address bar shows behind an origin."""
        typed = self.text().replace(",", " ").split()
        return tuple(dict.fromkeys(name.removesuffix("/").lower() for name in typed))

    def set_names(self, names: Iterable[str]) -> None:
        """Show these."""
        self.setText(" ".join(names))

    @Slot()
    def check(self) -> bool:
        """Whether each name can be taken; from now on it says so if one cannot."""
        problem = self._found_problem()
        self._mark(problem, problem)
        return not problem

    def _found_problem(self) -> str:
        names = self.names()
        if len(names) > MAX_NAMES:
            return f"at most {MAX_NAMES} names"
        try:
            for name in names:
                self._check_name(name)
        except InvalidRequest:
            return self._rule
        return ""

    @Slot()
    def _on_text(self) -> None:
        if self._problem:
            self.check()
