"""Lists and tables that are open while rows are built. No Qt here."""

from __future__ import annotations

from dataclasses import dataclass, field

from minerva_desktop.ui.chat_view.rows import Run


@dataclass(slots=True)
class OpenList:
    """A list that is open while rows are built."""

    ordered: bool
    number: int
    items: int = 0


@dataclass(slots=True)
class OpenTable:
    """A table that is open while rows are built."""

    columns: int = 0
    cells: int = 0
    skip_header: bool = False
    row: list[tuple[Run, ...]] = field(default_factory=list)
    align: list[str] = field(default_factory=list)

    @property
    def skips_row(self) -> bool:
        """Whether this row is the head, and known already."""
        return self.skip_header and not self.columns
