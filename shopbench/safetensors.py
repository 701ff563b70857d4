"""The header of a safetensors file: which tensors it holds, and where.

The format: eight bytes with the header's length (little-endian), a JSON object (tensor name -> "dtype", "shape",
"data_offsets" from the end of the header), the data.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from shopbench.errors import UserError

HEADER_LIMIT = 100_000_000
"""Bytes, the format's own limit; a longer header is a broken file."""
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"


def read_header(path: Path) -> tuple[dict[str, dict[str, Any]], int]:
    """(tensor name -> its facts, byte at which the data begins), without the free-form "__metadata__".

    Raises:
        UserError: the file cannot be read, is a Git LFS pointer, is not as long as its header says, of another format.
    """
    try:
        with open(path, "rb") as file:
            start = file.read(len(_LFS_POINTER))
            if start == _LFS_POINTER:
                raise UserError(f"{path}: is a Git LFS pointer, not weights; run `git lfs pull`")
            length = int.from_bytes(start[:8], "little")
            if not 2 <= length <= min(path.stat().st_size - 8, HEADER_LIMIT):
                raise not_whole(path)
            file.seek(8)
            header: dict[str, dict[str, Any]] = json.loads(file.read(length))
        header.pop("__metadata__", None)
        data = 8 + length
        if path.stat().st_size != data + max((facts["data_offsets"][1] for facts in header.values()), default=0):
            raise not_whole(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):  # no such header
        raise not_whole(path) from None
    return header, data


def not_whole(path: Path) -> UserError:
    """What to raise for a file that is not what its header says."""
    return UserError(f"{path}: is no whole safetensors file (cut off, too long or another format); fetch it again")
