"""What a file is called that code from a chat is saved to. No Qt here."""

from __future__ import annotations

import re

from pygments.lexers import get_all_lexers

NAME = "code"
PLAIN = ".txt"
_SUFFIX = re.compile(r"\*(\.[A-Za-z0-9]+)$")
_WHOLE_NAME = re.compile(r"[A-Z][a-z]+$")  # such as Dockerfile


def file_name(language: str) -> str:
    """A name for a file of ``language``, as `code_highlight.language_name` says it: `code.py`."""
    for name, aliases, patterns, _ in get_all_lexers(plugins=False):
        if name == language:
            whole = [pattern for pattern in patterns if _WHOLE_NAME.match(pattern)]
            if whole and whole[0].lower() in aliases:
                return whole[0]
            found = [match[1] for pattern in patterns if (match := _SUFFIX.match(pattern))]
            # The language R has files of S first.
            own = [suffix for suffix in found if suffix[1:].lower() in aliases]
            return NAME + (own or found or [PLAIN])[0]
    return NAME + PLAIN
