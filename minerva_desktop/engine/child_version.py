"""Whether an engine child is of its parent's version of Minerva, so that each can read what the
other says.

A package may be updated while the app runs: a child that is started then is of the new version. It
is told the parent's among its arguments, and ends with `OTHER_VERSION` before it does anything.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from minerva_desktop import __version__
from minerva_desktop.engine.process_title import PLACEHOLDER
from minerva_desktop.errors import AppReplaced

OTHER_VERSION = 76  # an exit code that neither Python nor llama.cpp uses


def child_arguments() -> tuple[str, ...]:
    """The last arguments of a child."""
    return (__version__, PLACEHOLDER)


def end_unless_of(arguments: Sequence[str]) -> None:
    """End this process where its ``arguments`` are those of a child of another version. Raises
    `SystemExit`."""
    *_, version, last = ["", "", *arguments]
    if last == PLACEHOLDER and version != __version__:
        print(f"This engine is of Minerva {__version__}, what started it is not", file=sys.stderr)
        raise SystemExit(OTHER_VERSION)


def app_replaced(last_words: str, model_name: str = "") -> AppReplaced:
    """What a child that ended with `OTHER_VERSION` means, for the load of a model if one is named;
    ``last_words`` are the child's on stderr."""
    sentence = "Minerva was updated while it ran. Close it and start it again"
    if model_name:
        sentence = f"{model_name} cannot be loaded: {sentence}"
    return AppReplaced(sentence, detail=last_words)
