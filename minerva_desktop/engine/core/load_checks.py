"""What a load refuses before it reads the weights, or whatever they are. Engine child, main thread.

`loading` checks it on its way, `load_trial` for whoever wants to know before.
"""

from __future__ import annotations

from pathlib import Path

from minerva_desktop.engine.core.backend_devices import list_devices
from minerva_desktop.engine.core.bindings import llama
from minerva_desktop.engine.core.chat_template import check_template
from minerva_desktop.engine.core.context_params import ContextPlan
from minerva_desktop.engine.core.llama import LlamaContext, LlamaModel
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.engine.split_check import check_split
from minerva_desktop.engine.template_words import why_broken
from minerva_desktop.errors import InferenceError, InvalidRequest, ModelLoadError

_UNUSABLE = {  # by pooling
    llama.LLAMA_POOLING_TYPE_RANK: "is a reranker: it can neither chat nor make embeddings",
    llama.LLAMA_POOLING_TYPE_NONE: "makes a vector of each token and none of a whole text",
}


def check_devices(options: LoadOptions) -> None:
    """Raise `InvalidRequest` for a split over more GPUs than there are."""
    check_split(options, list_devices())


def check_own_template(path: Path, template: str) -> None:
    """Raise `ModelLoadError` for a chat template of the load options that is broken."""
    try:
        check_template(template)
    except InferenceError as error:
        raise ModelLoadError(
            f"{path.name} was not loaded, for the chat template in its load options is broken:"
            f" {why_broken(error)}",
            param="chat_template",
        ) from error


def check_pooling(path: Path, model: LlamaModel) -> None:
    """Raise `ModelLoadError` for a model whose vectors are of no use here."""
    if model.pooling in _UNUSABLE:
        raise ModelLoadError(f"{path.name} {_UNUSABLE[model.pooling]}")


def check_embedding_options(path: Path, options: LoadOptions) -> None:
    """Raise `InvalidRequest` for what a model that makes embeddings cannot have."""
    if options.lora or options.speculation is not None:
        raise InvalidRequest(
            f"{path.name} makes embeddings; it takes neither adapters nor speculation",
            param="lora" if options.lora else "speculation",
        )


def check_writes(path: Path, model: LlamaModel, context: LlamaContext, plan: ContextPlan) -> None:
    """Raise `ModelLoadError` for a model that writes no text, and `InvalidRequest` where it is to
    guess ahead and cannot."""
    # Models of the BERT kind have no memory of a sequence, and ggml aborts on generating.
    if not (model.has_decoder and context.has_memory) or model.has_encoder:
        raise ModelLoadError(f"{path.name} is no model that writes text by itself")
    if plan.n_draft and model.is_recurrent:
        raise InvalidRequest(
            f"{path.name} cannot take tokens back, so guessing ahead is of no use to it",
            param="speculation",
        )
