"""What the context panel shows in pictures."""

from __future__ import annotations

from PySide6.QtWidgets import QWidget

from minerva_desktop.app.context_use import ContextPart, ContextUse, PromptPiece
from minerva_desktop.ui.main_window import MainWindow

PIECES = (
    PromptPiece(ContextPart.TEMPLATE, "<|im_start|>system\n"),
    PromptPiece(ContextPart.SYSTEM, "You are a patient teacher. Answer in short paragraphs."),
    PromptPiece(ContextPart.TEMPLATE, "\n\nSummary of the conversation so far:\n"),
    PromptPiece(ContextPart.SUMMARY, "They spoke about tides and the pull of the moon."),
    PromptPiece(ContextPart.TEMPLATE, "<|im_end|>\n<|im_start|>user\n"),
    PromptPiece(ContextPart.FILES, "notes.txt:\n```\nSpring tides come at full moon.\n```"),
    PromptPiece(ContextPart.TEMPLATE, "\n\n"),
    PromptPiece(ContextPart.HISTORY, "Why are there two tides a day?"),
    PromptPiece(ContextPart.TEMPLATE, "<|im_end|>\n<|im_start|>assistant\n"),
    PromptPiece(ContextPart.HISTORY, "One bulge faces the moon, the other lies across from it."),
    PromptPiece(ContextPart.TEMPLATE, "<|im_end|>\n<|im_start|>user\n"),
    PromptPiece(ContextPart.DRAFT, "And neap tides?"),
    PromptPiece(ContextPart.TEMPLATE, "<|im_end|>\n<|im_start|>assistant\n"),
)
COUNTS = {
    ContextPart.SYSTEM: 212,
    ContextPart.SUMMARY: 340,
    ContextPart.FILES: 1_850,
    ContextPart.HISTORY: 2_904,
    ContextPart.DRAFT: 36,
    ContextPart.TEMPLATE: 118,
}


def show_huge(window: MainWindow) -> list[QWidget]:
    """The same for a chat that was counted in part."""
    use = ContextUse(
        n_ctx=4_096,
        n_tokens=sum(COUNTS.values()),
        by_part=COUNTS,
        pieces=PIECES,
        reserve=None,
        n_older=9_812,
    )
    window.status.set_context(use.n_tokens, use.n_ctx, is_all=False)
    window.context_panel.show_use(use, 0)
    window.context_panel.open_above(window.status.context)
    return [window.context_panel]


def show(window: MainWindow) -> list[QWidget]:
    """Open the panel over the meter."""
    use = ContextUse(
        n_ctx=8_192,
        n_tokens=sum(COUNTS.values()),
        by_part=COUNTS,
        pieces=PIECES,
        reserve=1_024,
    )
    window.status.set_context(use.n_tokens, use.n_ctx)
    window.context_panel.show_use(use, 12)
    window.context_panel.open_above(window.status.context)
    return [window.context_panel]
