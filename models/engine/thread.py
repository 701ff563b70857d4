"""A running engine that can be waited for, watched, abandoned and killed.

vLLM computes in processes of its own. They can die (out of memory), and they can hang; a call into them then
blocks for ever. So each engine lives in a thread that may be left behind: callers wait on events, with a
deadline, see what was generated so far, and can kill the processes and start another engine.
"""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing
import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from models.engine.core import completion, lora_request, prepare_environment, sampling, start_core
from models.engine.reaper import marked_children
from models.engine.requests import Completion, EngineDied, Request
from models.settings import EngineSettings
from models.spaces.vocabulary import Vocabulary

_SILENCE_SECONDS = 60.0
"""How long an engine may compute without a step's end before it counts as hanging (or five of its slowest steps)."""


@dataclass
class _Call:
    requests: Sequence[Request]
    completions: list[Completion]
    done: threading.Event = field(default_factory=threading.Event)
    cancelled: threading.Event = field(default_factory=threading.Event)
    error: BaseException | None = None


class Engine:
    """One running vLLM engine. Starting takes seconds to minutes; `wait_until_ready` before the first `generate`.

    Attributes:
        seconds: time in steps so far: "prefill" while a request waited for its first token, else "decode".
        decode_steps: number of the latter.
    """

    def __init__(self, settings: EngineSettings, constraints: str = "exact", warm_up: Sequence[Request] = ()) -> None:
        """Begin to start, in the background.

        Args:
            warm_up: requests to answer before the engine counts as ready: first calls load tables and pick kernels.
        """
        prepare_environment()
        self.settings = settings
        self.constraints = constraints
        self._warm_up = warm_up
        self.seconds = {"prefill": 0.0, "decode": 0.0}
        self.decode_steps = 0
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._progress = time.monotonic()
        self._slowest_step = 0.0
        self._unfinished = 0
        self._adapters: dict[Path, int] = {}
        self._others = set(multiprocessing.active_children())
        self._processes: list[psutil.Process] = []
        self._thread = threading.Thread(target=self._serve, name="engine", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def wait_until_ready(self, timeout: float | None = None) -> bool:
        """Whether the engine is up before `timeout` seconds have passed; EngineDied if it cannot start."""
        if not self._ready.wait(timeout):
            return False
        if self._failure is not None:
            raise EngineDied(f"the engine did not start: {_one_line(self._failure)}") from self._failure
        return True

    def generate(self, requests: Sequence[Request], timeout: float) -> list[Completion]:
        """Answer all requests in one engine call, for at most `timeout` seconds.

        Requests that are not finished by then are aborted and come back with what they have. EngineDied if the
        processes ended, or showed no sign of life for much longer than any step took.
        """
        deadline = time.monotonic() + timeout
        call = _Call(requests, [Completion() for _ in requests])
        if not self._unfinished:
            self._progress = time.monotonic()
        self._unfinished += 1
        self._calls.put(call)
        while not call.done.wait(max(0.0, min(0.25, deadline - time.monotonic()))):
            self._check_alive()
            if time.monotonic() >= deadline:
                call.cancelled.set()
                return list(call.completions)
        if call.error is not None:
            raise EngineDied(f"the engine failed: {_one_line(call.error)}") from call.error
        return call.completions

    def close(self, patience: float = 5.0) -> None:
        """End the engine's processes: by asking, and by killing what is left after `patience` seconds."""
        atexit.unregister(self.close)
        processes = self._find_processes()
        self._calls.put(None)
        if self._ready.is_set():
            self._thread.join(patience)
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    def process_ids(self) -> list[int]:
        """The engine's processes (for tests that kill or stop them)."""
        return [process.pid for process in self._find_processes()]

    def _adapter(self, request: Request) -> Any:
        if request.adapter is None:
            return None
        return lora_request(self._adapters.setdefault(request.adapter, len(self._adapters) + 1), request.adapter)

    def _check_alive(self) -> None:
        if any(not _runs(process) for process in self._processes):
            raise EngineDied("a process of the engine has ended")
        silent = time.monotonic() - self._progress
        if silent > max(_SILENCE_SECONDS, 5 * self._slowest_step):
            raise EngineDied(f"the engine has shown no sign of life for {silent:.0f} s")

    def _find_processes(self) -> list[psutil.Process]:
        found = set(self._processes)
        for child in set(multiprocessing.active_children()) - self._others if not found else ():
            try:
                process = psutil.Process(child.pid)
                found |= {process, *process.children(recursive=True)}
            except psutil.NoSuchProcess:
                continue
        return sorted(found, key=lambda process: process.pid)

    def _serve(self) -> None:
        try:
            with marked_children():
                core = start_core(self.settings, self.constraints)
            self._processes = self._find_processes()
            self._run(core, _Call(self._warm_up, [Completion() for _ in self._warm_up]), 0)
        except BaseException as error:  # the thread's only way to report: a bad start must not look like a slow one
            self._failure = error
            return
        finally:
            self._ready.set()
        serial = 0
        while (call := self._calls.get()) is not None:
            serial += 1
            try:
                self._run(core, call, serial)
            except Exception as error:  # vLLM raises many kinds; each means that this engine is of no more use
                call.error = error
            self._unfinished -= 1
            call.done.set()
        with contextlib.suppress(Exception):
            core.engine_core.shutdown()

    def _run(self, core: Any, call: _Call, serial: int) -> None:
        vocabulary = Vocabulary.of(core.get_tokenizer())
        waiting = {f"{serial}-{place}": place for place in range(len(call.requests))}
        for name, place in list(waiting.items()):
            request = call.requests[place]
            prompt = {"prompt_token_ids": list(request.prompt)}
            parameters = sampling(request, self.constraints, vocabulary)
            core.add_request(name, prompt, parameters, lora_request=self._adapter(request))
        no_token_yet = set(waiting)
        while waiting and not call.cancelled.is_set():
            started = time.monotonic()
            phase = "prefill" if no_token_yet else "decode"
            for output in core.step():
                no_token_yet.discard(output.request_id)
                place = waiting[output.request_id]
                call.completions[place] = completion(output)
                if output.finished:
                    del waiting[output.request_id]
            self._progress = time.monotonic()
            self._slowest_step = max(self._slowest_step, self._progress - started)
            self.seconds[phase] += self._progress - started
            self.decode_steps += phase == "decode"
        if waiting:
            core.abort_request(list(waiting))


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
