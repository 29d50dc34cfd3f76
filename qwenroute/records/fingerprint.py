"""A digest by which equal prompts can be told, and none can be guessed from the records alone.

Short prompts are few enough to be tried one after the other, so a plain digest would give them away,
and a salt that lies beside it would not help. The digest is keyed: the key is drawn once, lies in a
file of its own beside the records (`records.jsonl.key`, for its owner alone) and is in no record.
Whoever is given the records without it can tell equal prompts from different ones, and no more.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path

KEY_BYTES = 32


def key_beside(records: str) -> bytes:
    """Return the key of a file of records, drawn if there is none yet.

    Raises:
        OSError: it can be neither read nor written.
    """
    path = Path(f"{records}.key")
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        pass
    else:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(KEY_BYTES))
    text = path.read_text(encoding="ascii", errors="replace").strip()
    if len(text) != 2 * KEY_BYTES:
        raise OSError(f"`{path}` holds no key; delete it to have one drawn")
    return text.encode()[:64]


def fingerprint(key: bytes, texts: Iterable[tuple[str, str]]) -> str:
    """Return the digest of what was said by whom."""
    digest = blake2b(key=key, digest_size=16)
    for role, text in texts:
        digest.update(f"{role} {len(text)} ".encode())
        digest.update(text.encode(errors="backslashreplace"))
    return digest.hexdigest()


def short(key: bytes, word: str) -> str:
    """Return a digest that stands for a word, such as the name of a session."""
    return blake2b(word.encode(errors="backslashreplace"), key=key, digest_size=8).hexdigest()
