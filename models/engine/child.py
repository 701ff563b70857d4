"""The engine's process: it alone imports vLLM, and computes in its main thread.

    python -m models.engine.child FILE_DESCRIPTOR

models/engine/process.py starts it and speaks with it as models/engine/messages.py says. With tensor parallelism it
has workers of vLLM's own. It ends when the other side does.
"""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import time
import traceback
from collections import deque
from multiprocessing.connection import Connection
from pathlib import Path

from models.engine import core
from models.engine.environment import processors
from models.engine.messages import Call, Cancel, Done, Failed, Ready, Start, Step
from models.engine.requests import Completion, Request
from models.spaces.vocabulary import Vocabulary
from models.tokenizer import load_tokenizer
from shopbench.imports import leave_out_unused


def main() -> int:
    """Start vLLM as the first message says, then answer calls until None comes or nobody is there any more."""
    number = int(sys.argv[1])
    os.set_inheritable(number, False)
    connection = Connection(number)
    start: Start = connection.recv()
    gc.disable()  # nothing that imports make is garbage
    leave_out_unused()
    try:
        server = Server(connection, start)
    except Exception as error:  # vLLM raises many kinds; our parent says it in one line
        if os.environ.get("VLLM_LOGGING_LEVEL") != "ERROR":
            traceback.print_exc()
        connection.send(Failed(one_line(error)))
        return 1
    gc.freeze()
    gc.enable()
    connection.send(Ready())
    with contextlib.suppress(EOFError):
        server.serve()
    server.shutdown()
    return 0


class Server:
    """vLLM's engine, and the calls that wait for it."""

    def __init__(self, connection: Connection, start: Start) -> None:
        self._connection = connection
        self._constraints = start.constraints
        if not start.settings.on_gpu and start.settings.tensor_parallel == 1:
            os.sched_setaffinity(0, processors())
        self._engine = core.start_core(start.settings, start.constraints)
        self._vocabulary = Vocabulary.of(load_tokenizer(start.settings.weights))
        self._waiting: deque[Call | None] = deque()
        self._cancelled: set[int] = set()
        self._adapters: dict[Path, int] = {}

    def serve(self) -> None:
        """Answer one call after another; EOFError when our parent is gone."""
        while (call := self._next()) is not None:
            error = None
            try:
                self._answer(call)
            except EOFError:
                raise
            except Exception as raised:  # this engine is of no more use; what follows is our parent's to decide
                error = one_line(raised)
            self._connection.send(Done(call.number, error))

    def shutdown(self) -> None:
        """End vLLM's workers, if there are any."""
        with contextlib.suppress(Exception):
            self._engine.engine_core.shutdown()

    def _next(self) -> Call | None:
        while not self._waiting:
            self._read()
        return self._waiting.popleft()

    def _is_cancelled(self, call: Call) -> bool:
        while self._connection.poll():
            self._read()
        return call.number in self._cancelled or None in self._waiting

    def _read(self) -> None:
        message = self._connection.recv()
        if isinstance(message, Cancel):
            self._cancelled.add(message.number)
        else:
            self._waiting.append(message)

    def _answer(self, call: Call) -> None:
        waiting = {f"{call.number}-{place}": place for place in range(len(call.requests))}
        for name, place in waiting.items():
            self._add(name, call.requests[place])
        no_token_yet = set(waiting)
        while waiting and not self._is_cancelled(call):
            started = time.monotonic()
            phase = "prefill" if no_token_yet else "decode"
            completions: dict[int, Completion] = {}
            for output in self._engine.step():
                no_token_yet.discard(output.request_id)
                completions[waiting[output.request_id]] = core.completion(output)
                if output.finished:
                    del waiting[output.request_id]
            self._connection.send(Step(call.number, phase, time.monotonic() - started, completions))
        if waiting:
            self._engine.abort_request(list(waiting))

    def _add(self, name: str, request: Request) -> None:
        adapter = None
        if request.adapter is not None:
            number = self._adapters.setdefault(request.adapter, len(self._adapters) + 1)
            adapter = core.lora_request(number, request.adapter)
        parameters = core.sampling(request, self._constraints, self._vocabulary)
        self._engine.add_request(name, {"prompt_token_ids": list(request.prompt)}, parameters, lora_request=adapter)


def one_line(error: BaseException) -> str:
    """An exception in one line of bounded length."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


if __name__ == "__mp_main__":  # in a worker of vLLM's own, before it imports vLLM
    leave_out_unused()
if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # what Python and vLLM would tidy up now, the end of the process gives back as well, and at once
