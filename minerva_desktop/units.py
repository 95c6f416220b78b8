"""Numbers as a person reads them: sizes in bytes, counts of parameters.

Decimal units everywhere (1 GB = 1,000,000,000 bytes), because file managers and the pages that
models are downloaded from use them, and a file's size must be comparable with the memory it
needs. The price: a machine sold with "16 GB" of memory reads 17.2 GB. Imports nothing of ours, so
that every package may use it. Pure functions, any thread.
"""

from __future__ import annotations

_BYTE_UNITS = ("kB", "MB", "GB", "TB", "PB")
_COUNT_UNITS = (("T", 10**12), ("B", 10**9), ("M", 10**6), ("K", 10**3))


def format_bytes(n_bytes: int) -> str:
    """``n_bytes`` >= 0 with one decimal: ``0 bytes``, ``999 bytes``, ``98.4 MB``, ``1.2 GB``."""
    if n_bytes < 1000:
        return "1 byte" if n_bytes == 1 else f"{n_bytes} bytes"
    value = n_bytes / 1000
    units = iter(_BYTE_UNITS)
    unit = next(units)
    # Not 1000: 999,970 bytes would be printed as "1000.0 kB".
    while value >= 999.95 and (larger := next(units, None)):
        value, unit = value / 1000, larger
    return f"{value:.1f} {unit}"


def format_count(n: int) -> str:
    """``n`` >= 0 as model names write it, in two or three digits: ``135M``, ``1.2B``, ``70B``."""
    for unit, size in _COUNT_UNITS:
        # What rounds up to the next unit is shown in it: 999,700,000 is "1B".
        if n >= 0.9995 * size:
            digits = f"{n / size:.0f}" if n >= 9.95 * size else f"{n / size:.1f}".removesuffix(".0")
            return digits + unit
    return str(n)
