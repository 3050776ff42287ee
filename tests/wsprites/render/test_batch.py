"""Rendering by gathers in torch against the compiled renderer."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from wsprites.art import Art, World  # noqa: E402
from wsprites.render import render  # noqa: E402
from wsprites.render.batch import BatchRenderer  # noqa: E402
from wsprites.world.script import LABELS, script  # noqa: E402
from wsprites.world.spec import WorldSpec  # noqa: E402


@pytest.mark.parametrize("shadow", [0, 1, 140, 255])
def test_batches_of_any_alpha_equal_the_renderer(spec: WorldSpec, soft: tuple[np.ndarray, Art], shadow: int):
    _, layered = soft
    spec = replace(spec, shadow=shadow)
    clip = replace(script(spec, 0, 0).window(0, 8), character=np.int32(0))
    frames, masks = render(layered.world(spec), clip)
    drawn, solid = BatchRenderer(layered.world(spec), "cpu")(
        {name: torch.from_numpy(np.asarray(getattr(clip, name))[None]) for name in LABELS}
    )
    assert np.array_equal(drawn[0].movedim(1, -1), frames) and np.array_equal(solid[0], masks)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch's own
def test_compiled_batches_are_the_same(spec: WorldSpec, art: Art):
    renderer, clip = BatchRenderer(World(spec, art), "cpu"), script(spec, 0, 0)
    labels = {name: torch.from_numpy(np.asarray(getattr(clip, name))[None]) for name in LABELS}
    expected = renderer(labels)
    renderer.compile()
    assert all(torch.equal(a, b) for a, b in zip(renderer(labels), expected, strict=True))
