"""What the picker is told about a file, and files that are GGUF but no model."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from minerva_desktop.errors import ModelLoadError, ModelNotFound
from minerva_desktop.library.catalog import find_embedded_model
from minerva_desktop.library.model_file import ModelFile, read_model_file
from tests.library.gguf_writer import LLAMA, Value, gguf_bytes, write_gguf


def test_the_embedded_model() -> None:
    path = find_embedded_model()
    assert path is not None
    status = path.stat()
    assert read_model_file(path, embedded=True) == ModelFile(
        path=path,
        name="SmolLM2-135M-Instruct",
        size=98_362_432,
        modified_ns=status.st_mtime_ns,
        architecture="llama",
        quantisation="Q4_1",
        parameters="135M",
        n_ctx_train=8192,
        has_chat_template=True,
        embedded=True,
        capabilities=("chat",),
    )


@pytest.mark.parametrize(
    ("file_name", "name"),
    [
        ("SmolLM2-135M-Instruct.Q4_1.gguf", "SmolLM2-135M-Instruct"),
        ("gemma-3-270m-it-Q4_K_M.gguf", "gemma-3-270m-it"),
        ("Qwen3-8B-UD-Q4_K_XL.gguf", "Qwen3-8B"),
        ("Mistral-Nemo.i1-IQ3_XXS.gguf", "Mistral-Nemo"),
        ("llama-2-7b.q8_0.gguf", "llama-2-7b"),
        ("phi-4-bf16.gguf", "phi-4"),
        ("gpt-oss-20b-MXFP4.gguf", "gpt-oss-20b"),
        ("Llama-F16-story.gguf", "Llama-F16-story"),
        # Names that tell nothing give way to what the model calls itself.
        ("ggml-model-q4_0.gguf", "Tiny Test"),
        ("model.gguf", "Tiny Test"),
        ("sha256-" + "0f" * 32, "Tiny Test"),
    ],
)
def test_names_are_file_names_without_the_quantisation(
    tmp_path: Path, file_name: str, name: str
) -> None:
    assert read_model_file(write_gguf(tmp_path / file_name)).name == name


def test_parameters_are_counted_when_the_header_has_no_label(tmp_path: Path) -> None:
    path = tmp_path / "a.gguf"
    path.write_bytes(gguf_bytes({"general.architecture": "llama"}))
    assert read_model_file(path).parameters == "192"


@pytest.mark.parametrize(
    ("metadata", "sentence"),
    [
        (
            {"general.type": "adapter"},
            "is a LoRA adapter, which changes a model",
        ),
        ({"general.type": "mmproj"}, "is a vision or audio projector"),
        ({"general.architecture": "clip"}, "is a vision or audio projector"),
        ({"general.type": "imatrix"}, "is an importance matrix for quantising models, not a model"),
        ({"general.architecture": ""}, "does not say which kind of model it is"),
    ],
)
def test_what_is_no_model_is_called_by_its_name(
    tmp_path: Path, metadata: dict[str, Value], sentence: str
) -> None:
    path = write_gguf(tmp_path / "x.gguf", {**LLAMA, **metadata})
    with pytest.raises(ModelLoadError) as caught:
        read_model_file(path)
    assert caught.value.message.startswith(f"“x.gguf” {sentence}")


def test_a_file_without_weights_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "x.gguf"
    path.write_bytes(gguf_bytes(LLAMA, []))
    with pytest.raises(ModelLoadError, match="holds no weights"):
        read_model_file(path)


def test_names_from_hostile_files_are_safe_to_show(tmp_path: Path) -> None:
    bad_bytes = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9\n\x1b[31m\xe2\x80\xaex.gguf"))
    model = read_model_file(write_gguf(bad_bytes))
    assert model.model_id == "caf\ufffd [31mx"
    assert model.file_name == "caf\ufffd [31mx.gguf"
    assert model.name.encode() == b"caf\xef\xbf\xbd [31mx"
    header = {**LLAMA, "general.architecture": "a\u202eb\n" * 100, "general.size_label": "9" * 99}
    model = read_model_file(write_gguf(tmp_path / "b.gguf", header))
    assert len(model.architecture) <= 120
    assert "\u202e" not in model.architecture
    assert model.parameters == "9" * 15 + "…"


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match=r"“gone\.gguf” is not there; it may"):
        read_model_file(tmp_path / "gone.gguf")
