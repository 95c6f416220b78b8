"""The rows that are an alert's own (`markdown_alerts`): its name. No Qt here."""

from __future__ import annotations

from minerva_desktop.chat.markdown_alerts import ALERTS
from minerva_desktop.ui.chat_view.rows import Kind, Mark, Row, Run


def label_row(nest: str) -> Row:
    """What an alert in ``nest`` begins with."""
    return Row(Kind.ALERT, (Run(ALERTS[nest[0]], Mark.BOLD),), nest)


def first_line(nest: str) -> str:
    """The source of `label_row`."""
    return f"[!{ALERTS[nest[0]].upper()}]"
