"""The cache of paid replies (OUT.jsonl.journal): one JSON line each, on disk before anything is made of it.

All else of a run (checks, order, duplicates) follows from the rows and the answers, so a run that was killed and
one that was finished are taken up the same way: whatever was answered is found by its request's key.
"""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from training.synthesize.chat import ChatRequest, Reply, SynthesisError
from training.synthesize.spending import Spending


class ReplyCache:
    """The answers so far of one output file, by request; and what they cost. One process at a time may hold it."""

    def __init__(self, path: Path, model: str, spending: Spending) -> None:
        self.path = path
        self._model = model
        self._spending = spending
        self._replies: dict[str, Reply] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = open(path, "a+b")  # noqa: SIM115 (held open, and locked, for the run)
        _lock(self._file, path)
        self._read()

    def find(self, request: ChatRequest) -> Reply | None:
        """The answer that was paid for already, if there is one."""
        return self._replies.get(request.key(self._model))

    def keep(self, request: ChatRequest, reply: Reply) -> None:
        """Keep an answer; it is on disk when this returns. A refusal was free: another run asks again."""
        if reply.finish != "refused":
            self._write({"key": request.key(self._model), **asdict(reply)})
        self._replies[request.key(self._model)] = reply
        self._spending.pay(reply)

    def lost(self, request: ChatRequest) -> None:
        """A request was sent and may have been charged, and its answer never came whole."""
        self._write({"lost": [request.prompt_tokens, request.max_tokens]})
        self._spending.lose(request.prompt_tokens, request.max_tokens)

    def close(self) -> None:
        """Let another process have it."""
        self._file.close()

    def _write(self, value: dict[str, Any]) -> None:
        self._file.write(json.dumps(value).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def _read(self) -> None:
        """Take up the whole lines; what follows the last one was being written when the run died."""
        self._file.seek(0)
        good_bytes = 0
        for line in self._file:
            try:
                value = json.loads(line) if line.endswith(b"\n") else None
                if value is None:
                    break
                if "lost" in value:
                    self._spending.lose(*value["lost"])
                else:
                    key = value.pop("key")
                    self._replies[key] = Reply(**value)
                    self._spending.pay(self._replies[key])
            except (ValueError, TypeError, KeyError, AttributeError):
                raise SynthesisError(
                    f"{self.path}: broken after byte {good_bytes}; cut it there (truncate -s {good_bytes}) to keep "
                    "the answers before it, or delete it to pay for all again"
                ) from None
            good_bytes += len(line)
        self._file.truncate(good_bytes)
        self._file.seek(0, os.SEEK_END)


def _lock(file: Any, path: Path) -> None:
    # On the file itself: filelock would leave a second file beside every output.
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise SynthesisError(f"{path}: another run is writing it; wait for it or give another --output") from None
