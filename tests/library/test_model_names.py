"""Files of one name: each is a model with an id of its own."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from minerva_desktop.app.model_actions import shown_names
from minerva_desktop.errors import InvalidRequest, ModelNotFound
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.library.model_file import unread_model_file
from minerva_desktop.library.model_names import named, told_apart
from tests.library.gguf_writer import LLAMA, write_gguf


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(tmp_path / "data" / "models.json", embedded=None)


def written(folder: Path, name: str, **facts: str) -> Path:
    folder.mkdir(exist_ok=True)
    return write_gguf(folder / name, {**LLAMA, **facts})


def ids(catalog: Catalog) -> dict[Path, str]:
    found = {model.path: model.model_id for model in catalog.models()}
    for path, model_id in found.items():
        assert catalog.find(model_id).path == path
    return found


def test_the_first_keeps_its_name_and_the_others_get_longer_ones(
    catalog: Catalog, tmp_path: Path
) -> None:
    paths = [
        written(tmp_path / "a", "good.gguf"),
        written(tmp_path / "a", "good.txt"),
        written(tmp_path / "b", "good.gguf"),
        written(tmp_path / "c", "other.gguf"),
    ]
    added = [catalog.add(path).model_id for path in paths]
    assert added == ["good", "good.txt", "b/good", "other"]
    assert ids(catalog) == dict(zip(paths, added, strict=True))
    assert [catalog.id_of(path) for path in paths] == added
    assert catalog.id_of(tmp_path / "elsewhere" / "guest.gguf") == "guest"
    assert catalog.find("good.gguf").path == paths[0]
    assert catalog.find(str(paths[2])).path == paths[2]
    again = Catalog(tmp_path / "data" / "models.json", embedded=None)
    assert ids(again) == ids(catalog)


def test_a_name_that_one_model_can_have_needs_no_capitals_and_no_quantisation(
    tmp_path: Path,
) -> None:
    q4, q8, other = (
        msgspec.structs.replace(unread_model_file(tmp_path / file), name=name)
        for file, name in (
            ("Good-7B-Instruct-Q4_K_M.gguf", "Good-7B-Instruct"),
            ("Good-7B-Instruct.q8_0.gguf", "Good-7B-Instruct"),
            ("Other-1B.F16.gguf", "Other-1B"),
        )
    )
    models = [q4, q8, msgspec.structs.replace(other, aliases=("Fast",))]
    for wanted, found in {
        "good-7b-instruct-q4_k_m": q4,
        "GOOD-7B-Instruct.Q8_0": q8,
        "good-7b-instruct.q8_0.gguf": q8,
        "Other-1B": other,
        "other-1b": other,
        "fast": other,
    }.items():
        assert named(wanted, models).path == found.path, wanted
    assert named("Good-7B-Instruct", models[1:]).path == q8.path
    for wanted in ("Good-7B-Instruct", "good", "other", "", "q8_0", "F16"):
        with pytest.raises(ModelNotFound):
            named(wanted, models)


def test_folders_are_named_until_that_tells_them_apart(catalog: Catalog, tmp_path: Path) -> None:
    for folder in ("x", "y", "z"):
        (tmp_path / folder).mkdir()
        catalog.add(written(tmp_path / folder / "q4", "good.gguf"))
    assert list(ids(catalog).values()) == ["good", "q4/good", "z/q4/good"]


def test_names_that_cannot_be_told_apart_are_numbered() -> None:
    models = [unread_model_file(Path(f"/{'d' * 200}{at}/a.gguf")) for at in range(4)]
    found = [model.model_id for model in told_apart(models)]
    assert (found[0], len(set(found)), found[-1]) == ("a", 4, "a-3")


def test_an_id_is_never_the_name_of_another_file(catalog: Catalog, tmp_path: Path) -> None:
    for name in ("good.gguf", "good.txt.gguf", "good.txt"):
        catalog.add(written(tmp_path / "a", name))
    assert sorted(ids(catalog).values()) == ["a/good", "good", "good.txt"]


def test_who_was_moved_and_added_again_keeps_the_name(catalog: Catalog, tmp_path: Path) -> None:
    old = written(tmp_path / "old", "good.gguf")
    catalog.add(old)
    old.unlink()
    new = written(tmp_path / "new", "good.gguf")
    assert catalog.add(new).model_id == "good"
    assert ids(catalog) == {new: "good"}


def test_an_alias_cannot_be_a_longer_name(catalog: Catalog, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        catalog.add(written(tmp_path / folder, "good.gguf"))
    with pytest.raises(InvalidRequest, match="is a name of b/good"):
        catalog.add_alias(tmp_path / "a" / "good.gguf", "b/good")
    assert catalog.add_alias(tmp_path / "b" / "good.gguf", "mine").model_id == "b/good"
    assert catalog.find("mine").path == tmp_path / "b" / "good.gguf"


def test_people_see_the_id_where_names_are_the_same(catalog: Catalog, tmp_path: Path) -> None:
    paths = [written(tmp_path / folder, "good.gguf") for folder in "ab"]
    paths += [written(tmp_path / "c", f"good.{kind}.gguf") for kind in ("Q8_0", "F16")]
    models = [catalog.add(path) for path in paths]
    assert list(shown_names(models).values()) == [
        "good", "good (b/good)", "good (good.Q8_0)", "good (good.F16)"
    ]  # fmt: skip


def test_a_file_that_is_named_by_dots_is_called_by_its_whole_name(
    catalog: Catalog, tmp_path: Path
) -> None:
    names = ["..gguf", "...gguf", " .gguf", "\x1b.gguf"]
    paths = [written(tmp_path / f"{n}", name) for n, name in enumerate(names)]
    for path in paths:
        catalog.add(path)
    found = ids(catalog)
    assert [found[path] for path in paths] == ["..gguf", "...gguf", ".gguf", "3/.gguf"]
