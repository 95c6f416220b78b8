"""The text of a PDF, read in a process of its own, ``minerva_desktop.documents.pdf_child``.

A PDF is a program for a page, and a hostile one can take any time and any memory. Here it can be
ended, and costs the window nothing. The file is standard input; what is found goes to standard
output, a JSON object a line: ``{"page": 1, "pages": 9, "text": "…"}`` for each page, or
``{"refused": "…"}``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO

from pypdf import PasswordType, PdfReader
from pypdf.errors import DependencyError

if sys.platform != "win32":
    import resource

ENCRYPTED = "it is encrypted: open it with its password and print it into a new PDF, without one"
# Of pypdf without a library for it: whether it takes a password at all is not known then.
AES = "it is encrypted with AES, which cannot be read: open it and print it into a new PDF"
# What pypdf says of it helps nobody who has no other library to read it with.
DAMAGED = "{} is damaged: get the file anew, or open it and print it into a new PDF"
MAX_MEMORY = 2 * 10**9  # bytes of address space
MAX_CPU_SECONDS = 120
MAX_PAGE = 4 * 1024 * 1024  # characters of one page, more than any message takes


def main() -> None:
    """Read standard input, and say what is in it."""
    _limit()
    for line in pages(sys.stdin.buffer):
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


def pages(stream: BinaryIO) -> Iterator[dict[str, int | str]]:
    """The lines that are written, as objects."""
    what = "it"
    try:
        reader = PdfReader(stream)
        if reader.is_encrypted and reader.decrypt("") is PasswordType.NOT_DECRYPTED:
            yield {"refused": ENCRYPTED}
            return
        count = len(reader.pages)
        if not count:
            yield {"refused": "it has no pages"}
        for number in range(count):
            what = f"page {number + 1} of it"
            text = reader.pages[number].extract_text()[:MAX_PAGE]
            yield {"page": number + 1, "pages": count, "text": text}
    except DependencyError:
        yield {"refused": AES}
    except MemoryError:
        yield {"refused": f"reading it takes more than {MAX_MEMORY // 10**9} GB of memory"}
    except RecursionError:
        yield {"refused": DAMAGED.format(what)}
    except Exception:  # noqa: BLE001 - pypdf: "broken files might cause other exceptions"
        yield {"refused": DAMAGED.format(what)}


def _limit() -> None:
    if sys.platform != "win32":
        for kind, most in (
            (resource.RLIMIT_AS, MAX_MEMORY),
            (resource.RLIMIT_CPU, MAX_CPU_SECONDS),
        ):
            with suppress(ValueError, OSError):  # macOS takes none for the address space
                resource.setrlimit(kind, (most, most))


if __name__ == "__main__":
    main()
