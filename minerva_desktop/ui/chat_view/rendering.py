"""What all texts of one transcript are rendered with. Main thread."""

from __future__ import annotations

import msgspec

from minerva_desktop.ui.chat_view.markdown import MarkdownParser
from minerva_desktop.ui.chat_view.text_formats import SharedFormats


class Rendering(msgspec.Struct, frozen=True):
    """Made once: both take a while, and neither knows anything of a single text."""

    parser: MarkdownParser = msgspec.field(default_factory=MarkdownParser)
    formats: SharedFormats = msgspec.field(default_factory=SharedFormats)
