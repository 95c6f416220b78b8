"""A desktop of its own for each test that starts the real app."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.end_to_end.desktop import Desktop, running_desktop


@pytest.fixture
def desktop() -> Iterator[Desktop]:
    """A display, a keyboard and an accessibility bus; Linux only."""
    if sys.platform != "linux":
        pytest.skip("the end-to-end tests use Xvfb and AT-SPI")
    with running_desktop() as desktop:
        yield desktop
