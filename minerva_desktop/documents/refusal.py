"""Why a document gives no text."""

from __future__ import annotations


class DocumentRefused(Exception):
    """The reason, in words that follow a colon."""
