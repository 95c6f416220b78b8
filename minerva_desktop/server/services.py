"""What the endpoint needs of the rest of the app, as Protocols, and all that its routes share.

`engine.pool.ModelPool` and `library.catalog.Catalog` are what the app passes in; tests pass
scripted ones. All but the catalog's methods are called on the endpoint's asyncio loop.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

import msgspec

from minerva_desktop.chat.limits import RequestLimits
from minerva_desktop.chat.message import ChatTurn
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.chat.tools import ChatOptions
from minerva_desktop.engine.engine import Embeddings, Prompt
from minerva_desktop.engine.messages import ContextInfo, PromptEnd, Tokenized
from minerva_desktop.engine.pool_entries import Patience
from minerva_desktop.engine.token_stream import TokenStream
from minerva_desktop.library.model_file import ModelFile
from minerva_desktop.server.activity import Activity
from minerva_desktop.server.auth import KeyRing
from minerva_desktop.server.config import EndpointConfig
from minerva_desktop.server.file_reader import FileReader
from minerva_desktop.server.json_body import BodyReader
from minerva_desktop.server.lifetime import Lifetime
from minerva_desktop.server.metrics import Metrics


class Catalog(Protocol):
    """The models that requests may name. Its methods block on the disk, but for `id_of`: call them
    in a thread."""

    def models(self) -> Sequence[ModelFile]:
        """All that can be loaded."""

    def find(self, wanted: str | Path) -> ModelFile:
        """The one of that name, or at that path, which then comes from us and not from a client;
        raises `ModelNotFound`, or why it cannot be loaded."""

    def id_of(self, path: Path) -> str:
        """What the model at ``path`` is called, as far as known; does not block."""

    def default(self) -> ModelFile:
        """The one to take where nobody says; raises `ModelNotFound` when there is none."""


class Engine(Protocol):
    """A loaded model, as `LlamaEngine` describes its methods."""

    def get_context_info(self) -> ContextInfo:
        """What is loaded; raises `InferenceError` when nothing is."""

    def generate_choices(
        self,
        prompt: Prompt,
        n: int,
        *,
        sampling: SamplingParameters | None = None,
        limits: RequestLimits | None = None,
        cache_prompt: bool = True,
        lora: Sequence[float] | None = None,
        chat: ChatOptions | None = None,
        suffix: str | None = None,
        score_prompt: bool = False,
        tell_accepted: bool = False,
    ) -> tuple[TokenStream, ...]:
        """Start ``n`` generations; their streams tell how they go and cancel them."""

    async def embed(
        self,
        inputs: Sequence[str | Sequence[int]],
        *,
        normalize: bool = True,
        queue_seconds: float | None = None,
    ) -> Embeddings:
        """A vector for each input; it may wait so long for its turn."""

    async def count_tokens(
        self, turns: Sequence[ChatTurn], *, chat: ChatOptions | None = None
    ) -> int:
        """Tokens of the prompt that ``turns`` make."""

    async def apply_template(
        self,
        turns: Sequence[ChatTurn],
        *,
        chat: ChatOptions | None = None,
        end: PromptEnd = PromptEnd.GENERATION,
    ) -> str:
        """The prompt that ``turns`` make."""

    async def tokenize(
        self, text: str, *, add_special: bool = False, parse_special: bool = True
    ) -> Tokenized:
        """The tokens of ``text``."""

    async def detokenize(self, tokens: Sequence[int], *, whole: bool = False) -> str:
        """The text of ``tokens``; ``whole``: up to the last whole character."""


class Pool(Protocol):
    """The loaded models."""

    def lease(
        self, path: Path, *, patience: Patience | None = None
    ) -> AbstractAsyncContextManager[Engine]:
        """The model at ``path``, loaded when needed and kept loaded until the context ends; with
        ``patience`` after a wait, where requests that run hold the memory for it."""

    def loaded(self) -> Iterable[Path]:
        """The files of the models that are loaded now, the most recently used first."""

    def loaded_engine(self, path: Path) -> Engine | None:
        """That of a model that is loaded now; it is not leased, so use it at once."""

    def n_ctx_alone(self, path: Path) -> int | None:
        """The context in tokens that a loaded model would have if no other one had held memory
        when it was loaded; None where that is no longer than the one that it has."""


class ServerContext(msgspec.Struct, frozen=True):
    """What the routes of one endpoint share. ``activity`` outlives the endpoint's stop."""

    pool: Pool
    catalog: Catalog
    config: EndpointConfig
    lifetime: Lifetime
    activity: Activity
    metrics: Metrics
    key_ring: KeyRing
    bodies: BodyReader = msgspec.field(default_factory=BodyReader)
    files: FileReader = msgspec.field(default_factory=FileReader)
