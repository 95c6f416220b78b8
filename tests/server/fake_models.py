"""A scripted model behind the HTTP layer: what it says, and when, is up to the test."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import openai

from minerva_desktop.chat.completion import Completion, FinishReason, Timings
from minerva_desktop.chat.message import ChatTurn
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.engine.messages import ContextInfo
from minerva_desktop.engine.token_stream import TokenStream
from minerva_desktop.errors import MinervaError, ModelNotFound
from minerva_desktop.library.model_file import ModelFile
from minerva_desktop.server.config import EndpointConfig
from minerva_desktop.server.endpoint import Endpoint
from tests.fakes import context_info

MODEL = ModelFile(
    path=Path("/models/tiny-1b-q4_0.gguf"),
    name="tiny-1b",
    size=1_000_000,
    modified_ns=1_700_000_000_000_000_000,
    architecture="llama",
    quantisation="Q4_0",
    parameters="1B",
    n_ctx_train=2048,
    has_chat_template=True,
)
OTHER_MODEL = ModelFile(
    path=Path("/models/other.gguf"),
    name="other",
    size=5,
    modified_ns=0,
    architecture="gemma3",
    quantisation="",
    parameters="",
    n_ctx_train=0,
    has_chat_template=False,
)
COMPLETION = Completion(
    finish_reason=FinishReason.STOP,
    seed=7,
    timings=Timings(
        queue_ms=1.0,
        prompt_tokens=12,
        cached_tokens=4,
        prefill_ms=16.0,
        first_token_ms=20.0,
        completion_tokens=3,
        decode_ms=40.0,
    ),
)

Script = Callable[[TokenStream], None]


def says(*tokens: str, completion: Completion = COMPLETION) -> Script:
    """All of an answer at once."""

    def script(stream: TokenStream) -> None:
        for token in tokens:
            stream.push_token(token)
        stream.finish(completion)

    return script


def says_and_goes_on(*tokens: str) -> Script:
    """The start of an answer that never ends by itself."""

    def script(stream: TokenStream) -> None:
        for token in tokens:
            stream.push_token(token)

    return script


def fails(error: MinervaError, *tokens: str) -> Script:
    """An answer that breaks off."""

    def script(stream: TokenStream) -> None:
        for token in tokens:
            stream.push_token(token)
        stream.fail(error)

    return script


class FakeEngine:
    """Answers every request by the script, and notes what it was asked."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.prompts: list[str | Sequence[ChatTurn]] = []
        self.samplings: list[SamplingParameters | None] = []
        self.streams: list[TokenStream] = []
        self.asked = asyncio.Event()
        self.cancelled = asyncio.Event()

    def generate(
        self,
        prompt: str | Sequence[ChatTurn],
        max_tokens: int | None = None,
        *,
        sampling: SamplingParameters | None = None,
    ) -> TokenStream:
        stream = TokenStream(on_cancel=self.cancelled.set)
        self.prompts.append(prompt)
        self.samplings.append(sampling)
        self.streams.append(stream)
        self.script(stream)
        self.asked.set()
        return stream

    def get_context_info(self) -> ContextInfo:
        return context_info(weights_bytes=MODEL.size, n_ctx=2048)


class FakePool:
    """Always has its one engine; a test can hold a load back or let it fail."""

    def __init__(self, engine: FakeEngine) -> None:
        self.engine = engine
        self.leases = 0
        self.leased = asyncio.Event()
        self.returned = asyncio.Event()
        self.may_load = asyncio.Event()
        self.may_load.set()
        self.load_error: MinervaError | None = None

    @asynccontextmanager
    async def lease(self, path: Path) -> AsyncIterator[FakeEngine]:
        self.leases += 1
        self.leased.set()
        try:
            await self.may_load.wait()
            if self.load_error is not None:
                raise self.load_error
            yield self.engine
        finally:
            self.leases -= 1
            self.returned.set()

    def loaded(self) -> list[Path]:
        return [MODEL.path]

    def loaded_engine(self, path: Path) -> FakeEngine | None:
        return self.engine if path == MODEL.path else None


class FakeCatalog:
    """Two models."""

    def models(self) -> list[ModelFile]:
        return [MODEL, OTHER_MODEL]

    def find(self, wanted: str) -> ModelFile:
        for model in self.models():
            if model.model_id == wanted:
                return model
        raise ModelNotFound(f"There is no model {wanted}.", param="model")


class Served:
    """A running endpoint, the scripted model behind it, and clients for it."""

    def __init__(self, script: Script, config: EndpointConfig) -> None:
        self.engine = FakeEngine(script)
        self.pool = FakePool(self.engine)
        self.endpoint = Endpoint(self.pool, FakeCatalog(), config)
        self.http = plain_client()
        self._writers: list[asyncio.StreamWriter] = []

    @property
    def url(self) -> str:
        assert self.endpoint.url is not None
        return self.endpoint.url

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def openai(self) -> openai.AsyncOpenAI:
        """The official client, to be closed."""
        return openai.AsyncOpenAI(base_url=f"{self.url}/v1", api_key="none", max_retries=0)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A bare connection, for clients that behave badly; closed at the end of the test."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self._writers.append(writer)
        return reader, writer

    async def hang_up(self) -> None:
        """Close what `connect` opened."""
        while self._writers:
            writer = self._writers.pop()
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def exchange(self, request: bytes) -> bytes:
        """All that the endpoint answers to ``request`` until it hangs up."""
        reader, writer = await self.connect()
        writer.write(request)
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer


def plain_client() -> httpx.AsyncClient:
    """An HTTP client that doesn't read the machine's certificates, which takes it 0.1 s."""
    return httpx.AsyncClient(verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))


@asynccontextmanager
async def serving(script: Script | None = None, **settings: object) -> AsyncIterator[Served]:
    """An endpoint on a free port, stopped at the end."""
    config = EndpointConfig(port=0, **settings)  # type: ignore[arg-type]
    served = Served(script or says("Hello", ", ", "world"), config)
    await served.endpoint.start()
    served.http.base_url = served.url
    try:
        async with served.http:
            yield served
    finally:
        await served.endpoint.stop()
        await served.hang_up()


def chat_body(**fields: object) -> dict[str, object]:
    """A chat request that asks our model, changed by ``fields``."""
    return {
        "model": MODEL.model_id,
        "messages": [{"role": "user", "content": "Hi"}],
        **fields,
    }
