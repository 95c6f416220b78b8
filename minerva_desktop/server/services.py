"""What the endpoint needs of the rest of the app, as Protocols.

`engine.pool.ModelPool` and `library.catalog.Catalog` are what the app passes in; tests pass
scripted ones. All but the catalog's methods are called on the endpoint's asyncio loop.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

from minerva_desktop.chat.limits import RequestLimits
from minerva_desktop.chat.message import ChatTurn
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.chat.tools import ChatOptions
from minerva_desktop.engine.messages import ContextInfo
from minerva_desktop.engine.token_stream import TokenStream
from minerva_desktop.library.model_file import ModelFile


class Catalog(Protocol):
    """The models that requests may name. Its methods block on the disk: call them in a thread."""

    def models(self) -> Sequence[ModelFile]:
        """All that can be loaded."""

    def find(self, wanted: str) -> ModelFile:
        """The one of that name; raises `ModelNotFound`, or why it cannot be loaded."""


class Engine(Protocol):
    """A loaded model."""

    def get_context_info(self) -> ContextInfo:
        """What it is."""

    def generate_choices(
        self,
        prompt: str | Sequence[ChatTurn] | Sequence[int],
        n: int,
        *,
        sampling: SamplingParameters | None = None,
        limits: RequestLimits | None = None,
        cache_prompt: bool = True,
        lora: Sequence[float] | None = None,
        chat: ChatOptions | None = None,
    ) -> tuple[TokenStream, ...]:
        """Start ``n`` generations; their streams tell how they go and cancel them."""


class Pool(Protocol):
    """The loaded models."""

    def lease(self, path: Path) -> AbstractAsyncContextManager[Engine]:
        """The model at ``path``, loaded when needed and kept loaded until the context ends."""

    def loaded(self) -> Iterable[Path]:
        """The files of the models that are loaded now."""
