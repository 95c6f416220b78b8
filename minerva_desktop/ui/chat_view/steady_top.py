"""What keeps the transcript's content in its place on the screen where its top edge moves, because
something comes above it, or goes: a notice. Pure values, any thread.
"""

from __future__ import annotations


class SteadyTop:
    """``shift`` is by how many px the edge is further down than when the chat was opened.

    What is covered then is reached by scrolling up, also in a chat that is short: it gets ``spare``
    px to scroll by. What would have to move up, for there is nothing above it, gets ``gap`` px
    above the first message instead, until that is out of sight or one goes to the end. ``unneeded``
    px at the end of the content are there for ``spare`` alone. ``covered`` px were of the area when
    its content was arranged last. ``is_new``: nobody has seen the chat yet.
    """

    def __init__(self) -> None:
        self.shift = self.gap = self.spare = self.unneeded = 0
        self.is_new = False
        self.covered = 0

    def begin(self) -> None:
        """Another chat is shown: what is above it by then covers nothing of it."""
        self.shift = self.gap = self.spare = 0
        self.is_new = True

    def settle(self) -> None:
        """From now on it is seen."""
        self.is_new = False

    def take(self, covered: int, scrolled: int) -> int:
        """``covered`` px of the area are by now, and its content was ``scrolled`` by so many; by
        how many px the edge moved down."""
        moved, self.covered = covered - self.covered, covered
        if self.is_new:
            return 0
        below = self.gap - scrolled - moved  # px from the edge to the content's top
        self.gap = max(0, below)
        if moved:
            self.shift += moved
            self.spare = max(0, min(self.shift, -below))
        return moved
