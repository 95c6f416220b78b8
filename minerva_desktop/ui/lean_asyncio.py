"""asyncio without TLS, for the window.

Nothing here speaks TLS over asyncio (downloads do not use it, the endpoint is plain HTTP), but
asyncio imports `ssl` where it can, which loads OpenSSL: 5 MB and 9 ms of a start (measured, Python
3.11). It is made to work where Python was built without; `ssl` itself can be imported after this.
"""

from __future__ import annotations

import sys


def import_asyncio() -> None:
    """Import it. Does nothing where that was done, or `ssl` is there already."""
    if "asyncio" in sys.modules or "ssl" in sys.modules:
        return
    sys.modules["ssl"] = None  # type: ignore[assignment]  # what makes an import fail
    try:
        import asyncio  # noqa: F401 - importing it is all
    finally:
        del sys.modules["ssl"]
