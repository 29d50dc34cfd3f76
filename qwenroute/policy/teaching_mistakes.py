"""What can be wrong with keywords, patterns and examples: told with its place before anything runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from qwenroute.documents import Document, Trail
from qwenroute.domain.diagnostic import Diagnostic
from qwenroute.policy.pattern import objection
from qwenroute.policy.when_mistakes import whens
from qwenroute.policy.wording import fold

SIGNS = ("keywords", "pattern", "examples")
MOST_EXAMPLES = 500
"""Each request is compared with every one, in plain Python."""


def teaching_mistakes(document: Document) -> Iterator[Diagnostic]:
    """Find them in `teach` and in the `when` of rules, on the raw value."""
    top = document.value if isinstance(document.value, Mapping) else {}
    examples: list[Trail] = []
    taken: dict[tuple[str, str], Trail] = {}
    for index, entry in enumerate(_items(top.get("teach"))):
        if not isinstance(entry, Mapping):
            continue
        at: Trail = ("teach", index)
        there = [key for key in SIGNS if entry.get(key) is not None]
        if len(there) != 1:
            said = f"has {' and '.join(f'`{key}`' for key in there)}" if there else "says for no request that it holds"
            hint = "give each line one of `keywords`, `pattern`, `examples`"
            yield document.diagnostic(at, "QR212", f"this line of `teach` {said}", hint)
        if entry.get("task") == "audio":
            message = "`audio` cannot be taught: whether there is sound in a request settles it"
            yield document.diagnostic((*at, "task"), "QR213", message, "leave the line out")
        for key in there:
            yield from _entries(document, (*at, key), key, entry[key], taken, examples)
    for place, when in whens(document):
        for key in SIGNS:
            if key in when:
                yield from _entries(document, (*place, key), key, when[key], {}, examples)
    yield from _encoder(document, top, examples)


def _entries(
    document: Document,
    trail: Trail,
    key: str,
    value: object,
    taken: dict[tuple[str, str], Trail],
    examples: list[Trail],
) -> Iterator[Diagnostic]:
    for index, text in enumerate(_items(value)):
        if not isinstance(text, str) or not text or (key != "examples" and len(text) > 200):
            continue  # the schema's to tell
        at: Trail = (*trail, index) if isinstance(value, list) else trail
        same = text if key == "pattern" else fold(text)
        if key == "pattern" and (why := objection(text)) is not None:
            hint = "bound what repeats (`{1,20}`), follow it with a character that it cannot take, or use keywords"
            yield document.diagnostic(at, "QR214", f"the pattern {why}", hint if "repe" in why else None)
        elif not same:
            said = "keyword that no text can match" if key == "keywords" else "example without any text"
            yield document.diagnostic(at, "QR215", f"a {said}: nothing of it can be seen", "leave it out")
        elif (before := taken.setdefault((key, same), at)) != at:
            told, where = document.rivals(before, at)
            if told == at:  # Before what is inherited it is there to overrule that.
                yield document.diagnostic(
                    at, "QR216", f"`{_short(text)}` stands here already ({where}), and that counts"
                )
        if key == "examples":
            examples.append(at)


def _encoder(document: Document, top: Mapping[object, object], examples: list[Trail]) -> Iterator[Diagnostic]:
    embedding = top.get("embedding")
    if embedding is None:
        if examples:
            message = "examples need an encoder, and this policy has no `embedding`"
            yield document.diagnostic(
                examples[0], "QR217", message, "add `embedding: {base_url, model, min_similarity}`"
            )
        return
    if not examples:
        yield document.diagnostic(("embedding",), "QR217", "nothing here has `examples`, so no encoder is ever asked")
    elif len(examples) > MOST_EXAMPLES:
        message = f"there are {len(examples)} examples, and {MOST_EXAMPLES} can be compared for each request"
        yield document.diagnostic(examples[MOST_EXAMPLES], "QR217", message, "keep those that differ most")
    if not isinstance(embedding, Mapping):
        return
    endpoint, base_url = embedding.get("endpoint"), embedding.get("base_url")
    if (endpoint is None) is (base_url is None):
        hint = "name one of the `endpoints`, or write the address of an encoder"
        yield document.diagnostic(("embedding",), "QR218", "`embedding` needs one of `endpoint` and `base_url`", hint)
    elif endpoint is not None and embedding.get("api_key") is not None:
        message = "the endpoint's own key is used; a second one has no use"
        yield document.diagnostic(("embedding", "api_key"), "QR218", message)
    limits = top.get("limits")
    if isinstance(limits, Mapping) and limits.get("regions") and base_url is not None:
        message = "`limits.regions` keeps prompts in their regions, and this address states none"
        hint = "name an `endpoint` with a region, or leave `embedding` out"
        yield document.diagnostic(("embedding", "base_url"), "QR218", message, hint)


def _items(value: object) -> list[object]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:59]}…"
