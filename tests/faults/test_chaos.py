"""A small part of `make chaos`, and of what it promises."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from benchmarks.chaos import DEPLOYMENTS, FAULTS, run, script, serving


@pytest.mark.slow
async def test_nobody_notices_a_short_chaos() -> None:
    """500 requests through two scenes: each answered once, with its own answer, and nothing is left behind."""
    with serving() as server:
        report = await run(server, requests=500, at_once=20, scene_requests=250)
    assert [line for line in report.lines() if not line[2]] == []
    assert report.outcome.causes.total() > 0


def test_something_is_always_well() -> None:
    """In every scene, and in the one before it: so the router can have found out."""
    scenes = script(50, random.Random(1))
    assert {name for scene in scenes for name in scene.values()} == set(FAULTS)
    assert all(set(DEPLOYMENTS) - set(before) - set(scene) for before, scene in pairwise(scenes))
    assert max(map(len, scenes)) >= len(DEPLOYMENTS) - 3
