"""The one request of the update check. Blocks for `TOTAL_SECONDS` at most, beside the system's own
time to look up a name: not for the main thread.

Imported when it is needed: the HTTP client takes a while to load, and most people ask for nothing.
"""

from __future__ import annotations

import http.client
import ssl
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Protocol

from minerva_desktop import __version__
from minerva_desktop.app.request_deadline import Deadline
from minerva_desktop.app.updates import (
    MAX_ANSWER_BYTES,
    Release,
    is_safe_address,
    read_release,
)
from minerva_desktop.errors import UpdateCheckFailed

SOCKET_SECONDS = 5.0  # for a connection, and between two pieces of an answer
TOTAL_SECONDS = 15.0
PIECE_BYTES = 16 * 1024
AUTHORITIES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Arch
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora
    "/etc/ssl/ca-bundle.pem",  # openSUSE
    "/etc/ssl/cert.pem",  # macOS, Alpine
)


def fetch_release(address: str) -> Release:
    """Ask ``address`` for the newest release. Certificates are verified, nothing is kept.

    Raises `UpdateCheckFailed` with the reason: no network, an answer that is late, too long or no
    release, an address that is neither https nor this machine's.
    """
    if not is_safe_address(address):
        raise UpdateCheckFailed("The address of the update check must begin with https://")
    request = urllib.request.Request(
        address,
        headers={"User-Agent": f"Minerva-Desktop/{__version__}", "Accept": "application/json"},
    )
    verifying = _verifying()
    deadline = Deadline(TOTAL_SECONDS)
    tls = _TimedTls(deadline, verifying)
    opener = urllib.request.build_opener(_TimedPlain(deadline), tls, _SafeRedirects())
    try:
        with deadline, opener.open(request, timeout=SOCKET_SECONDS) as answer:
            body = _bounded(answer)
            deadline.check()  # what has come by then may be half an answer
            return read_release(body)
    except urllib.error.HTTPError as error:
        with error:
            reason = f"the server answers {error.code} ({error.reason})"
        raise UpdateCheckFailed(f"It is not known whether there is an update: {reason}") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        deadline.check()
        raise UpdateCheckFailed(
            f"It is not known whether there is an update: {_reason(error)}"
        ) from error


def _verifying() -> ssl.SSLContext:
    """TLS that verifies certificates by the system's authorities. An installed app brings an
    OpenSSL that may look for them where another system has them."""
    context = ssl.create_default_context()
    for bundle in AUTHORITIES:
        if Path(bundle).is_file():
            with suppress(OSError, ssl.SSLError):
                context.load_verify_locations(bundle)
                break
    return context


class _Readable(Protocol):
    def read1(self, n_bytes: int, /) -> bytes: ...


def _bounded(answer: _Readable) -> bytes:
    body = b""
    while piece := answer.read1(PIECE_BYTES):  # what has come, at once
        body += piece
        if len(body) > MAX_ANSWER_BYTES:
            raise UpdateCheckFailed(f"The answer is longer than {MAX_ANSWER_BYTES:,} bytes")
    return body


def _reason(error: Exception) -> str:
    inner = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(inner, TimeoutError):
        return "the server does not answer"
    if isinstance(inner, OSError) and inner.strerror:
        return inner.strerror
    return str(inner) or type(inner).__name__


class _TimedPlain(urllib.request.HTTPHandler):
    """Has a deadline for all of a request."""

    def __init__(self, deadline: Deadline) -> None:
        super().__init__()
        self._deadline = deadline

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        """As the standard one."""
        return self.do_open(self._connection, req)

    def _connection(self, host: str, /, **options: Any) -> http.client.HTTPConnection:
        return _TimedConnection(self._deadline, host, **options)


class _TimedTls(urllib.request.HTTPSHandler):
    """The same with TLS."""

    def __init__(self, deadline: Deadline, context: ssl.SSLContext) -> None:
        super().__init__(context=context)
        self._deadline = deadline
        self._verifying = context

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        """As the standard one."""
        return self.do_open(self._connection, req)

    def _connection(self, host: str, /, **options: Any) -> http.client.HTTPConnection:
        return _TimedTlsConnection(self._deadline, host, context=self._verifying, **options)


# Python's own connections take their socket from what this attribute holds: before a proxy or TLS
# speaks on it.
class _TimedConnection(http.client.HTTPConnection):
    def __init__(self, deadline: Deadline, host: str, **options: Any) -> None:
        super().__init__(host, **options)
        self._create_connection = deadline.connect


class _TimedTlsConnection(http.client.HTTPSConnection):
    def __init__(self, deadline: Deadline, host: str, **options: Any) -> None:
        super().__init__(host, **options)
        self._create_connection = deadline.connect


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows no redirect that would leave TLS or this machine's own rules."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """As the standard one, for safe addresses alone."""
        is_downgrade = req.full_url.startswith("https:") and not newurl.startswith("https:")
        if is_downgrade or not is_safe_address(newurl):
            fp.close()
            raise UpdateCheckFailed("The server leads to an address that is not safe")
        return super().redirect_request(req, fp, code, msg, headers, newurl)
