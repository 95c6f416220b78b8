"""What ends a repetition for DRY, the sampler that makes those unlikely."""

from __future__ import annotations

from pathlib import Path

import msgspec

from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.load_options import LoadOptions


async def test_dry_is_the_same_each_time_and_its_breakers_count(small_path: Path) -> None:
    """The sampler is made once for all requests with its parameters, and copied."""
    small = LlamaEngine(small_path)
    await small.load(options=LoadOptions(n_ctx=256))
    prompt = "one two three four, one two three four, one two three"
    found = [(await small.tokenize(word)).tokens for word in (" four", " five")]
    (four,), (five,) = found
    # It says the one, unless that would repeat what came before.
    strong = SamplingParameters(
        temperature=0.0,
        max_tokens=1,
        logit_bias={four: 200.0, five: 150.0},
        dry_multiplier=5.0,
        dry_base=2.0,
        dry_allowed_length=1,
    )
    usual = strong.dry_sequence_breakers
    breakers = ((), ("two", "three", "four"), usual)
    for _ in range(2):
        said = [
            await small.generate(
                prompt, sampling=msgspec.structs.replace(strong, dry_sequence_breakers=each)
            ).text()
            for each in breakers
        ]
        assert said == [" five", " four", " five"]
    await small.unload()
