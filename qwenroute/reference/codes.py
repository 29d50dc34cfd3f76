"""What the codes of diagnostics mean; those of the checks in `qwenroute/linting/` stand beside each check."""

from __future__ import annotations

from collections.abc import Mapping

CODES: Mapping[str, str] = {
    "QR001": "the file cannot be read: it is not there, is not UTF-8 text, or is too large",
    "QR002": "it is not valid YAML, or is nested too deep",
    "QR003": "an anchor, an alias or a tag: write the value out",
    "QR004": "a key that is not a word",
    "QR005": "a key that stands twice in one mapping",
    "QR101": "an unknown key; the help names the nearest known one",
    "QR102": "a key that has to be there is missing",
    "QR103": "a value of the wrong kind, or out of its bounds",
    "QR104": "a word that is none of those that the key takes",
    "QR105": "a key of an overlay that is no fact",
    "QR110": "a secret in the file: name a variable or a file instead, and revoke the key if the file was shared",
    "QR201": "an unknown pool",
    "QR202": "an unknown objective",
    "QR203": "an unknown endpoint",
    "QR204": "an unknown region",
    "QR205": "an unknown model",
    "QR206": "a pool that names neither roles nor models",
    "QR207": "a rule behind one that takes everything, or a route whose last rule has conditions",
    "QR208": "two rules of a route with one name",
    "QR209": "an unknown licence",
    "QR210": "a number above the one that bounds it",
    "QR211": "a hedge where one attempt is allowed",
    "QR212": "a line of `teach` without, or with more than, one of `keywords`, `pattern`, `examples`",
    "QR213": "a task that cannot be taught",
    "QR214": "a pattern that is not a regular expression, or that a hostile prompt could stall",
    "QR215": "a keyword or example of which nothing can be seen",
    "QR216": "a keyword, pattern or example that stands there already",
    "QR217": "examples without an encoder, an encoder without examples, or too many examples",
    "QR218": "an encoder without an address, with two, or where data may not go",
    "QR230": "two budgets with one name: they would share one count",
    "QR231": "an unknown route",
    "QR301": "a model that stands in two files of facts",
    "QR302": "a file of facts without models",
    "QR303": "an overlay's `like` of an unknown model, or for a known one",
}
