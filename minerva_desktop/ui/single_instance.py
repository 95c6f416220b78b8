"""One window for one data folder: a second start hands its files to the first, and ends.

The two talk over a local socket, or a named pipe on Windows, that only the same user may open; what
they say is in `call_words`. Main thread.
"""

from __future__ import annotations

import sys

from minerva_desktop.ui.call_words import TOKEN_VARIABLES

if sys.platform == "win32":
    from minerva_desktop.ui.pipe_instance import SingleInstance, handed_over
else:
    from minerva_desktop.ui.unix_instance import SingleInstance, handed_over

__all__ = ["TOKEN_VARIABLES", "SingleInstance", "handed_over"]
