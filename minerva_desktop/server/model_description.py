"""Models as ``GET /v1/models`` and ``/props`` show them: what the file tells, and what only the
loaded model does. Pure but for the question to the pool; asyncio loop of the endpoint."""

from __future__ import annotations

from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import msgspec

from minerva_desktop import __version__
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.engine.messages import ContextInfo
from minerva_desktop.errors import InferenceError
from minerva_desktop.library.model_file import ModelFile
from minerva_desktop.server.parameters.sampling import RANDOM_SEED
from minerva_desktop.server.schemas.common import UNLIMITED
from minerva_desktop.server.schemas.models import (
    GenerationSettings,
    Modalities,
    ModelMeta,
    ModelObject,
    ModelProps,
)
from minerva_desktop.server.services import Pool

# Of the year 9999, the last that a date can say. A file's time may be any number.
LAST_SECOND = 253_402_300_799
# What our sampling has as null, in the values by which requests say the same.
_UNSET = MappingProxyType({"seed": RANDOM_SEED, "max_tokens": UNLIMITED, "grammar": ""})


def loaded_info(pool: Pool, file: ModelFile) -> ContextInfo | None:
    """What the model is, if it is loaded now. Never waits for a load that runs."""
    engine = pool.loaded_engine(file.path)
    try:
        return None if engine is None else engine.get_context_info()
    except InferenceError:
        return None  # it is about to go


def model_object(file: ModelFile, info: ContextInfo | None) -> ModelObject:
    """``info`` is that of the loaded model."""
    created = min(max(0, file.modified_ns // 1_000_000_000), LAST_SECOND)
    return ModelObject(
        id=file.model_id,
        display_name=file.model_id,
        created=created,
        created_at=datetime.fromtimestamp(created, UTC).isoformat().replace("+00:00", "Z"),
        meta=ModelMeta(
            size_bytes=file.size,
            quantisation=file.quantisation or None,
            parameters=file.parameters or None,
            architecture=file.architecture,
            n_ctx=None if info is None else info.n_ctx,
            n_ctx_train=file.n_ctx_train or None,
            capabilities=_capabilities(file, info),
            chat_template_guessed=_is_template_guessed(file, info),
            aliases=file.aliases,
            loaded=info is not None,
        ),
    )


def model_props(file: ModelFile, info: ContextInfo | None) -> ModelProps:
    """``info`` is that of the loaded model. The path of its file stays ours."""
    n_ctx = None if info is None else info.n_ctx
    return ModelProps(
        model=file.model_id,
        loaded=info is not None,
        default_generation_settings=GenerationSettings(n_ctx, _defaults()),
        total_slots=None if info is None else info.n_parallel,
        n_ctx=n_ctx,
        n_ctx_train=file.n_ctx_train or None,
        chat_template=None if info is None else info.chat_template or None,
        chat_template_guessed=_is_template_guessed(file, info),
        modalities=Modalities(vision=info is not None and info.capabilities.vision),
        capabilities=_capabilities(file, info),
        answer_format=None if info is None else info.answer_format,
        build_info=build_info(info),
    )


def build_info(info: ContextInfo | None) -> str:
    """What computes: our version and, of a model that is loaded, the commit of its llama.cpp."""
    commit = "" if info is None else info.build.commit
    return f"minerva-{__version__}" + (f"-{commit}" if commit else "")


def fingerprint(model: ModelFile, info: ContextInfo) -> str:
    """What computed an answer."""
    return f"{build_info(info)}-{model.model_id}"


def _is_template_guessed(file: ModelFile, info: ContextInfo | None) -> bool:
    """Whether messages become ChatML because nobody says what the model was trained on. A loaded
    model may have been given a template."""
    has_one = file.has_chat_template if info is None else info.has_chat_template
    return not has_one and not file.makes_embeddings


def _capabilities(file: ModelFile, info: ContextInfo | None) -> tuple[str, ...] | None:
    if info is None:
        return file.capabilities
    able = msgspec.structs.asdict(info.capabilities) | {"infill": info.can_infill}
    return tuple(name for name, has in able.items() if has)


def _defaults() -> dict[str, Any]:
    given: dict[str, Any] = msgspec.to_builtins(SamplingParameters())
    del given["strict_schema"]  # requests say that beside each schema
    return {name: value for name, value in given.items() if value is not None} | _UNSET
