"""SHA-256 for whoever needs it, imported with the first use: OpenSSL's library takes 3.8 MB
(measured), and the window opens and stands idle without it. Any thread."""

from __future__ import annotations


def sha256(content: bytes) -> bytes:
    """32 bytes."""
    import hashlib

    return hashlib.sha256(content).digest()


def is_same(one: bytes, other: bytes) -> bool:
    """Whether two digests are equal, in a time that does not tell where they differ."""
    import hmac

    return hmac.compare_digest(one, other)
