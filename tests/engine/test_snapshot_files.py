"""The files of chats' states: what a byte budget and a destroyed chat leave of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from minerva_desktop.engine import snapshot_files
from minerva_desktop.engine.snapshot_files import SnapshotFiles, check_name
from minerva_desktop.errors import InvalidRequest


def _state(files: SnapshotFiles, name: str, *, age: int, model: str = "model") -> Path:
    path = files.path(model, name)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(bytes(10))
    os.utime(path, (1000 - age, 1000 - age))
    return path


def test_a_budget_deletes_what_was_not_used_for_longest(tmp_path: Path) -> None:
    files = SnapshotFiles(tmp_path)
    old = _state(files, "old", age=3)
    middle = _state(files, "middle", age=2, model="another")
    new = _state(files, "new", age=1)
    files.shrink(30)
    assert old.exists()
    files.shrink(29)
    assert [path.exists() for path in (old, middle, new)] == [False, True, True]
    files.shrink(0, spare=middle)
    assert [path.exists() for path in (middle, new)] == [True, False]


def test_a_crash_leaves_nothing_for_long(tmp_path: Path) -> None:
    left = tmp_path / "model" / "chat.4711.partial"
    left.parent.mkdir()
    left.write_bytes(b"half")
    SnapshotFiles(tmp_path).shrink(100)
    assert left.exists()  # another process may be writing it
    os.utime(left, (1, 1))
    SnapshotFiles(tmp_path).shrink(100)
    assert not left.exists()


def test_a_destroyed_chat_goes_with_every_model(tmp_path: Path) -> None:
    files = SnapshotFiles(tmp_path)
    gone = [_state(files, "gone", age=1, model=model) for model in ("one", "two")]
    kept = _state(files, "kept", age=1)
    files.remove("gone")
    assert [path.exists() for path in (*gone, kept)] == [False, False, True]
    SnapshotFiles(tmp_path / "nowhere").remove("gone")


def test_only_states_that_the_next_load_finds_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, model = SnapshotFiles(tmp_path / "states"), tmp_path / "small.gguf"
    model.write_bytes(b"weights")
    for identity in ("f16", "q8_0"):
        files.label(identity, model, is_loaded=True)
        files.path(identity, f"in-{identity}").touch()
    files.label("scaled", model, is_loaded=False)  # by a request that asks for it
    files.path("scaled", "other").touch()
    assert files.chats_of() == {"small.gguf": {"in-q8_0"}}
    files.label("f16", model, is_loaded=True)  # loaded as before again
    assert files.chats_of() == {"small.gguf": {"in-f16"}}
    with monkeypatch.context() as patch:
        patch.setattr(snapshot_files, "__version__", "99.0")
        assert files.chats_of() == {"small.gguf": set()}
    model.write_bytes(b"other weights")
    assert files.chats_of() == {"small.gguf": set()}
    files.label("f16", model, is_loaded=True)
    assert files.chats_of() == {"small.gguf": {"in-f16"}}
    files.doubt("small.gguf")
    assert files.chats_of() == {"small.gguf": set()}
    files.remove_model("small.gguf")
    assert list(files.folder.glob("*/*.kv")) == []


@pytest.mark.parametrize("name", ["", "../escape", "a/b", "x" * 65, "star*", "new\nline"])
def test_a_name_that_is_no_plain_file_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequest, match="letters, digits"):
        check_name(name)
