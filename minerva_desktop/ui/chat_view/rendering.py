"""What all texts of one transcript are rendered with. Main thread."""

from __future__ import annotations

from dataclasses import dataclass, field

from minerva_desktop.ui.chat_view.markdown import MarkdownParser
from minerva_desktop.ui.chat_view.text_formats import SharedFormats


@dataclass(frozen=True, slots=True)
class Rendering:
    """Made once: both take a while, and neither knows anything of a single text."""

    parser: MarkdownParser = field(default_factory=MarkdownParser)
    formats: SharedFormats = field(default_factory=SharedFormats)
