"""What came with a message of another app, as parts of ours. Values, no I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from minerva_desktop.chat.import_media import image_facts, plain_text
from minerva_desktop.chat.import_values import FindAsset, digest_of
from minerva_desktop.chat.parts import FilePart, ImagePart

MAX_NAME = 255  # characters
NOT_IN_EXPORT = "not in the export"
_MISSING = re.compile(rf"\[[^\n\[]*: {NOT_IN_EXPORT}\]\s*")


@dataclass
class Attachments:
    """Takes in what one chat names. ``blobs``: the images so far, by their SHA-256; ``n_missing``:
    what the export lacks, or what is neither text nor image."""

    find: FindAsset
    blobs: dict[str, bytes] = field(default_factory=dict)
    n_missing: int = 0

    def part(self, asset_id: str, name: str, kind: str = "file") -> ImagePart | FilePart | str:
        """The attachment of that id as a part; where that cannot be, a line that says what was
        there. ``kind``: what to call it if it has no name."""
        content = self.find(asset_id) if asset_id else None
        label = " ".join(name.split())[:MAX_NAME]
        facts = image_facts(content) if content is not None else None
        if content is not None and facts is not None:
            digest = digest_of(content)
            self.blobs[digest] = content
            return ImagePart(
                label or "image", digest, len(content), facts.media_type, facts.width, facts.height
            )
        text = plain_text(content) if content is not None else None
        if content is not None and text is not None:
            return FilePart(label or "file", text, len(content))
        self.n_missing += 1
        why = NOT_IN_EXPORT if content is None else "neither text nor an image"
        return f"[{label or kind}: {why}]"


def without_missing(text: str) -> str:
    """``text`` without the words that stand for attachments which were not in an export."""
    return _MISSING.sub("", text).strip()
