"""Models in several files: one in the list, and what is said when files do not go together."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.errors import ModelLoadError, ModelNotFound
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.library.model_file import read_model_file
from tests.engine.models import split_model
from tests.library.gguf_writer import LLAMA, Q4_0, Tensor, Value, gguf_bytes, write_gguf

# Only the tensors tell what the model is.
LABELS = ("general.file_type", "general.size_label")
UNLABELLED = {key: value for key, value in LLAMA.items() if key not in LABELS}
# The largest share of the bytes is in the last file.
SHARES: Sequence[Sequence[Tensor]] = (
    [],
    [Tensor("output_norm.weight", (32,))],
    [Tensor("token_embd.weight", (32, 5)), Tensor("blk.0.attn_q.weight", (32, 1024), Q4_0)],
)


def write_parts(
    folder: Path, prefix: str = "tiny.Q4_0", metadata: Mapping[str, Value] = UNLABELLED
) -> list[Path]:
    """A model in three files: metadata only, a little, most of it."""
    n_tensors = sum(len(share) for share in SHARES)
    paths = []
    for number, share in enumerate(SHARES):
        split = {"split.no": number, "split.count": 3, "split.tensors.count": n_tensors}
        path = folder / f"{prefix}-{number + 1:05}-of-00003.gguf"
        path.write_bytes(gguf_bytes(split if number else {**metadata, **split}, share))
        paths.append(path)
    return paths


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


@pytest.fixture
def parts(folder: Path) -> list[Path]:
    return write_parts(folder)


@pytest.fixture
def library(tmp_path: Path) -> Catalog:
    return Catalog(tmp_path / "data" / "models.json", embedded=None)


# -- one model ---------------------------------------------------------------------------------


async def test_a_real_model_in_three_files_is_one_and_answers(
    model_path: Path, folder: Path
) -> None:
    paths = split_model(model_path, folder, 3)
    assert [path.name[-20:] for path in paths] == [f"-0000{n}-of-00003.gguf" for n in (1, 2, 3)]
    model, whole = read_model_file(paths[2]), read_model_file(model_path)
    assert model.path == paths[0]
    assert (model.name, model.model_id) == (whole.name, whole.model_id)
    assert model.size == sum(path.stat().st_size for path in paths)
    assert (model.quantisation, model.parameters) == ("Q4_1", "135M")
    assert (model.n_ctx_train, model.has_chat_template) == (8192, True)
    engine = LlamaEngine(model.path)
    info = await engine.load(256)
    greedy = SamplingParameters(temperature=0.0)
    text = await engine.generate("The capital of France is", 2, sampling=greedy).text()
    await engine.unload()
    for path in paths:
        path.unlink()  # 98 MB that pytest would keep
    assert info.n_params == 134_515_008
    assert text == " Paris."


def test_what_the_tensors_tell_is_told_by_those_of_all_files(parts: list[Path]) -> None:
    model = read_model_file(parts[0])
    assert (model.quantisation, model.parameters) == ("Q4_0", "33K")
    assert model.size == sum(path.stat().st_size for path in parts)


def test_names_leave_out_the_number_and_the_quantisation(folder: Path) -> None:
    model = read_model_file(write_parts(folder, "Big-7B-Q4_K_M")[0])
    assert (model.name, model.model_id) == ("Big-7B", "Big-7B-Q4_K_M")
    assert model.file_name == "Big-7B-Q4_K_M-00001-of-00003.gguf"
    unnamed = read_model_file(write_parts(folder, "model")[0])
    assert (unnamed.name, unnamed.model_id) == ("Tiny Test", "model")


@pytest.mark.parametrize("dropped", [(0,), (1,), (2,), (2, 1, 0)])
def test_any_file_adds_the_model_once(
    library: Catalog, parts: list[Path], dropped: tuple[int, ...]
) -> None:
    added = [library.add(parts[number]) for number in dropped]
    assert {model.path for model in added} == {parts[0]}
    assert library.models() == added[:1]
    assert library.find("tiny.Q4_0") == library.find(parts[0]) == added[0]


def test_a_list_from_before_a_restart_knows_the_parts(
    tmp_path: Path, library: Catalog, parts: list[Path]
) -> None:
    added = library.add(parts[1])
    assert Catalog(tmp_path / "data" / "models.json", embedded=None).models() == [added]


# -- files that are lost, replaced or strange --------------------------------------------------


@pytest.mark.parametrize("lost", [1, 2])
def test_a_later_file_that_is_gone_is_named(
    library: Catalog, parts: list[Path], folder: Path, lost: int
) -> None:
    added = library.add(parts[0])
    parts[lost].rename(folder / "elsewhere")
    sentence = f"Part {lost + 1} of 3 is not there: {parts[lost].name}"
    assert [entry.problem for entry in library.entries()] == [sentence]
    with pytest.raises(ModelLoadError) as caught:
        library.find("tiny.Q4_0")
    assert caught.value.message == sentence
    (folder / "elsewhere").rename(parts[lost])
    assert library.models() == [added]


def test_a_first_file_that_is_gone_is_named(library: Catalog, parts: list[Path]) -> None:
    library.add(parts[0])
    parts[0].unlink()
    with pytest.raises(ModelNotFound, match=r"00001-of-00003\.gguf” is not there; it may"):
        library.find("tiny.Q4_0")
    with pytest.raises(ModelLoadError, match=r"^Part 1 of 3 is not there: tiny\.Q4_0-00001-of"):
        library.add(parts[2])


def test_a_replaced_later_file_is_read_again(library: Catalog, parts: list[Path]) -> None:
    before = library.add(parts[0])
    larger = [Tensor("token_embd.weight", (32, 5)), Tensor("blk.0.attn_q.weight", (32, 4096), Q4_0)]
    split = {"split.no": 2, "split.count": 3, "split.tensors.count": 3}
    parts[2].write_bytes(gguf_bytes(split, larger))
    after = library.models()[0]
    assert after.size - before.size == (4096 - 1024) * 18  # Q4_0: 18 bytes for 32 weights
    assert after.parameters == "131K"
    # The same size at another time, such as a download that was done again.
    os.utime(parts[1], ns=(0, 0))
    assert library.models()[0].later_parts[0].modified_ns == 0


def test_a_later_file_that_is_cut_off_is_named(library: Catalog, parts: list[Path]) -> None:
    library.add(parts[0])
    os.truncate(parts[2], parts[2].stat().st_size - 100)
    (entry,) = library.entries()
    assert entry.problem is not None
    assert entry.problem.startswith(f"“{parts[2].name}” is cut off: it should be ")


def test_parts_of_other_models_are_noticed(folder: Path, parts: list[Path]) -> None:
    shutil.copy(parts[2], parts[1])
    with pytest.raises(ModelLoadError) as caught:
        read_model_file(parts[0])
    assert caught.value.message == (
        f"“{parts[1].name}” should be part 2 of 3, but says that it is part 3 of 3."
    )
    write_gguf(parts[1])
    with pytest.raises(ModelLoadError, match=r"says that it is a model in one file\.$"):
        read_model_file(parts[0])
    split = {"split.no": 1, "split.count": 3, "split.tensors.count": 9}
    for strange, what in (
        ([], "hold 2 of 3 tensors"),
        ([*SHARES[1], *SHARES[2]], "hold 2 tensors twice"),
    ):
        parts[1].write_bytes(gguf_bytes(split, strange))
        with pytest.raises(ModelLoadError) as caught:
            read_model_file(parts[0])
        assert caught.value.message == (
            f"The 3 parts of “{parts[0].name}” do not belong together: they {what}. "
            "Download them again."
        )


@pytest.mark.parametrize("name", ["x.gguf", "-00002-of-00003.gguf", "x-00001-of-00003.gguf"])
def test_parts_that_were_renamed_say_what_they_must_be_called(
    folder: Path, parts: list[Path], name: str
) -> None:
    renamed = parts[1].rename(folder / name)
    with pytest.raises(ModelLoadError) as caught:
        read_model_file(renamed)
    assert caught.value.message == (
        f"“{name}” is part 2 of 3 of a model. The parts are found by their names, so its name must "
        "end with -00002-of-00003.gguf"
    )


def test_a_model_that_was_moved_as_a_whole_is_not_there(
    library: Catalog, parts: list[Path], folder: Path
) -> None:
    added = library.add(parts[0])
    folder.rename(folder.with_name("moved"))
    (entry,) = library.entries()
    assert entry.problem == (
        "“tiny.Q4_0-00001-of-00003.gguf” is not there; it may have been moved or deleted."
    )
    assert entry.model == added
