"""Whether there is a newer Minerva: what is asked for, when, and what an answer may say.

Nothing here opens a connection; `app.update_request` does, and only when the person switched the
check on or asked for it. Any thread.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import msgspec

from minerva_desktop import __version__
from minerva_desktop.errors import UpdateCheckFailed
from minerva_desktop.settings import UpdateSettings

# Where this build asks. Empty: the project has no public home yet, so nothing is ever asked unless
# the settings name an address (`updates.address`).
UPDATE_ADDRESS = ""
DAY_SECONDS = 24 * 3600.0
MAX_ANSWER_BYTES = 256 * 1024
MAX_CHANGES = 100_000  # characters
SENT = "Sent are Minerva's version and, as with every connection, your network address."
_VERSION = re.compile(r"(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})")
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """The newest one, as the address tells: ``changes`` in Markdown, ``page`` to download it."""

    version: str
    changes: str = ""
    page: str = ""


def address_of(settings: UpdateSettings) -> str:
    """Where to ask; empty: nowhere."""
    return settings.address or UPDATE_ADDRESS


def is_due(settings: UpdateSettings, now: float) -> bool:
    """Whether the automatic check may ask: it is on, there is somebody to ask, and a day passed.
    ``now`` is Unix time; a last time in the future was that of another clock."""
    if not settings.enabled or not address_of(settings):
        return False
    return not 0 <= now - settings.asked_at < DAY_SECONDS


def read_release(answer: bytes) -> Release:
    """What an answer says. Raises `UpdateCheckFailed` for one that is no release."""
    try:
        release = msgspec.json.decode(answer, type=Release)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UpdateCheckFailed(f"The answer makes no sense: {error}") from error
    if _numbers(release.version) is None:
        raise UpdateCheckFailed(
            f"The answer makes no sense: {release.version[:40]!r} is no version"
        )
    if release.page and not is_safe_address(release.page):
        raise UpdateCheckFailed("The answer makes no sense: its page is no address of the web")
    return msgspec.structs.replace(release, changes=release.changes[:MAX_CHANGES])


def is_newer(version: str, own: str = __version__) -> bool:
    """Whether ``version`` comes after ``own``; not where one of them is none: three whole numbers
    and nothing else."""
    offered, here = _numbers(version), _numbers(own)
    return offered is not None and here is not None and offered > here


def is_safe_address(address: str) -> bool:
    """Whether it is ``https``, or stays on this machine, and names nobody's password."""
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or parts.username is not None or parts.password is not None:
        return False
    if not address.isprintable() or " " in address:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and host in _LOCAL)


def _numbers(version: str) -> tuple[int, int, int] | None:
    match = _VERSION.fullmatch(version)
    return None if match is None else (int(match[1]), int(match[2]), int(match[3]))
