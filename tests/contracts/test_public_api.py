"""The public surface is a file under review."""

from __future__ import annotations

import importlib

import pytest

from tests.contracts import public_api


def test_public_api_matches_the_reviewed_file() -> None:
    """Any change to a public name or signature shows in `public_api.txt`; `make api` rewrites it."""
    reviewed = public_api.FILE.read_text(encoding="utf-8")
    assert public_api.render() == reviewed, "the public API changed: run `make api`, read the diff, commit it"


def test_every_exported_name_loads() -> None:
    """Whatever `__all__` lists can be imported from the package, and nothing else is promised."""
    package = importlib.import_module("qwenroute")
    assert sorted(package.__all__) == dir(package)
    assert all(getattr(package, name) is not None for name in package.__all__)


def test_unknown_name_is_refused_by_its_name() -> None:
    """A name that is not exported gives the error that Python gives for any module."""
    package = importlib.import_module("qwenroute")
    with pytest.raises(AttributeError, match="Ruoter"):
        _ = package.Ruoter
