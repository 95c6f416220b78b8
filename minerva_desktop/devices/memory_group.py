"""What its control group leaves a process of the machine's memory: in a container, or as a service
with a limit. Linux has them; elsewhere there is none. Any thread; a few small files.

The machine's own numbers know nothing of it, and who goes beyond the limit is killed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

GROUPS_OF_PROCESS = Path("/proc/self/cgroup")
ALL_GROUPS = Path("/sys/fs/cgroup")
NO_LIMIT = 2**62  # bytes; version 1 says so with the most that a signed number of pages can be


class GroupMemory(NamedTuple):
    """Bytes that all processes of the group may use, and those of them that are left. Pages of
    files that the system could drop count as left, as they do for the whole machine."""

    limit: int
    free: int


class _Files(NamedTuple):
    """The files of one version of control groups, and what begins the names in the last."""

    limit: str
    used: str
    details: str = "memory.stat"
    prefix: str = ""


_FIRST = _Files("memory.limit_in_bytes", "memory.usage_in_bytes", prefix="total_")
_SECOND = _Files("memory.max", "memory.current")


def group_memory(
    groups_of_process: Path = GROUPS_OF_PROCESS, all_groups: Path = ALL_GROUPS
) -> GroupMemory | None:
    """By the tightest limit of the group and those that it is in; None where there is none. Never
    fails: a group that cannot be read limits nothing."""
    try:
        lines = groups_of_process.read_text("utf-8").splitlines()
    except (OSError, ValueError):
        return None
    found = [memory for line in lines for memory in _limits(line, all_groups)]
    if not found:
        return None
    return GroupMemory(min(each.limit for each in found), min(each.free for each in found))


def _limits(line: str, all_groups: Path) -> Iterator[GroupMemory]:
    """Those of one line: a number, what is controlled (nothing: version 2), the group's path. A
    container may see its own group at the top, and nothing at that path."""
    _, _, rest = line.partition(":")
    controlled, _, group = rest.partition(":")
    if controlled and "memory" not in controlled.split(","):
        return
    top = all_groups / "memory" if controlled else all_groups
    folder = top / group.lstrip("/")
    for each in (folder, *folder.parents):
        memory = _read(each, _FIRST if controlled else _SECOND)
        if memory is not None:
            yield memory
        if each == top:
            return


def _read(group: Path, files: _Files) -> GroupMemory | None:
    try:
        limit = int((group / files.limit).read_text("ascii"))  # not a number: no limit
        if limit >= NO_LIMIT:
            return None
        used = int((group / files.used).read_text("ascii"))
        details = dict(
            line.split(" ", 1) for line in (group / files.details).read_text("ascii").splitlines()
        )
        names = ("active_file", "inactive_file")
        n_droppable = sum(int(details[files.prefix + name]) for name in names)
    except (OSError, ValueError, KeyError):
        return None
    return GroupMemory(limit, min(max(0, limit - used + n_droppable), limit))
