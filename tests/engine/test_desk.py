"""Where prompts and grammars are prepared: nothing there stops a model, or holds up others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from minerva_desktop.chat.message import ChatTurn, Role
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.errors import InferenceError
from tests.engine.models import write_with_templates

GREEDY = SamplingParameters(temperature=0.0)
HELLO = [ChatTurn(Role.USER, "Write one sentence about the sea.")]


@pytest.fixture(scope="module")
def broken_path(model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A model whose template is no program: Python refuses what Jinja makes of it."""
    path = tmp_path_factory.mktemp("models") / "broken.gguf"
    write_with_templates(path, model_path, {"": "{% break %}"}, {})
    yield path
    path.unlink()


async def test_a_template_that_python_cannot_read_fails_its_requests_and_no_others(
    broken_path: Path,
) -> None:
    engine = LlamaEngine(broken_path)
    await engine.load(512)
    for _ in range(2):
        with pytest.raises(InferenceError, match="template is broken") as caught:
            await engine.generate(HELLO, 4).text()
        assert "'break' outside loop" in caught.value.detail
        with pytest.raises(InferenceError, match="template is broken"):
            await engine.count_tokens(HELLO)
    assert await engine.generate("1 2 3 4", 4, sampling=GREEDY).text()
    assert (await engine.tokenize("sea")).tokens
    await engine.unload()
