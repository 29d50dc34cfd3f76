"""An operator's own facts, laid over the shipped ones.

    models:
      qwen-max:                      # a known id: what is stated replaces what is shipped
        dashscope:
          regions:
            intl-singapore:
              rate_limits: {rpm: 1200}
      our-coder:                     # an unknown id: a model of one's own
        like: qwen2.5-coder-7b-instruct
        name: Our fine-tuned Coder
    platform:
      regions:
        intl-singapore: {base_url: https://proxy.example/v1}

Mappings are merged key by key, lists are replaced. `like` takes another model's facts to start from.
Every mistake is reported with its place; nothing is loaded from a file that has one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from qwenroute.documents import Document, Trail, nearest, read, validate
from qwenroute.domain.diagnostic import Diagnostic
from qwenroute.errors import DocumentError
from qwenroute.registry.cards import ModelCard
from qwenroute.registry.platform import Platform
from qwenroute.registry.shipped import Raw, as_mapping, merged

_UNIT_HINTS = (
    (re.compile(r"(price|cost|rate|input|output|cache).*(1k|_k\b|thousand|token)|per_(1?k|token|m\b)"),
     "prices are per 1,000,000 tokens: `input_per_mtok`, `output_per_mtok`, in a tier of `price.tiers`"),
    (re.compile(r"(context|input|output|thinking|tokens|window|length).*(_k|k|_kb|thousand)\Z"),
     "lengths are numbers of tokens: `context_tokens`, `max_input_tokens`, `max_output_tokens`"),
    (re.compile(r"_(ms|minutes|min|hours|h)\Z"), "times are in seconds: names end in `_s`"),
    (re.compile(r"_(kb|bytes|gb)\Z"), "sizes are in MB (2**20 bytes): names end in `_mb`"),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """One fact that an operator's file states in place of a shipped one."""

    model: str
    """The registry's id, or `platform`."""
    fact: str
    """The path to it, for example `dashscope.limits.context_tokens`; empty for a whole new model."""
    old: object
    new: object
    place: str
    """file:line:column"""

    def __str__(self) -> str:
        if not self.fact:
            return f"{self.model}: added ({self.place})"
        return f"{self.model}: {self.fact} is {self.new!r}, was {self.old!r} ({self.place})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Laid:
    """Raw facts with every overlay over them."""

    models: Mapping[str, Raw]
    platform: Raw
    overrides: tuple[Override, ...]


class _File(BaseModel):
    """What a file comes to once it is laid over the shipped facts."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    models: dict[str, ModelCard] = {}
    platform: Platform | None = None


def lay(paths: Sequence[Path], models: Mapping[str, Raw], platform: Raw) -> Laid:
    """Return the facts with the files laid over them, in their order.

    Raises:
        DocumentError: a file cannot be read, or says something that cannot be.
    """
    overrides: list[Override] = []
    for path in paths:
        document = read(path)
        findings = list(_shape(document, models))
        if findings:
            raise DocumentError(findings)
        top = as_mapping(document.value)
        stated = as_mapping(top.get("models"))
        changed: dict[str, Raw] = {}
        for model, entry in stated.items():
            facts = as_mapping(entry)
            base = models.get(model)
            if base is None:
                parent = facts.get("like")
                base = {**models[parent], "quality_like": []} if isinstance(parent, str) else {}
                overrides.append(_added(document, model))
            else:
                overrides += _differences(document, ("models", model), model, base, facts)
            changed[model] = {**merged(base, {k: v for k, v in facts.items() if k != "like"}), "id": model}
            _inherit_sources(changed[model], document.name)
        own = as_mapping(top.get("platform"))
        if own:
            overrides += _differences(document, ("platform",), "platform", platform, own)
            platform = merged(platform, own)
        _check(document, changed, platform if own else None)
        models = {**models, **changed}
    return Laid(models=models, platform=platform, overrides=tuple(overrides))


def _inherit_sources(card: Raw, name: str) -> None:
    card.setdefault("sources", [name])


def _shape(document: Document, models: Mapping[str, Raw]) -> Iterator[Diagnostic]:
    """Find what keeps the file from being laid over anything."""
    if document.value is not None and not isinstance(document.value, dict):
        yield document.diagnostic((), "QR103", "an overlay is a mapping with `models` and `platform`")
        return
    for key, value in as_mapping(document.value).items():
        if key not in {"models", "platform"}:
            close = nearest(key, ("models", "platform"))
            hint = f"did you mean `{close}`?" if close else "known keys: models, platform"
            yield document.diagnostic((key,), "QR101", f"unknown key `{key}`", hint)
        elif value is not None and not isinstance(value, dict):
            yield document.diagnostic((key,), "QR103", f"`{key}` has to be a mapping")
    for model, entry in as_mapping(as_mapping(document.value).get("models")).items():
        at: Trail = ("models", model)
        if not isinstance(entry, dict):
            yield document.diagnostic(at, "QR103", f"`{model}` has to be a mapping of facts")
            continue
        if "like" not in entry:
            continue
        parent = entry["like"]
        if model in models:
            yield document.diagnostic((*at, "like"), "QR303", f"`{model}` is known; `like` is for a new model")
        elif not isinstance(parent, str) or parent not in models:
            close = nearest(str(parent), models)
            hint = f"did you mean `{close}`?" if close else "`qwenroute models` lists the ids"
            yield document.diagnostic((*at, "like"), "QR303", f"unknown model `{parent}`", hint)


def _check(document: Document, models: Mapping[str, Raw], platform: Raw | None) -> None:
    """Validate what the file comes to, with the places of what it states."""
    value: Raw = {"models": models} if platform is None else {"models": models, "platform": platform}
    try:
        validate(replace(document, value=value), _File)
    except DocumentError as error:
        raise DocumentError([_with_unit(found) for found in error.diagnostics]) from None


def _with_unit(found: Diagnostic) -> Diagnostic:
    """Say which unit is meant where an unknown key has another."""
    if found.code != "QR101":
        return found
    key = found.message.split("`")[1]
    hint = next((hint for pattern, hint in _UNIT_HINTS if pattern.search(key)), None)
    if hint is None:
        return found
    close = f"{found.help} " if found.help and found.help.startswith("did you mean") else ""
    return replace(found, code="QR105", help=f"{close}{hint}")


def _added(document: Document, model: str) -> Override:
    return Override(model=model, fact="", old=None, new=None, place=_place(document, ("models", model)))


def _differences(
    document: Document, trail: Trail, model: str, base: Mapping[str, object], stated: Mapping[str, object]
) -> Iterator[Override]:
    for key, value in stated.items():
        old = base.get(key)
        if isinstance(value, dict) and (old is None or isinstance(old, dict)):
            yield from _differences(document, (*trail, key), model, as_mapping(old), value)
        elif value != old:
            skip = 1 if model == "platform" else 2
            fact = ".".join(str(part) for part in (*trail, key)[skip:])
            yield Override(model=model, fact=fact, old=old, new=value, place=_place(document, (*trail, key)))


def _place(document: Document, trail: Trail) -> str:
    line, column = document.place(trail)
    return f"{document.name}:{line}:{column}"
