"""Identities of texts and of files."""

from __future__ import annotations

import hashlib
from pathlib import Path

from shopbench.files import file_hash

HASHED_WHOLE = 2 * 1024**3
"""Larger source files are hashed by their size and 256 blocks of a megabyte."""


def digest(*parts: object) -> str:
    """A short stable identity of some texts."""
    text = "\x1f".join(str(part) for part in parts)
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).hexdigest()


def source_hash(path: Path) -> str:
    """SHA-256 of a file; of its size and evenly spaced blocks ("sampled:") where it is very large."""
    size = path.stat().st_size
    if size <= HASHED_WHOLE:
        return file_hash(path)
    hashed = hashlib.sha256(str(size).encode())
    with open(path, "rb") as file:
        for place in range(256):
            file.seek(size * place // 256)
            hashed.update(file.read(1 << 20))
    return f"sampled:{hashed.hexdigest()}"
