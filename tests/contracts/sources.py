"""Which files the repository consists of."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
NOT_OURS = {".git", ".venv", "__pycache__", "dist", "build"}


def files() -> list[Path]:
    """Return every file that is, or is about to be, in the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0:
        found = [ROOT / name for name in listed.stdout.split("\0") if name]
    else:  # unpacked from an archive
        found = list(_walk(ROOT))
    return sorted(path for path in found if path.is_file() and not path.is_symlink())


def _walk(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name in NOT_OURS or path.name.endswith(("_cache", ".egg-info")):
            continue
        if path.is_dir():
            yield from _walk(path)
        else:
            yield path


def modules(*folders: str) -> list[Path]:
    """Return the Python files under these folders of the repository."""
    wanted = tuple(ROOT / folder for folder in folders)
    return [p for p in files() if p.suffix == ".py" and any(p.is_relative_to(w) for w in wanted)]
