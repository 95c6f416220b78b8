"""All routes of the endpoint, described. A route that is missing here fails a test."""

from __future__ import annotations

from types import MappingProxyType
from typing import get_args

from minerva_desktop.server.errors import MessagesErrorBody
from minerva_desktop.server.metrics import CONTENT_TYPE
from minerva_desktop.server.operation import Operation
from minerva_desktop.server.schemas.anthropic import MessagesRequest, PromptFields
from minerva_desktop.server.schemas.anthropic_answer import (
    MessageAnswer,
    MessageEvent,
    Ping,
    TokenCount,
)
from minerva_desktop.server.schemas.chat import (
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionRequest,
)
from minerva_desktop.server.schemas.completions import CompletionRequest, TextCompletion
from minerva_desktop.server.schemas.embeddings import EmbeddingList, EmbeddingRequest
from minerva_desktop.server.schemas.models import (
    EndpointInfo,
    Health,
    ModelList,
    ModelObject,
    ModelsQuery,
    Props,
    PropsQuery,
)
from minerva_desktop.server.schemas.response_events import ResponseEvent
from minerva_desktop.server.schemas.response_object import InputTokens, ResponseObject
from minerva_desktop.server.schemas.responses import ResponsesRequest
from minerva_desktop.server.schemas.tokens import (
    ApplyTemplateRequest,
    DetokenizedText,
    DetokenizeRequest,
    RenderedPrompt,
    TokenizeRequest,
    TokenList,
)

DONE_DATA = "[DONE]"
READ = ("GET", "HEAD")
# A generation's: what a body, a model and an engine can be wrong with.
WORK_ERRORS = (400, 404, 408, 413, 415, 499, 500, 503)

_CHAT_IN_PYTHON = """\
from openai import OpenAI

client = OpenAI(base_url="$URL/v1", api_key="$KEY")
stream = client.chat.completions.create(
    model="$MODEL",
    messages=[{"role": "user", "content": "Hello!"}],
    stream=True,
)
for chunk in stream:
    if chunk.choices:
        print(chunk.choices[0].delta.content or "", end="", flush=True)
"""
_RESPONSE_IN_PYTHON = """\
from openai import OpenAI

client = OpenAI(base_url="$URL/v1", api_key="$KEY")
response = client.responses.create(model="$MODEL", input="Hello!")
print(response.output_text)
"""
_MESSAGE_IN_PYTHON = """\
from anthropic import Anthropic

client = Anthropic(base_url="$URL", api_key="$KEY")
message = client.messages.create(
    model="$MODEL",
    max_tokens=256,
    messages=[{"role": "user", "content": "Hello!"}],
)
print(message.content[0].text)
"""
_EMBEDDINGS_IN_PYTHON = """\
from openai import OpenAI

client = OpenAI(base_url="$URL/v1", api_key="$KEY")
answer = client.embeddings.create(model="$EMBEDDER", input=["sea", "ocean", "salt"])
print([len(item.embedding) for item in answer.data])
"""
_MODELS_IN_PYTHON = """\
from openai import OpenAI

client = OpenAI(base_url="$URL/v1", api_key="$KEY")
for model in client.models.list():
    print(model.id)
"""

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        path="/v1/chat/completions",
        methods=("POST",),
        group="Chat",
        summary="Answer a conversation",
        details=(
            "OpenAI's chat API. With stream, the answer comes as server-sent events, a chunk for"
            " each step of the model, and ends with [DONE]; while a model loads, comments keep the"
            " connection alive. Fields that nobody here knows are named in the answer's"
            " X-Minerva-Ignored-Fields header. So are the keywords of a JSON schema that no grammar"
            " can express, by their paths (response_format.json_schema.schema.properties.tags"
            ".uniqueItems): the answer is held to all the others. With strict: true, of the schema"
            " of the answer or of a tool, such a keyword is refused instead. A required tool call,"
            " and one that a model begins by itself with a mark of its family (<tool_call>,"
            " [TOOL_CALLS] and the like), is bound by a grammar to the tools and their schemas."
            " The calls of Llama 3, Command-R,"
            " functionary 3.2 and gpt-oss begin like a text: those that they make by themselves"
            " are found, but not bound, not even where a tool is strict: check their arguments, or"
            " require the call. The same holds for calls that a model writes in another form than"
            " its family's (JSON in a line or a fence of its own, or within a thought). With"
            " parallel_tool_calls false, an answer is over behind its first call, so ignore_eos"
            " and min_tokens are refused with it, as they are with a required call. An answer is"
            " over where the same call, with the same arguments, comes for the 17th time; one that"
            " has to call makes at most 16 calls, and is over where one comes again. Stop strings"
            " do not count inside a tool call, and not at all where one is required. Where an"
            " answer has to follow a schema"
            " and there are tools, it is either calls or what the schema allows, and stop strings"
            " count in both. JSON schemas are enforced as written: properties and distinct items"
            " come in the order of the schema, a format may allow less than its standard (URIs"
            " are http and https), of a pattern and a format the pattern counts, and what cannot"
            " be enforced is refused by its place in the schema. A file part brings a text file"
            " or a PDF, as a data: URL or in base64, and its text goes into the prompt: of up to"
            " 50 files, 4 MB of text together, in a body of up to 8 MB. Images are refused, and"
            " nothing is fetched from any address."
        ),
        request=ChatCompletionRequest,
        answer=ChatCompletion,
        events=(ChatCompletionChunk,),
        last_data=DONE_DATA,
        errors=WORK_ERRORS,
        example=MappingProxyType(
            {"model": "$MODEL", "messages": [{"role": "user", "content": "Hello!"}]}
        ),
        python=_CHAT_IN_PYTHON,
    ),
    Operation(
        path="/v1/responses",
        methods=("POST",),
        group="Chat",
        summary="Create a response",
        details=(
            "OpenAI's responses API, with its event stream. Nothing is kept, whatever store says:"
            " there is no previous response to go on from, send all items in input. Tools are"
            " called as in chat completions, and an input_file is what a file part is there."
        ),
        request=ResponsesRequest,
        answer=ResponseObject,
        events=get_args(ResponseEvent),
        errors=WORK_ERRORS,
        example=MappingProxyType({"model": "$MODEL", "input": "Hello!"}),
        python=_RESPONSE_IN_PYTHON,
    ),
    Operation(
        path="/v1/responses/input_tokens",
        methods=("POST",),
        group="Chat",
        summary="Count the tokens of what a response would answer",
        details=(
            "Takes the whole body of a response, so that the same can be sent to both: what is"
            " about the answer alone, such as stream, sampling and max_output_tokens, is checked"
            " and counts for nothing."
        ),
        request=ResponsesRequest,
        answer=InputTokens,
        errors=WORK_ERRORS,
        example=MappingProxyType({"model": "$MODEL", "input": "Hello!"}),
    ),
    Operation(
        path="/v1/messages",
        methods=("POST",),
        group="Chat",
        summary="Answer a conversation, in Anthropic’s way",
        details=(
            "Anthropic's messages API, with its event stream and its errors. Tools are called as"
            " in chat completions, and a document (as base64 or as text) is what a file part is"
            " there. A call that was cut off, as by max_tokens, is left out of the message; in a"
            " stream its block closes before its JSON does, and the stop_reason is not tool_use."
        ),
        request=MessagesRequest,
        answer=MessageAnswer,
        events=(*get_args(MessageEvent), Ping),
        errors=WORK_ERRORS,
        error=MessagesErrorBody,
        example=MappingProxyType(
            {
                "model": "$MODEL",
                "max_tokens": 256,
                "messages": [{"role": "user", "content": "Hello!"}],
            }
        ),
        python=_MESSAGE_IN_PYTHON,
    ),
    Operation(
        path="/v1/messages/count_tokens",
        methods=("POST",),
        group="Chat",
        summary="Count the tokens of a conversation",
        request=PromptFields,
        answer=TokenCount,
        errors=WORK_ERRORS,
        error=MessagesErrorBody,
        example=MappingProxyType(
            {"model": "$MODEL", "messages": [{"role": "user", "content": "Hello!"}]}
        ),
    ),
    Operation(
        path="/v1/completions",
        methods=("POST",),
        group="Text",
        summary="Go on with a text",
        details=(
            "OpenAI's completions API: no chat template. With a suffix, the text in between, from"
            " models that were trained for it."
        ),
        request=CompletionRequest,
        answer=TextCompletion,
        events=(TextCompletion,),
        last_data=DONE_DATA,
        errors=WORK_ERRORS,
        example=MappingProxyType(
            {"model": "$MODEL", "prompt": "The sea is salty because", "max_tokens": 32}
        ),
    ),
    Operation(
        path="/v1/embeddings",
        methods=("POST",),
        group="Text",
        summary="Make vectors of texts",
        details="OpenAI's embeddings API, for embedding models.",
        request=EmbeddingRequest,
        answer=EmbeddingList,
        errors=WORK_ERRORS,
        example=MappingProxyType({"model": "$EMBEDDER", "input": ["sea", "ocean", "salt"]}),
        python=_EMBEDDINGS_IN_PYTHON,
    ),
    Operation(
        path="/tokenize",
        methods=("POST",),
        group="Text",
        summary="The tokens of a text",
        request=TokenizeRequest,
        answer=TokenList,
        errors=WORK_ERRORS,
        example=MappingProxyType({"model": "$MODEL", "content": "Hello!", "with_pieces": True}),
    ),
    Operation(
        path="/detokenize",
        methods=("POST",),
        group="Text",
        summary="The text of tokens",
        request=DetokenizeRequest,
        answer=DetokenizedText,
        errors=WORK_ERRORS,
        example=MappingProxyType({"model": "$MODEL", "tokens": [1, 2, 3]}),
    ),
    Operation(
        path="/apply-template",
        methods=("POST",),
        group="Text",
        summary="The prompt that messages make",
        request=ApplyTemplateRequest,
        answer=RenderedPrompt,
        errors=WORK_ERRORS,
        example=MappingProxyType(
            {"model": "$MODEL", "messages": [{"role": "user", "content": "Hello!"}]}
        ),
    ),
    Operation(
        path="/v1/models",
        methods=READ,
        group="Models",
        summary="List the models",
        details="All that a request may name. One that is not loaded is loaded when it is asked.",
        query=ModelsQuery,
        answer=ModelList,
        errors=(400,),
        python=_MODELS_IN_PYTHON,
    ),
    Operation(
        path="/v1/models/{name:path}",
        methods=READ,
        group="Models",
        summary="Show one model",
        answer=ModelObject,
        errors=(404,),
    ),
    Operation(
        path="/props",
        methods=READ,
        group="Models",
        summary="Show what holds for requests",
        details="As llama-server tells it, of one model and of all that are loaded.",
        query=PropsQuery,
        answer=Props,
        errors=(400, 404),
    ),
    Operation(
        path="/",
        methods=READ,
        group="This endpoint",
        summary="Tell where everything is",
        details="Sends browsers to the page at /docs. Needs no API key.",
        answer=EndpointInfo,
        is_open=True,
    ),
    Operation(
        path="/v1",
        methods=READ,
        group="This endpoint",
        summary="The same, at the base URL of clients",
        details="Needs no API key.",
        answer=EndpointInfo,
        is_open=True,
    ),
    Operation(
        path="/health",
        methods=READ,
        group="This endpoint",
        summary="Tell that the endpoint lives",
        details="Needs no API key; with one, or where none is asked for, it also tells which models"
        " are loaded.",
        answer=Health,
        is_open=True,
    ),
    Operation(
        path="/metrics",
        methods=READ,
        group="This endpoint",
        summary="Numbers for Prometheus",
        answer=CONTENT_TYPE,
    ),
    Operation(
        path="/openapi.json",
        methods=READ,
        group="This endpoint",
        summary="This description for programs",
        details="OpenAPI 3.1. Needs no API key.",
        answer="application/json",
        is_open=True,
    ),
    Operation(
        path="/docs",
        methods=READ,
        group="This endpoint",
        summary="This page",
        details="Needs no API key.",
        answer="text/html",
        is_open=True,
    ),
)
