"""Sizes and counts as people read them."""

from __future__ import annotations

import pytest

from minerva_desktop.units import format_bytes, format_count


@pytest.mark.parametrize(
    ("n_bytes", "shown"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_970, "1.0 MB"),
        (98_362_432, "98.4 MB"),
        (1 << 30, "1.1 GB"),
        (4_080_000_000_000, "4.1 TB"),
        (2**64, "18446.7 PB"),
    ],
)
def test_bytes(n_bytes: int, shown: str) -> None:
    assert format_bytes(n_bytes) == shown


@pytest.mark.parametrize(
    ("n", "shown"),
    [
        (0, "0"),
        (999, "999"),
        (1_000, "1K"),
        (22_565_376, "23M"),
        (134_515_008, "135M"),
        (999_700_000, "1B"),
        (1_235_814_432, "1.2B"),
        (8_030_261_248, "8B"),
        (9_960_000_000, "10B"),
        (70_553_706_496, "71B"),
        (1_026_000_000_000, "1T"),
    ],
)
def test_counts(n: int, shown: str) -> None:
    assert format_count(n) == shown
