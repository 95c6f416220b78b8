"""``GET /v1/models`` and ``GET /health``."""

from __future__ import annotations

from typing import Literal

import msgspec


class ModelMeta(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a model without loading it. Sizes in bytes, lengths in tokens."""

    size_bytes: int
    quantisation: str | None
    n_ctx_train: int | None
    architecture: str
    loaded: bool


class ModelObject(msgspec.Struct, frozen=True, kw_only=True):
    """One model, as ``GET /v1/models`` lists it. ``created``: Unix time in seconds."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "minerva"
    meta: ModelMeta


class ModelList(msgspec.Struct, frozen=True, kw_only=True):
    """Answer to ``GET /v1/models``."""

    object: Literal["list"] = "list"
    data: tuple[ModelObject, ...]


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """Answer to ``GET /health``."""

    status: Literal["ok"] = "ok"
    version: str
    loaded: tuple[str, ...]
