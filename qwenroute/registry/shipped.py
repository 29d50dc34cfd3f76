"""Read the data files of the package."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import TypeAlias

from qwenroute.documents import Document, parse
from qwenroute.errors import DocumentError

Raw: TypeAlias = dict[str, object]

NOT_MODELS = frozenset({"platform.yaml", "hosts.yaml", "sources.yaml"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipped:
    """The raw values of the data files; nobody writes to them."""

    models: Mapping[str, Raw]
    platform: Raw
    hosts: list[object]


@cache
def read() -> Shipped:
    """Return the raw facts, read once."""
    models: dict[str, Raw] = {}
    for name, document in _documents():
        content = as_mapping(document.value)
        defaults = as_mapping(content.get("defaults"))
        for model, entry in as_mapping(content.get("models")).items():
            if model in models:
                where = document.diagnostic(("models", model), "QR301", f"`{model}` stands in two files")
                raise DocumentError([where])
            models[model] = {"id": model, **merged(defaults, as_mapping(entry))}
        if not models:
            raise DocumentError([document.diagnostic((), "QR302", f"{name} holds no models")])
    hosts = as_mapping(_document("hosts.yaml").value)["hosts"]
    assert isinstance(hosts, list)
    return Shipped(models=models, platform=as_mapping(_document("platform.yaml").value), hosts=hosts)


@cache
def sources() -> Mapping[str, object]:
    """Return `sources.yaml`: what each source key stands for, and what the confidences mean."""
    return as_mapping(_document("sources.yaml").value)


def merged(under: Mapping[str, object], over: Mapping[str, object]) -> Raw:
    """Return one mapping laid over another, key by key down to the leaves; lists are leaves."""
    result = dict(under)
    for key, value in over.items():
        below = result.get(key)
        result[key] = merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return result


def as_mapping(value: object) -> Raw:
    """Return a mapping as it is, and anything else as an empty one."""
    return value if isinstance(value, dict) else {}


def _data() -> Traversable:
    return files("qwenroute.registry") / "data"


def _documents() -> Iterator[tuple[str, Document]]:
    for file in sorted(_data().iterdir(), key=lambda f: f.name):
        if file.name.endswith(".yaml") and file.name not in NOT_MODELS:
            yield file.name, _document(file.name)


def _document(name: str) -> Document:
    return parse((_data() / name).read_text(encoding="utf-8"), f"qwenroute/registry/data/{name}")
