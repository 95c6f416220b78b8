"""`LlamaEngine`: a handle to one model that runs in a child process of its own.

All methods are called on the asyncio loop on which `load` was awaited. The `TokenStream` that
`generate` returns may be read on any thread.
"""

from __future__ import annotations

import codecs
import itertools
import sys
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from minerva_desktop.chat.limits import RequestLimits
from minerva_desktop.chat.message import ChatTurn
from minerva_desktop.chat.sampling import MAX_SEED, SamplingParameters
from minerva_desktop.chat.tools import ChatOptions
from minerva_desktop.engine.connection import MAX_STEP_SECONDS, EngineConnection
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.engine.memory_messages import LimitParking, Trim, Trimmed
from minerva_desktop.engine.messages import (
    ApplyTemplate,
    ContextInfo,
    CountTokens,
    Detokenize,
    Embed,
    Embedded,
    Generate,
    Load,
    PromptEnd,
    TextMade,
    Tokenize,
    Tokenized,
    TokensCounted,
)
from minerva_desktop.engine.queue_limit import QueueLimit
from minerva_desktop.engine.spare import SpareChild
from minerva_desktop.engine.token_stream import TokenStream
from minerva_desktop.errors import EngineDied, InferenceError, InvalidRequest, ModelLoadError

MAX_CHOICES = 128

Prompt = str | Sequence[ChatTurn] | Sequence[int]


class Embeddings(msgspec.Struct, frozen=True):
    """A vector for each text, in order, and how many tokens each text had."""

    vectors: tuple[array[float], ...]
    n_tokens: tuple[int, ...]


class LlamaEngine:
    """One model: loaded by `load`, gone after `unload` or when its child dies.

    A handle is used once: after `unload` or a death, make a new one.
    """

    def __init__(
        self,
        model_path: Path,
        *,
        command: Sequence[str] | None = None,
        spare: SpareChild | None = None,
        on_death: Callable[[EngineDied], None] | None = None,
        queue: QueueLimit | None = None,
        max_step_seconds: float = MAX_STEP_SECONDS,
    ) -> None:
        """``command`` starts the child, unless there is a ``spare`` one; ``on_death`` is told when
        a loaded child ends by itself; ``queue``: how many requests may wait beside those that
        run. A child that is longer than ``max_step_seconds`` at one step hangs, and is ended."""
        self.model_path = model_path
        self._children = spare or SpareChild(command)
        self._on_death = on_death
        self._queue = queue or QueueLimit()
        self._max_step_seconds = max_step_seconds
        self._connection: EngineConnection | None = None
        self._is_starting = False
        self._ids = itertools.count(1)

    # -- life ------------------------------------------------------------------------------

    async def load(
        self,
        n_ctx: int | None = None,
        *,
        options: LoadOptions | None = None,
        on_progress: Callable[[float], None] | None = None,
    ) -> ContextInfo:
        """Start a child and load the model; ``n_ctx`` (tokens) wins over the one in ``options``.
        An engine that was unloaded, died or failed to load can be loaded again.

        ``on_progress`` gets 0.0 to 1.0. To cancel, cancel the awaiting task: the child ends.
        Raises `InvalidRequest` for impossible options, `ModelNotFound`, `ModelLoadError`,
        `OutOfMemory`, or `EngineDied` when llama.cpp crashes on the file, the process cannot be
        started, or it goes silent.
        """
        is_there = self._connection is not None and not self._connection.is_over
        if is_there or self._is_starting:
            raise ModelLoadError(f"{self.model_path.name} is loaded already")
        chosen = options or LoadOptions()
        if n_ctx is not None:
            chosen = msgspec.structs.replace(chosen, n_ctx=n_ctx)
        chosen.check()
        self._is_starting = True
        try:
            self._connection = await EngineConnection.start(
                self.model_path.name,
                self._children,
                on_progress=on_progress,
                on_death=self._on_death,
                queue=self._queue,
                max_step_seconds=self._max_step_seconds,
            )
        finally:
            self._is_starting = False
        return await self._connection.load(Load(bytes(self.model_path), chosen))

    async def unload(self) -> None:
        """End the child, and with it every byte it held; idempotent. Running streams fail."""
        if self._connection is not None:
            await self._connection.close()

    def is_loaded(self) -> bool:
        """Whether `generate` may be called."""
        return self._connection is not None and self._connection.info is not None

    def get_context_info(self) -> ContextInfo:
        """What is loaded, and how full its cache is. Raises `InferenceError` when nothing is."""
        connection = self._loaded()
        if connection.info is None:
            raise InferenceError(f"{self.model_path.name} is not loaded")
        return msgspec.structs.replace(connection.info, n_used_cells=connection.n_used_cells)

    @property
    def n_generated(self) -> int:
        """Tokens of all answers since the load, whoever asked for them."""
        return 0 if self._connection is None else self._connection.n_generated

    @property
    def pid(self) -> int | None:
        """The child's process id; None when there is no child."""
        return None if self._connection is None else self._connection.pid

    def limit_parking(self, n_bytes: int) -> None:
        """Let the child keep at most so much of chats outside of its cache from now on; no-op when
        nothing is loaded."""
        if self._connection is not None and self._connection.info is not None:
            self._connection.tell(LimitParking(n_bytes))

    async def trim(self) -> int:
        """Have the child give back memory that only makes the next answers quicker, between two
        steps. Bytes by which its process shrank. Raises `InferenceError` when nothing is loaded,
        `QueueFull`, or `EngineDied`."""
        return (await self._loaded().ask(Trim(next(self._ids)), Trimmed)).n_bytes

    def _loaded(self) -> EngineConnection:
        if self._connection is None or self._connection.info is None:
            raise InferenceError(f"{self.model_path.name} is not loaded")
        return self._connection

    # -- work ------------------------------------------------------------------------------

    def generate(
        self,
        prompt: Prompt,
        max_tokens: int | None = None,
        *,
        sampling: SamplingParameters | None = None,
        limits: RequestLimits | None = None,
        cache_prompt: bool = True,
        lora: Sequence[float] | None = None,
        snapshot: str | None = None,
        chat: ChatOptions | None = None,
        suffix: str | None = None,
        score_prompt: bool = False,
        tell_accepted: bool = False,
        makes_way: bool = False,
        prompt_id: int | None = None,
    ) -> TokenStream:
        """Start a generation from plain text, from token ids, or from turns through the model's
        chat template; the options are those of `Generate`. `AnswerParser` reads the answer to
        turns. ``max_tokens`` wins over the one in ``sampling``. Errors (`ContextLimitExceeded`,
        `QueueFull`, `EngineDied`, …) come at the end of the stream.
        """
        connection = self._loaded()
        chosen = sampling or SamplingParameters()
        if max_tokens is not None:
            chosen = msgspec.structs.replace(chosen, max_tokens=max_tokens)
        try:
            text, tokens, messages = _sorted_prompt(prompt)
        except InvalidRequest as error:
            refused = TokenStream()
            refused.fail(error)
            return refused
        request = Generate(
            request_id=next(self._ids),
            sampling=chosen,
            limits=limits or RequestLimits(),
            cache_prompt=cache_prompt,
            text=text,
            tokens=tokens,
            messages=messages,
            lora=None if lora is None else tuple(lora),
            snapshot=snapshot,
            chat=chat or ChatOptions(),
            suffix=suffix,
            score_prompt=score_prompt,
            tell_accepted=tell_accepted,
            makes_way=makes_way,
            prompt_id=prompt_id,
        )
        return connection.generate(request)

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
        """``n`` answers to one prompt, computed together. The prompt is computed once, unless it
        is too short to be worth sharing: under 17 tokens, or 65 where the model's memory cannot go
        back. Its scores come with the first answer alone.

        With a seed, each choice has the next one, so that each could be had again by itself.
        Raises `InvalidRequest` for ``n`` outside 1 to `MAX_CHOICES`.
        """
        if not 1 <= n <= MAX_CHOICES:
            raise InvalidRequest(f"n must be between 1 and {MAX_CHOICES}, not {n}", param="n")
        chosen = sampling or SamplingParameters()
        prompt_id = next(self._ids)
        return tuple(
            self.generate(
                prompt,
                sampling=msgspec.structs.replace(chosen, seed=_later_seed(chosen.seed, index)),
                limits=limits,
                cache_prompt=cache_prompt,
                lora=lora,
                chat=chat,
                suffix=suffix,
                score_prompt=score_prompt and index == 0,
                tell_accepted=tell_accepted,
                prompt_id=prompt_id,
            )
            for index in range(n)
        )

    async def embed(
        self,
        inputs: Sequence[str | Sequence[int]],
        *,
        normalize: bool = True,
        queue_seconds: float | None = None,
    ) -> Embeddings:
        """A vector for each text, or list of token ids; ``normalize`` gives each a length of 1.

        To cancel, cancel the awaiting task. Raises `InvalidRequest` when the model makes none, for
        an empty text or a time that is none, `ContextLimitExceeded` for a text that is too long,
        and `GenerationTimeout` where it waits for its turn for more than ``queue_seconds``.
        """
        request_id = next(self._ids)
        given = tuple(text if isinstance(text, str) else tuple(text) for text in inputs)
        request = Embed(
            request_id=request_id, inputs=given, normalize=normalize, queue_seconds=queue_seconds
        )
        answer = await self._loaded().ask(request, Embedded)
        vectors = []
        for raw in answer.vectors:
            vector = array("f", raw)
            if sys.byteorder == "big":
                vector.byteswap()
            vectors.append(vector)
        return Embeddings(tuple(vectors), answer.n_tokens)

    async def count_tokens(
        self, turns: Sequence[ChatTurn], *, chat: ChatOptions | None = None
    ) -> int:
        """Tokens of the prompt that ``turns`` make, template and tools included. Like all questions
        it is answered while something else is computed."""
        question = CountTokens(next(self._ids), tuple(turns), chat or ChatOptions())
        return (await self._loaded().ask(question, TokensCounted)).n_tokens

    async def apply_template(
        self,
        turns: Sequence[ChatTurn],
        *,
        chat: ChatOptions | None = None,
        end: PromptEnd = PromptEnd.GENERATION,
        template: str | None = None,
    ) -> str:
        """The prompt that ``turns`` make; ``template`` is that of `ApplyTemplate`."""
        given = chat or ChatOptions()
        question = ApplyTemplate(next(self._ids), tuple(turns), given, end, template)
        return (await self._loaded().ask(question, TextMade)).text.decode("utf-8", "replace")

    async def tokenize(
        self, text: str, *, add_special: bool = False, parse_special: bool = True
    ) -> Tokenized:
        """The tokens of ``text`` and the bytes of each; the flags are those of `Tokenize`."""
        question = Tokenize(next(self._ids), text, add_special, parse_special)
        return await self._loaded().ask(question, Tokenized)

    async def detokenize(self, tokens: Sequence[int], *, whole: bool = False) -> str:
        """The text of ``tokens``, control tokens written out. A character that they only begin is
        U+FFFD, or left out where ``whole`` ones are wanted: an answer to them begins with it."""
        question = Detokenize(next(self._ids), tuple(tokens))
        text = (await self._loaded().ask(question, TextMade)).text
        return codecs.getincrementaldecoder("utf-8")("replace").decode(text, final=not whole)


def _later_seed(seed: int | None, index: int) -> int | None:
    return None if seed is None else (seed + index) % (MAX_SEED + 1)


def _sorted_prompt(
    prompt: Prompt,
) -> tuple[str | None, tuple[int, ...] | None, tuple[ChatTurn, ...] | None]:
    """A prompt as text, as tokens or as messages: one of the three. Raises `InvalidRequest` for
    what is none of them."""
    if isinstance(prompt, str):
        return prompt, None, None
    if not prompt:
        raise InvalidRequest("The prompt is empty", param="prompt")
    tokens = tuple(item for item in prompt if isinstance(item, int))
    turns = tuple(item for item in prompt if isinstance(item, ChatTurn))
    if len(tokens) == len(prompt):
        return None, tokens, None
    if len(turns) == len(prompt):
        return None, None, turns
    raise InvalidRequest("A prompt is a text, or tokens alone, or turns alone", param="prompt")
