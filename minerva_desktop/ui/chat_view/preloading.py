"""What only messages need, and an empty chat does not: imported after the start. Any thread."""

from __future__ import annotations


def import_message_view() -> None:
    """Import Markdown and Pygments. Takes 0.1 s."""
    import minerva_desktop.ui.chat_view.message_view  # noqa: F401 - importing it is all


def import_lexers() -> None:
    """Import what highlights code."""
    from minerva_desktop.ui.chat_view.code_highlight import preload_lexers

    preload_lexers()
