"""Other names for models, and what a header tells that a model can do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from minerva_desktop.errors import InvalidRequest, ModelNotFound
from minerva_desktop.library.catalog import Catalog
from tests.library.gguf_writer import LLAMA, Value, write_gguf


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data" / "models.json"


@pytest.fixture
def embedded(tmp_path: Path) -> Path:
    return write_gguf(tmp_path / "embedded.gguf")


def test_a_model_is_found_by_its_aliases(file: Path, tmp_path: Path, embedded: Path) -> None:
    catalog = Catalog(file, embedded=embedded)
    path = catalog.add(write_gguf(tmp_path / "a.gguf")).path
    assert catalog.add_alias(path, "openai/gpt-4o").aliases == ("openai/gpt-4o",)
    assert catalog.add_alias(path, "my model").aliases == ("openai/gpt-4o", "my model")
    assert catalog.add_alias(embedded, "small").embedded
    for known in (catalog, Catalog(file, embedded=embedded)):
        assert known.find("openai/gpt-4o").path == path
        assert known.find("my model") == known.find("a")
        assert known.find("small") == known.default()
        assert [model.aliases for model in known.models()] == [
            ("small",),
            ("openai/gpt-4o", "my model"),
        ]


def test_an_alias_is_taken_away(file: Path, tmp_path: Path, embedded: Path) -> None:
    catalog = Catalog(file, embedded=embedded)
    path = catalog.add(write_gguf(tmp_path / "a.gguf")).path
    for model in (path, embedded):
        catalog.add_alias(model, f"x-{model.stem}")
        assert catalog.remove_alias(model, f"x-{model.stem}").aliases == ()
        with pytest.raises(ModelNotFound):
            catalog.find(f"x-{model.stem}")
        with pytest.raises(InvalidRequest, match="is no alias of"):
            catalog.remove_alias(model, f"x-{model.stem}")
    catalog.add_alias(path, "gone-with-it")
    catalog.remove(path)
    with pytest.raises(ModelNotFound):
        catalog.find("gone-with-it")


def test_a_name_belongs_to_one_model(file: Path, tmp_path: Path, embedded: Path) -> None:
    catalog = Catalog(file, embedded=embedded)
    path = catalog.add(write_gguf(tmp_path / "a.gguf")).path
    catalog.add_alias(path, "mine")
    for taken in ("mine", "a", "a.gguf"):
        with pytest.raises(InvalidRequest, match="is a name of a") as caught:
            catalog.add_alias(embedded, taken)
        assert caught.value.param == "alias"
        assert catalog.add_alias(path, taken).aliases == ("mine",)
    with pytest.raises(ModelNotFound):
        catalog.add_alias(tmp_path / "unknown.gguf", "x")


@pytest.mark.parametrize(
    ("alias", "fault"),
    [
        ("", "cannot be empty"),
        (" ", "cannot be empty"),
        (" a", "“a” cannot be an alias: it has spaces at an end"),
        ("a  b", "several in a row"),
        ("a\n", "has a line break"),
        ("a\tb", "has characters that cannot be shown"),
        ("x\x1b[31m", r"“x\[31m” cannot be an alias: it has characters that cannot be shown"),
        ("x" * 121, "has 121 characters, and 120 are allowed"),
        ("a\udcff", "has characters that cannot be shown"),
        ("a\u202eb", "has characters that cannot be shown"),
    ],
)
def test_an_alias_is_one_line_that_can_be_shown(
    file: Path, embedded: Path, alias: str, fault: str
) -> None:
    catalog = Catalog(file, embedded=embedded)
    with pytest.raises(InvalidRequest, match=fault) as caught:
        catalog.add_alias(embedded, alias)
    assert caught.value.param == "alias"
    assert not file.exists()


def test_a_models_own_name_comes_first(file: Path, tmp_path: Path, embedded: Path) -> None:
    catalog = Catalog(file, embedded=embedded)
    catalog.add_alias(embedded, "a")
    path = catalog.add(write_gguf(tmp_path / "a.gguf")).path
    assert catalog.find("a").path == path


def test_a_replaced_file_keeps_its_aliases(file: Path, tmp_path: Path, embedded: Path) -> None:
    catalog = Catalog(file, embedded=embedded)
    path = catalog.add(write_gguf(tmp_path / "a.gguf")).path
    for model in (path, embedded):
        catalog.add_alias(model, f"x-{model.stem}")
        write_gguf(model, {**LLAMA, "llama.context_length": 99, "general.tags": "longer"})
        assert catalog.find(f"x-{model.stem}").n_ctx_train == 99


def test_what_another_process_names_is_seen_and_kept(
    file: Path, tmp_path: Path, embedded: Path
) -> None:
    window, command_line = Catalog(file, embedded=embedded), Catalog(file, embedded=embedded)
    command_line.add_alias(embedded, "small")
    window.add(write_gguf(tmp_path / "a.gguf"))
    assert window.find("small").embedded
    assert Catalog(file, embedded=embedded).find("small").embedded
    without = Catalog(file, embedded=None)
    without.add_alias(tmp_path / "a.gguf", "other")
    assert command_line.find("small").embedded


def test_a_list_of_an_older_version_is_read_and_completed(file: Path, tmp_path: Path) -> None:
    template = "{% if tools %}…{% endif %}<think>"
    path = write_gguf(tmp_path / "a.gguf", {**LLAMA, "tokenizer.chat_template": template})
    Catalog(file, embedded=None).add(path)
    kept = json.loads(file.read_text())
    for name in ("capabilities", "aliases"):
        del kept["models"][0][name]
    file.write_text(json.dumps({"models": kept["models"]}))
    model = Catalog(file, embedded=None).find("a")
    assert (model.aliases, model.capabilities) == ((), ("chat", "tools", "reasoning"))
    assert json.loads(file.read_text())["models"][0]["capabilities"] == [
        "chat",
        "tools",
        "reasoning",
    ]


BERT: dict[str, Value] = {
    "general.architecture": "bert",
    "bert.block_count": 1,
    "bert.context_length": 512,
    "bert.embedding_length": 32,
}


@pytest.mark.parametrize(
    ("metadata", "capabilities"),
    [
        (LLAMA, ("chat",)),
        ({**LLAMA, "tokenizer.chat_template.tool_use": "{{ tools }}"}, ("chat", "tools")),
        ({**LLAMA, "tokenizer.chat_template": "{{ toolset }}"}, ("chat",)),
        ({**LLAMA, "tokenizer.chat_template": "</think>"}, ("chat", "reasoning")),
        ({**BERT, "bert.pooling_type": 1}, ("embeddings",)),
    ],
)
def test_what_a_header_tells(
    file: Path, tmp_path: Path, metadata: dict[str, Value], capabilities: tuple[str, ...]
) -> None:
    path = write_gguf(tmp_path / "a.gguf", metadata)
    assert Catalog(file, embedded=None).add(path).capabilities == capabilities


def test_what_the_header_of_a_real_embedding_model_tells(file: Path, embedding_model: Path) -> None:
    assert Catalog(file, embedded=None).add(embedding_model).capabilities == ("embeddings",)
