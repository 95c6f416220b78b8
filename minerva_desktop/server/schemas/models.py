"""``GET /v1/models``, ``/props`` and ``/health``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType
from pydantic import Field

from minerva_desktop.engine.answer_format import AnswerFormat
from minerva_desktop.server.schemas.common import OptionalModel, RequestModel

MAX_LISTED = 1000  # Anthropic's bound for what one request may ask for


class ModelMeta(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a model. Sizes in bytes, lengths in tokens.

    ``n_ctx`` is null unless the model is loaded. ``capabilities``: of ``chat``, ``tools``,
    ``reasoning``, ``embeddings``, ``vision`` and ``infill``, those that the loaded model has; of
    one that is not loaded, those that its file's header tells (``infill`` it does not), null where
    that was not read yet. A model without a chat template of its own gets its messages as ChatML:
    its template is ``chat_template_guessed``. ``aliases`` are other names for it.
    """

    size_bytes: int
    quantisation: str | None
    parameters: str | None
    architecture: str
    n_ctx: int | None
    n_ctx_train: int | None
    capabilities: tuple[str, ...] | None
    chat_template_guessed: bool
    aliases: tuple[str, ...]
    loaded: bool


class ModelObject(msgspec.Struct, frozen=True, kw_only=True):
    """One model, as ``GET /v1/models`` lists it, with the names of OpenAI's API and those of
    Anthropic's. ``created``: Unix time in seconds, ``created_at`` the same by RFC 3339. A file that
    is there is never deprecated: ``lifecycle`` is what Anthropic's clients want to read."""

    id: str
    object: Literal["model"] = "model"
    type: Literal["model"] = "model"
    display_name: str
    created: int
    created_at: str
    lifecycle: Literal["active"] = "active"
    owned_by: str = "minerva"
    meta: ModelMeta


class ModelList(msgspec.Struct, frozen=True, kw_only=True):
    """Answer to ``GET /v1/models``. The last three fields are for Anthropic's clients, which ask
    for more while there is more."""

    object: Literal["list"] = "list"
    data: tuple[ModelObject, ...]
    has_more: bool = False
    first_id: str | None = None
    last_id: str | None = None


class ModelsQuery(RequestModel):
    """Query of ``GET /v1/models``, as Anthropic's clients page through it."""

    limit: Annotated[
        str | None, Field(description=f"1 to {MAX_LISTED:,} models; absent: all of them.")
    ] = None
    after_id: Annotated[str | None, Field(description="Those behind this one.")] = None
    before_id: Annotated[str | None, Field(description="Those before this one.")] = None


class PropsQuery(RequestModel):
    """Query of ``GET /props``."""

    model: Annotated[
        OptionalModel,
        Field(
            description="Absent or empty: the one that is taken where a request names none, or"
            " where that could be several, the one of them that was used last."
        ),
    ] = None


class EndpointInfo(msgspec.Struct, frozen=True, kw_only=True):
    """Answer to ``GET /``. ``base_url`` is what OpenAI's clients want to know."""

    name: Literal["Minerva Desktop"] = "Minerva Desktop"
    version: str
    base_url: str
    docs: str
    openapi: str
    health: str


class GenerationSettings(msgspec.Struct, frozen=True):
    """What holds where a request says nothing; ``n_ctx`` in tokens, null unless loaded."""

    n_ctx: int | None
    params: dict[str, Any]


class Modalities(msgspec.Struct, frozen=True):
    """What a prompt may hold beside text."""

    vision: bool
    audio: bool = False


class ModelProps(msgspec.Struct, frozen=True, kw_only=True):
    """A model as ``GET /props`` shows it, in llama-server's names where it has one. Null is what
    only a loaded model tells. ``total_slots`` requests are computed together. A model that writes
    text and brings no chat template gets its messages as ChatML, which is a guess."""

    model: str
    loaded: bool
    default_generation_settings: GenerationSettings
    total_slots: int | None
    n_ctx: int | None
    n_ctx_train: int | None
    chat_template: str | None
    chat_template_guessed: bool
    modalities: Modalities
    capabilities: tuple[str, ...] | None
    answer_format: AnswerFormat | None
    build_info: str


class Props(ModelProps, frozen=True, kw_only=True):
    """Answer to ``GET /props``: the model that was asked for, or else the one that is taken where
    a request names none. ``models`` are all that are loaded, the last used first."""

    models: tuple[ModelProps, ...]


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """Answer to ``GET /health``. ``loaded`` are ids of models; absent for who shows no API key
    where one is asked for."""

    status: Literal["ok"] = "ok"
    version: str
    loaded: tuple[str, ...] | UnsetType = UNSET
