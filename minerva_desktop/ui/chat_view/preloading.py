"""What only messages need, and an empty chat does not: imported after the start. Any thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from minerva_desktop.ui.theme import DARK, LIGHT

if TYPE_CHECKING:
    from minerva_desktop.ui.chat_view.typesetting import Drawing


class Typeset(Protocol):
    """Makes the outline of a formula."""

    def __call__(self, tex: str, *, display: bool) -> Drawing:
        """As `typesetting.typeset`."""


def import_message_view() -> None:
    """Import what shows messages, with Markdown and Pygments. Takes 0.15 s."""
    import minerva_desktop.ui.chat_view.message_hands  # noqa: F401 - importing it is all


def import_highlighting() -> None:
    """Import what highlights code. Takes 0.1 s."""
    from minerva_desktop.ui.chat_view.code_highlight import preload_highlighting

    preload_highlighting(theme.code_style for theme in (LIGHT, DARK))


def import_typesetting() -> Typeset:
    """Import what typesets formulas. Takes 0.2 s."""
    from minerva_desktop.ui.chat_view.typesetting import typeset

    return typeset
