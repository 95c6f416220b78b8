"""Numbers read as a person expects them."""

from __future__ import annotations

from minerva_desktop.ui.formats import (
    format_ms,
    format_speed,
    format_tokens,
    format_used,
    n_of,
)


def test_amounts_share_a_unit_where_they_can() -> None:
    assert format_used(1_200_000_000, 24_000_000_000) == "1.2 of 24.0 GB"
    assert format_used(512_000_000, 24_000_000_000) == "512.0 MB of 24.0 GB"
    assert format_used(0, 24_000_000_000) == "0 bytes of 24.0 GB"


def test_tokens_and_times() -> None:
    assert format_tokens(8192) == "8,192"
    assert (n_of(0, "token"), n_of(1, "token"), n_of(8192, "token")) == (
        "0 tokens",
        "1 token",
        "8,192 tokens",
    )
    assert format_speed(42.13) == "42.1 tokens/s"
    assert format_speed(1234.5) == "1,234 tokens/s"
    assert format_ms(120.4) == "120 ms"
    assert format_ms(999.6) == "1.0 s"
    assert format_ms(4210) == "4.2 s"
