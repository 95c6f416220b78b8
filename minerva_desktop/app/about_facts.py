"""What the About dialog tells: the parts of Minerva, and where it runs. Blocks for 0.2 s; any
thread but the main one."""

from __future__ import annotations

from pathlib import Path

from minerva_desktop.app.self_checks import machine_facts, version_facts
from minerva_desktop.app.third_parties import ThirdParty, third_parties


def about_facts(
    licences: Path,
) -> tuple[tuple[ThirdParty, ...], dict[str, dict[str, str]]]:
    """The parts of others, and facts by heading and name; nothing private among them. Raises
    `StoreError` as `third_parties`."""
    parts = third_parties(licences)
    return parts, {"Versions": version_facts(parts), "Machine": machine_facts()}
