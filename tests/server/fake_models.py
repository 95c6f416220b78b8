"""A scripted model behind the HTTP layer: what it says, and when, is up to the test."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import ssl
from array import array
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import msgspec
import openai

from minerva_desktop.chat.completion import Completion, FinishReason, Timings
from minerva_desktop.chat.limits import RequestLimits
from minerva_desktop.chat.message import ChatTurn
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.chat.tools import ChatOptions
from minerva_desktop.engine.answer_format import AnswerFormat
from minerva_desktop.engine.engine import Embeddings
from minerva_desktop.engine.messages import (
    Capabilities,
    ContextInfo,
    EngineBuild,
    PromptEnd,
    Tokenized,
)
from minerva_desktop.engine.pool_entries import Patience
from minerva_desktop.engine.token_stream import TokenStream
from minerva_desktop.errors import InvalidRequest, MinervaError, ModelNotFound
from minerva_desktop.library.model_file import ModelFile
from minerva_desktop.server.activity import MAX_LOADING, Activity
from minerva_desktop.server.config import EndpointConfig
from minerva_desktop.server.endpoint import Endpoint
from tests.fakes import context_info
from tests.patience import SECONDS

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
        self.answer_format = AnswerFormat()
        self.makes_embeddings = True
        self.can_infill = False
        self.prompts: list[str | Sequence[ChatTurn] | Sequence[int]] = []
        self.samplings: list[SamplingParameters | None] = []
        self.asked_with: list[dict[str, object]] = []
        self.streams: list[TokenStream] = []
        self.embedded: list[Sequence[str | Sequence[int]]] = []
        self.tokenized: list[tuple[str, bool, bool]] = []
        self.rendered_with: list[tuple[ChatOptions | None, PromptEnd]] = []
        self.asked = asyncio.Event()
        self.cancelled = asyncio.Event()

    def get_context_info(self) -> ContextInfo:
        info = context_info(weights_bytes=1, n_ctx=2048)
        return msgspec.structs.replace(
            info,
            answer_format=self.answer_format,
            capabilities=Capabilities(chat=True, embeddings=self.makes_embeddings),
            chat_template="{{ messages }}",
            n_embd=2,
            can_infill=self.can_infill,
            build=EngineBuild(ggml="0.25.3", commit="0c1e570"),
        )

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
        suffix: str | None = None,
        score_prompt: bool = False,
        tell_accepted: bool = False,
    ) -> tuple[TokenStream, ...]:
        streams = tuple(TokenStream(on_cancel=self.cancelled.set) for _ in range(n))
        self.prompts.append(prompt)
        self.samplings.append(sampling)
        self.asked_with.append(
            {
                "limits": limits,
                "cache_prompt": cache_prompt,
                "lora": lora,
                "chat": chat,
                "suffix": suffix,
                "score_prompt": score_prompt,
                "tell_accepted": tell_accepted,
            }
        )
        self.streams += streams
        for stream in streams:
            self.script(stream)
        self.asked.set()
        return streams

    async def embed(
        self,
        inputs: Sequence[str | Sequence[int]],
        *,
        normalize: bool = True,
        queue_seconds: float | None = None,
    ) -> Embeddings:
        self.embedded.append(inputs)
        vector = array("f", (0.6, 0.8) if normalize else (3.0, 4.0))
        return Embeddings(tuple(vector for _ in inputs), tuple(len(each) for each in inputs))

    async def count_tokens(
        self, turns: Sequence[ChatTurn], *, chat: ChatOptions | None = None
    ) -> int:
        return sum(len(turn.text) for turn in turns)

    async def apply_template(
        self,
        turns: Sequence[ChatTurn],
        *,
        chat: ChatOptions | None = None,
        end: PromptEnd = PromptEnd.GENERATION,
    ) -> str:
        self.rendered_with.append((chat, end))
        return "\n".join(f"{turn.role.value}: {turn.text}" for turn in turns)

    async def tokenize(
        self, text: str, *, add_special: bool = False, parse_special: bool = True
    ) -> Tokenized:
        self.tokenized.append((text, add_special, parse_special))
        raw = text.encode()
        return Tokenized.of(0, raw, [bytes([each]) for each in raw])

    async def detokenize(self, tokens: Sequence[int], *, whole: bool = False) -> str:
        if any(token > 255 for token in tokens):
            raise InvalidRequest(
                "tokens names a token that the model does not have", param="tokens"
            )
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        return decoder.decode(bytes(tokens), final=not whole)


class FakePool:
    """Always has its one engine; a test can hold a load back or let it fail."""

    def __init__(self, engine: FakeEngine) -> None:
        self.engine = engine
        self.leases = 0
        self.loaded_paths = [MODEL.path]
        self.lease_paths: list[Path] = []
        self.leased = asyncio.Event()
        self.returned = asyncio.Event()
        self.may_load = asyncio.Event()
        self.may_load.set()
        self.load_error: MinervaError | None = None
        self.context_alone: int | None = None
        self.in_the_way: tuple[Path, ...] = ()  # what a load that is held back waits for

    @asynccontextmanager
    async def lease(
        self, path: Path, *, patience: Patience | None = None
    ) -> AsyncIterator[FakeEngine]:
        self.leases += 1
        self.lease_paths.append(path)
        if patience is not None:
            patience.waits_for = self.in_the_way
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
        return self.loaded_paths

    def loaded_engine(self, path: Path) -> FakeEngine | None:
        return self.engine if path in self.loaded_paths else None

    def n_ctx_alone(self, path: Path) -> int | None:
        return self.context_alone if path in self.loaded_paths else None


class FakeCatalog:
    """Two models."""

    def __init__(self) -> None:
        self.own_ids: dict[Path, str] = {}

    def models(self) -> list[ModelFile]:
        return [MODEL, OTHER_MODEL]

    def find(self, wanted: str | Path) -> ModelFile:
        for model in self.models():
            if wanted in (model.model_id, model.path):
                return model
        raise ModelNotFound(f"There is no model {wanted}.", param="model")

    def id_of(self, path: Path) -> str:
        return self.own_ids.get(path, path.stem)

    def default(self) -> ModelFile:
        return MODEL


class Served:
    """A running endpoint, the scripted model behind it, and clients for it."""

    def __init__(self, script: Script, config: EndpointConfig, max_loading: int) -> None:
        self.engine = FakeEngine(script)
        self.pool = FakePool(self.engine)
        self.activity = Activity(max_loading=max_loading)
        self.catalog = FakeCatalog()
        self.endpoint = Endpoint(self.pool, self.catalog, config, self.activity)
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
    return httpx.AsyncClient(verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), timeout=SECONDS)


@asynccontextmanager
async def serving(
    script: Script | None = None, *, max_loading: int = MAX_LOADING, **settings: object
) -> AsyncIterator[Served]:
    """An endpoint on a free port, stopped at the end."""
    config = EndpointConfig(port=0, **settings)  # type: ignore[arg-type]
    served = Served(script or says("Hello", ", ", "world"), config, max_loading)
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
