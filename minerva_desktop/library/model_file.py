"""`ModelFile`: a model on disk, with what the window and the HTTP endpoint say about it.

Made by `catalog`; `read_model_file` reads a file and so belongs on any thread but the window's.
"""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from minerva_desktop.errors import ModelLoadError
from minerva_desktop.library.display_text import one_line, shown_name
from minerva_desktop.library.gguf import GgufHeader
from minerva_desktop.library.gguf_types import FILE_TYPES
from minerva_desktop.library.header_capabilities import header_capabilities
from minerva_desktop.library.split_model import (
    FileState,
    file_states,
    read_whole_model,
    without_part_number,
)
from minerva_desktop.units import format_count

# GGUF files that go with a model but are none, by `general.type`.
COMPANIONS = {
    "adapter": "a LoRA adapter, which changes a model but is none itself",
    "mmproj": "a vision or audio projector, which extends a model but is none itself",
    "imatrix": "an importance matrix for quantising models, not a model",
    "dataset": "a dataset, not a model",
}
# What projectors called themselves before `general.type` came.
PROJECTOR_ARCHITECTURE = "clip"

_QUANTISATIONS = "|".join([*FILE_TYPES.values(), r"Q\d_K(?:_[A-Z]{1,2})?", "FP16", "FP32"])
# With what quantisers put before it: "i1" (weighted with an importance matrix), "UD" (dynamic).
_QUANTISATION_SUFFIX = re.compile(rf"[-._ ](?:(?:i1|UD)[-.])?(?:{_QUANTISATIONS})$", re.IGNORECASE)
# Names that tell nothing: the converter's default, and hashes in content-addressed folders.
_MEANINGLESS_STEM = re.compile(r"(?:ggml[-_])?model|(?:sha256[-_:])?[0-9a-f]{32,}", re.IGNORECASE)


class ModelFile(msgspec.Struct, frozen=True, kw_only=True):
    """A GGUF file that can be loaded, as far as its header tells.

    ``path`` is absolute, ``size`` in bytes, ``modified_ns`` the file's modification time in
    nanoseconds (the two tell that a file was replaced), ``n_ctx_train`` in tokens (0: not said).
    A model in several files is one at its first file, and ``size`` is that of all of them;
    ``later_parts`` are the others' states.
    ``capabilities`` are those that the header tells, None: not read yet; ``aliases`` are other
    names that the person gave it. ``own_id`` is given by `model_names` where another model has the
    same file name.
    ``name`` and ``parameters`` (such as ``135M``) are for people. All texts are safe to show and
    to encode; only ``path`` may hold bytes that are no UTF-8. Any thread.
    """

    path: Path
    name: str
    size: int
    modified_ns: int
    architecture: str
    quantisation: str
    parameters: str
    n_ctx_train: int
    has_chat_template: bool
    embedded: bool = False
    later_parts: tuple[FileState, ...] = ()
    capabilities: tuple[str, ...] | None = None
    aliases: tuple[str, ...] = ()
    own_id: str = ""

    @property
    def model_id(self) -> str:
        """What the HTTP endpoint calls the model: no other has that id."""
        return self.own_id or model_id_of(self.path)

    @property
    def makes_embeddings(self) -> bool:
        """Whether it turns texts into numbers that compare their meanings, and writes none."""
        return "embeddings" in (self.capabilities or ())

    @property
    def file_name(self) -> str:
        """The file's name, without its folder."""
        return one_line(self.path.name)


def model_id_of(path: Path) -> str:
    """What the HTTP endpoint calls the model at ``path``: the file name without ``.gguf``, and
    without the ``-00001-of-00003`` of a model in several files; the whole file name where that
    leaves nothing but dots."""
    name = one_line(without_part_number(path.stem))
    return name if name.strip(". ") else one_line(path.name)


def read_model_file(path: Path, *, embedded: bool = False) -> ModelFile:
    """Read what the file at ``path`` (absolute) is. Blocks for some milliseconds.

    Any file of a model in several leads to the model at the first of them. Raises `ModelNotFound`
    when it is not there and `ModelLoadError` when it is no whole GGUF, no model, or not all of a
    model. Whether llama.cpp knows the architecture turns out only when it is loaded.
    """
    whole = read_whole_model(path)
    header, path = whole.header, whole.path
    _check_is_model(header, path)
    first, *later = whole.states
    return ModelFile(
        path=path,
        name=_name(header, path),
        size=sum(state.size for state in whole.states),
        modified_ns=first.modified_ns,
        architecture=one_line(header.architecture),
        quantisation=header.quantisation,
        parameters=one_line(header.size_label, 16) or format_count(header.n_params),
        n_ctx_train=header.n_ctx_train,
        has_chat_template=header.has_chat_template,
        embedded=embedded,
        later_parts=tuple(later),
        capabilities=header_capabilities(header),
    )


def known_states(model: ModelFile) -> tuple[FileState, ...]:
    """The states of the files of ``model`` when all that is known of it was read."""
    later = model.later_parts
    first = FileState(model.size - sum(part.size for part in later), model.modified_ns)
    return (first, *later)


def is_as_read(model: ModelFile) -> bool:
    """Whether the files of ``model`` are there and were not replaced since all that is known of it
    was read (an older version may have kept less). Blocks."""
    if model.capabilities is None:
        return False
    known = known_states(model)
    try:
        return file_states(model.path, len(known)) == known
    except (OSError, ValueError, ModelLoadError):
        return False  # reading it says in words what is wrong


def unread_model_file(path: Path, *, embedded: bool = False) -> ModelFile:
    """What can be said of ``path`` (absolute) before it was read: its name."""
    return ModelFile(
        path=path,
        name=model_id_of(path),
        size=0,
        modified_ns=0,
        architecture="",
        quantisation="",
        parameters="",
        n_ctx_train=0,
        has_chat_template=False,
        embedded=embedded,
    )


def _check_is_model(header: GgufHeader, path: Path) -> None:
    name = shown_name(path)
    kind = header.text("general.type")
    if header.architecture == PROJECTOR_ARCHITECTURE:
        kind = "mmproj"
    if kind in COMPANIONS:
        raise ModelLoadError(f"{name} is {COMPANIONS[kind]}.")
    if not header.architecture:
        raise ModelLoadError(f"{name} does not say which kind of model it is; it cannot be loaded.")
    if not header.tensors:
        raise ModelLoadError(f"{name} holds no weights, only a vocabulary or settings.")


def _name(header: GgufHeader, path: Path) -> str:
    """The file's name without the quantisation, which is shown beside it.

    Not `general.name`: converters fill it with the name of a folder (the embedded model's is
    "Smollm2 135M 8k Lc100K Mix1 Ep2"), while people know their models by the files' names.
    """
    stem = _QUANTISATION_SUFFIX.sub("", model_id_of(path))
    if not stem or _MEANINGLESS_STEM.fullmatch(stem):
        return one_line(header.name) or stem or one_line(header.architecture)
    return stem
