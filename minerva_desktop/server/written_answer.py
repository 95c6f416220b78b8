"""`WrittenAnswer`: one request's answer in a dialect whose events have names.

What the routes of the responses and the messages API share. Endpoint's asyncio loop.
"""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any, Protocol

from minerva_desktop.errors import MinervaError
from minerva_desktop.server.generation import Generation, GenerationRequest, RunningGeneration
from minerva_desktop.server.generation_events import GenerationEvent
from minerva_desktop.server.services import ServerContext
from minerva_desktop.server.sse import EventSink, NamedEvent, encode_named_events


class AnswerWriter(Protocol):
    """Turns what happens to the only choice into a dialect's events, and remembers it all."""

    def feed(self, event: GenerationEvent) -> Sequence[NamedEvent]:
        """The events of a stream that come of ``event``."""

    def failed(self, error: MinervaError) -> Sequence[NamedEvent]:
        """Those that end a stream which broke off."""


class WrittenAnswer:
    """The answer to one request, for one `complete` or one `stream`."""

    def __init__(
        self,
        context: ServerContext,
        scope: MutableMapping[str, Any],
        request: GenerationRequest,
        writer: AnswerWriter,
        *,
        dialect: str,
    ) -> None:
        """``scope`` is that of the HTTP request."""
        self._generation = Generation(context, request)
        self._scope = scope
        self._writer = writer
        self._dialect = dialect

    async def complete(self) -> None:
        """Let the writer have the whole answer. Raises what loading and generating raise."""
        async with self._running(is_stream=False) as running, aclosing(running.events()) as events:
            async for event in events:
                self._writer.feed(event)

    async def stream(self, sink: EventSink) -> None:
        """Send the answer to ``sink`` as it comes. Raises as `complete`."""
        async with self._running(is_stream=True) as running, aclosing(running.events()) as events:
            async for event in events:
                if written := self._writer.feed(event):
                    await sink.send(encode_named_events(written))

    def failed(self, error: MinervaError) -> bytes:
        """The last events of a stream that ``error`` broke off."""
        return encode_named_events(self._writer.failed(error))

    def _running(self, *, is_stream: bool) -> AbstractAsyncContextManager[RunningGeneration]:
        return self._generation.running(self._scope, dialect=self._dialect, is_stream=is_stream)
