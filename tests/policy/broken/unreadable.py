"""Files that are no YAML, or no text at all: what stands in them, and where the first finding has to point."""

from __future__ import annotations

GOOD = """\
version: 1
endpoints:
  own:
    provider: openai_compatible
    base_url: http://gpu:8000/v1
    models: [qwen2.5-7b-instruct]
pools:
  small: {models: [qwen2.5-7b-instruct], endpoints: own}
routes:
  auto:
    - rule: first
      when: {task: code}
      pool: small
      fallback: [general]
    - {rule: rest, pool: general}
limits: {deadline_s: 60}
"""

UNREADABLE: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "1:1 QR103 the file is empty"),
    "one newline": (b"\n", "1:1 QR103 the file is empty"),
    "blanks": (b"   \n   \n", "1:1 QR103 the file is empty"),
    "only comments": (b"# nothing\n# at all\n", "1:1 QR103 the file is empty"),
    "only a mark": (b"\xef\xbb\xbf", "1:1 QR103 the file is empty"),
    "only ---": (b"---\n", "1:1 QR103 the file is empty"),
    "only a tilde": (b"~\n", "1:1 QR103 the file is empty"),
    "UTF-16 with a mark": (GOOD.encode("utf-16"), "1:1 QR001 the file is UTF-16"),
    "UTF-16, big end first": (b"\xfe\xff" + GOOD.encode("utf-16-be"), "1:1 QR001 the file is UTF-16"),
    "UTF-16 without a mark": (GOOD.encode("utf-16-le"), "1:2 QR002 not valid YAML: the character U+0000"),
    "UTF-32": (GOOD.encode("utf-32"), "1:1 QR001 the file is UTF-16"),
    "Latin-1": (b"version: 1\n# caf\xe9\n", "2:6 QR001 the file is not UTF-8 text: byte 0xe9"),
    "half a character": (b"version: 1\na: \xc3", "2:4 QR001 the file is not UTF-8"),
    "a surrogate in bytes": (b"version: \xed\xa0\x80\n", "1:10 QR001 the file is not UTF-8"),
    "too long a form": (b"version: \xc0\xaf\n", "1:10 QR001 the file is not UTF-8"),
    "NUL": (b"version: 1\nlimits: \x00\n", "2:9 QR002 not valid YAML: the character U+0000"),
    "NUL at the start": (b"\x00", "1:1 QR002 not valid YAML: the character U+0000"),
    "escape character": (b"version: 1\n\x1b[31m: 2\n", "2:1 QR002 not valid YAML: the character U+001B"),
    "bell": (b"version: \x07\n", "1:10 QR002 not valid YAML: the character U+0007"),
    "delete": (b"a\x7f: 1\n", "1:2 QR002 not valid YAML: the character U+007F"),
    "a picture": (b"\x89PNG\r\n\x1a\n\x00\x00", "1:1 QR001 the file is not UTF-8"),
    "an archive": (b"PK\x03\x04\x14\x00\x00\x00", "1:3 QR002 not valid YAML: the character U+0003"),
    "compressed": (b"\x1f\x8b\x08\x00", "1:2 QR001 the file is not UTF-8"),
    "noise": (bytes(range(256)), "3:115 QR001 the file is not UTF-8 text: byte 0x80"),
    "no character at all": ("a: \uffff\n".encode(), "1:4 QR002 not valid YAML: the character U+FFFF"),
    "larger than a policy": (b"# " + b"x" * 1_100_000, "1:1 QR001 the file is larger than 1 MB"),
    "more lines than a policy": (b"a: b\n" * 25_000, "1:1 QR001 the file holds more than 20,000 lines"),
    "more in one line": (b"a: [" + b"b," * 25_000 + b"]", "1:1 QR001 the file holds more than"),
    "old line ends": (b"a\r" * 25_000, "1:1 QR001 the file holds more than"),
    "a very long line": (b"version: 1\n" + b"x" * 900_000 + b"\n", "2:1 QR002 not valid YAML: "),
    "a very long key": (b"version: 1\n? " + b"x" * 900_000 + b"\n: 1\n", "2:3 QR101 unknown key `xxx"),
    "a very long value": (b"version: " + b"x" * 900_000 + b"\n", "1:1 QR104 `version` cannot be `xxx"),
    "deep brackets": (b"[" * 500_000, "1:1 QR001 the file holds more than"),
    "deep enough": (b"a: " + b"[" * 15_000, "1:"),  # where, depends on how far the parser looks ahead
    "deep and closed": (b"a: " + b"[" * 70 + b"]" * 70, "1:68 QR002 nested deeper than 64 levels"),
    "deep braces": (b"{a: " * 100 + b"1" + b"}" * 100, "1:261 QR002 nested deeper than 64 levels"),
    "deep dashes": (b"- " * 80 + b"x", "1:131 QR002 nested deeper than 64 levels"),
    "deep lines": ("".join(f"{' ' * i}k:\n" for i in range(100)).encode(), "66:66 QR002 nested deeper"),
    "deep questions": (b"? " * 5_000 + b"x", "1:129 QR002 nested deeper than 64 levels"),
    "JSON cut off": (b'{"version": 1, "endpoints": {', "1:29 QR002 not valid YAML: "),
    "an HTML page": (b"<!doctype html>\n<html><body>404: Not Found</body></html>\n", "2:16 QR002 not valid YAML: a `:` stands where no key can be"),
    "a script": (b"#!/bin/sh\necho version: 1\n", "2:1 QR101 unknown key `echo version`"),
    "INI": (b"[policy]\nversion = 1\n", "2:1 QR002 not valid YAML: "),
    "TOML": (b"version = 1\n[limits]\ndeadline_s = 1\n", "1:1 QR103 the file has to be a mapping of keys, not the text"),
    "conflict marks": (b"version: 1\n<<<<<<< HEAD\nlimits: {}\n=======\n>>>>>>> b\n", "2:1 QR002 not valid YAML: a key without"),
    "a diff": (b"--- a/p.yaml\n+++ b/p.yaml\n@@ -1 +1 @@\n", "1:1 QR103 the file has to be a mapping of keys, not the text"),
    "a log": (b"2026-11-24 08:00:00 ERROR x: y\n", "1:1 QR101"),
}  # fmt: skip

SYNTAX: dict[str, tuple[str, str]] = {
    "a tab indents": ("version: 1\nlimits:\n\tdeadline_s: 1\n", "3:1 QR002 not valid YAML: a tab stands where blanks"),
    "a tab before all": ("\tversion: 1\n", "1:1 QR002 not valid YAML: a tab stands where blanks have to indent"),
    "a tab in a list": ("routes:\n  auto:\n  \t- {rule: a}\n", "3:3 QR002 not valid YAML: a tab stands where"),
    "a tab after a dash": ("routes:\n  auto:\n    -\trule: a\n    \tpool: b\n", "3:6 QR002 not valid YAML: a tab stands"),
    "indented too little": (GOOD.replace("    provider", "   provider"), "5:13 QR002 not valid YAML: a `:` stands"),
    "indented too much": (GOOD.replace("    base_url", "      base_url"), "5:15 QR002 not valid YAML: a `:` stands"),
    "indented in between": ("a:\n    b: 1\n  c: 2\n", "3:3 QR002 not valid YAML: this line does not belong"),
    "a list indented too little": ("a:\n  - b\n - c\n", "3:2 QR002 not valid YAML: this line"),
    "no colon": ("version 1\nlimits: {}\n", "2:7 QR002 not valid YAML: a `:` stands where no key can be"),
    "no colon further down": (GOOD + "hedge off\n", "17:1 QR002 not valid YAML: a key without `:`"),
    "no blank after the colon": (GOOD.replace("pool: small", "pool:small"), "13:7 QR002 not valid YAML: a key"),
    "two colons": ("version: 1: 2\n", "1:11 QR002 not valid YAML: a `:` stands where no key can be"),
    "an address without quotes": ("a: b: c\n", "1:5 QR002 not valid YAML: a `:`"),
    "quotes never closed": ("version: 1\nretired: \"replace\n", "2:10 QR002 not valid YAML: the quote that begins here is never"),
    "one quote never closed": ("retired: 'replace\n", "1:10 QR002 not valid YAML: the quote that begins here is never"),
    "text after quotes": ('retired: "replace" it\n', "1:20 QR002 not valid YAML: this line does not belong"),
    "an unknown escape": ('retired: "C:\\dir"\n', "1:13 QR002 not valid YAML: a `\\` in double quotes"),
    "half an escape": ('retired: "\\u12"\n', "1:13 QR002 not valid YAML: a `\\` in double quotes"),
    "a lone surrogate": ('retired: "\\ud800"\n', "1:13 QR002 not valid YAML: a `\\` in double quotes"),
    "beyond Unicode": ('retired: "\\Uffffffff"\n', "1:13 QR002 not valid YAML: a `\\` in double quotes"),
    "a bracket never closed": ("fall_back_on: [billing\n", "1:22 QR002 not valid YAML: a list in brackets"),
    "a bracket too much": ("fall_back_on: [billing]]\n", "1:24 QR002 not valid YAML: this line"),
    "a brace never closed": ("limits: {deadline_s: 1\nhedge: off\n", "2:6 QR002 not valid YAML: a mapping in braces"),
    "brackets crossed": ("limits: {a: [1}\n", "1:15 QR002 not valid YAML: a list in brackets"),
    "no comma": ("limits: {deadline_s: 1 max_attempts: 2}\n", "1:36 QR002 not valid YAML: a mapping in braces"),
    "a comma alone": ("limits: {,}\n", "1:10 QR002 not valid YAML: "),
    "at sign": ("retired: @replace\n", "1:10 QR002 not valid YAML: `@` cannot begin a word"),
    "backtick": ("retired: `replace`\n", "1:10 QR002 not valid YAML: ``` cannot begin a word"),
    "percent": ("retired: %s\n", "1:10 QR002 not valid YAML: `%` cannot begin a word"),
    "a dash in a value": ("routes: - a\n", "1:9 QR002 not valid YAML: a `-` stands where no list can be"),
    "a list among keys": ("version: 1\n- rule: a\n", "2:1 QR002 not valid YAML: this line"),
    "a key among entries": ("- rule: a\nversion: 1\n", "2:1 QR002 not valid YAML: this line stands among"),
    "two documents": (GOOD + "---\nversion: 1\n", "17:1 QR002 not valid YAML: a second document begins here"),
    "text after the end": (GOOD + "...\nmore\n", "18:1 QR002 not valid YAML: "),
    "a directive": ("%YAML 9.9\n---\nversion: 1\n", "1:1 QR002 not valid YAML: lines that begin with `%`"),
    "an unknown directive": ("%TAG ! tag:x,2000:\n---\nversion: !y 1\n", "3:10 QR003 the tag `tag:x,2000:y`"),
    "a block that goes on": ("retired: | replace\n", "1:12 QR002 not valid YAML: what follows `|` or `>`"),
    "a block indented by a tab": ("retired: |\n\treplace\n", "2:1 QR002 not valid YAML: "),
    "a bare question": ("? [a, b]\n: 1\n", "1:3 QR004 a key has to be a word"),
    "a mapping as a key": ("{a: 1}: 2\n", "1:1 QR004 a key has to be a word"),
    "an alias": ("limits: &l {deadline_s: 1}\ntimeouts: *l\n", "1:9 QR003 anchors and aliases are not taken"),
    "an alias inside itself": ("limits: &l {deadline_s: *l}\n", "1:9 QR003 anchors and aliases are not taken"),
    "an alias of nothing": ("limits: *l\n", "1:9 QR002 not valid YAML: anchors and aliases are not taken"),
    "an alias as a key": ("a: &l limits\n*l : {}\n", "1:4 QR003 anchors and aliases are not taken"),
    "a bomb of aliases": (
        "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c]\n", "1:4 QR003 anchors and aliases are not taken"
    ),
    "a merge key": ("limits:\n  <<: {deadline_s: 1}\n", "2:3 QR003 merge keys (`<<`) are not taken"),
    "merged with an alias": ("a: &a {b: 1}\nc: {<<: *a}\n", "2:5 QR003 merge keys"),
    "a tag": ("version: !!int 1\n", "1:10 QR003 the tag `tag:yaml.org,2002:int` is not taken"),
    "a tag of another's": ("version: !env VERSION\n", "1:10 QR003 the tag `!env` is not taken"),
    "a tag that would run": ("a: !!python/object/apply:os.system [id]\n", "1:4 QR003 the tag `tag:yaml.org,2002:python/"),
    "a tag on a key": ("!!binary version: 1\n", "1:1 QR003 the tag `tag:yaml.org,2002:binary` is not taken"),
    "binary": ("version: !!binary aGk=\n", "1:10 QR003 the tag `tag:yaml.org,2002:binary` is not taken"),
    "a set": ("pools: !!set {a, b}\n", "1:8 QR003 the tag `tag:yaml.org,2002:set` is not taken"),
    "a key twice": ("version: 1\nlimits: {}\nversion: 1\n", "3:1 QR005 key `version` stands twice (line 1)"),
    "a key twice inside": (GOOD.replace("{deadline_s: 60}", "{deadline_s: 60, deadline_s: 61}"), "16:26 QR005 key"),
    "a key twice in quotes": ('version: 1\n"version": 1\n', "2:1 QR005 key `version` stands twice (line 1)"),
    "a pool twice": (GOOD.replace("routes:", "  small: {roles: general}\nroutes:"), "9:3 QR005 key `small` stands twice"),
}  # fmt: skip
