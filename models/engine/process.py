"""A running engine that can be waited for, watched, abandoned and killed.

It computes in a process of its own (models/engine/child.py), the only one that imports vLLM. That process can die
(out of memory), and it can hang. So nobody waits for it without an end: one thread sends, one receives, and callers
wait on events, with a deadline, see what was generated so far, and can kill it and start another.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
import queue
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

import psutil

from models.engine.environment import engine_environment
from models.engine.messages import Call, Cancel, Done, Failed, Ready, Start, Step
from models.engine.reaper import Reaper, kill
from models.engine.requests import Completion, EngineDied, Request
from models.settings import EngineSettings
from shopbench.files import ROOT

_SILENCE_SECONDS = 60.0
"""How long an engine may compute without a step's end before it counts as hanging (or five of its slowest steps)."""
_SECONDS_TO_DIE = 5.0
"""How long a process may take to end once it has been killed."""


@dataclass
class _Answer:
    """What has come of a call so far."""

    number: int
    completions: list[Completion]
    done: threading.Event = field(default_factory=threading.Event)
    error: str | None = None


class Engine:
    """One running vLLM engine. Starting takes seconds to minutes; `wait_until_ready` before the first `generate`.

    Attributes:
        seconds: time in steps so far: "prefill" while a request waited for its first token, else "decode".
        decode_steps: number of the latter.
    """

    def __init__(
        self, settings: EngineSettings, constraints: str = "exact", warm_up: Callable[[], Sequence[Request]] = tuple
    ) -> None:
        """Begin to start, in the background.

        Args:
            warm_up: makes requests to answer before the engine counts as ready: first calls load tables and pick
                kernels. Called while the process imports vLLM; what it raises is raised here, the engine ended.
        """
        environment = engine_environment(settings)
        self.settings = settings
        self.seconds = {"prefill": 0.0, "decode": 0.0}
        self.decode_steps = 0
        self._failure: str | None = None
        self._calls: dict[int, _Answer] = {}
        self._numbers = itertools.count()
        self._progress = time.monotonic()
        self._slowest_step = 0.0
        self._family: list[psutil.Process] = []
        self._outbox: queue.SimpleQueue[Start | Call | Cancel | None] = queue.SimpleQueue()
        self._reaper = Reaper()
        self._process, self._connection = _start_process(environment | self._reaper.mark)
        atexit.register(self.close)
        for work in (self._send, self._receive):
            threading.Thread(target=work, name="engine", daemon=True).start()
        self._outbox.put(Start(settings, constraints))
        try:
            self._warm_up = self._call(warm_up())
        except BaseException:
            self.close(patience=0.0)
            raise

    def wait_until_ready(self, timeout: float | None = None) -> bool:
        """Whether the engine is up before `timeout` seconds have passed; EngineDied if it cannot start."""
        if not self._warm_up.done.wait(timeout):
            return False
        if self._warm_up.error:
            raise EngineDied(f"the engine did not start: {self._warm_up.error}")
        return True

    def generate(self, requests: Sequence[Request], timeout: float) -> list[Completion]:
        """Answer all requests in one engine call, for at most `timeout` seconds.

        Requests that are not finished by then are aborted and come back with what they have. EngineDied if a process
        ended, or showed no sign of life for much longer than any step took.
        """
        deadline = time.monotonic() + timeout
        if not self._calls:
            self._progress = time.monotonic()
        answer = self._call(requests)
        while not answer.done.wait(max(0.0, min(0.25, deadline - time.monotonic()))):
            self._check_alive()
            if time.monotonic() >= deadline:
                self._outbox.put(Cancel(answer.number))
                return list(answer.completions)
        if answer.error:
            raise EngineDied(f"the engine failed: {answer.error}")
        return answer.completions

    def close(self, patience: float = 5.0) -> None:
        """End the engine's processes: by asking, and by killing what is left after `patience` seconds."""
        atexit.unregister(self.close)
        family = self._find_processes()
        self._outbox.put(None)
        if self._family and patience:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(patience)
        kill(family)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_SECONDS_TO_DIE)
        self._reaper.close()

    def process_ids(self) -> list[int]:
        """The engine's processes, the one that we started first (for tests that kill them, and to measure them)."""
        return [process.pid for process in self._find_processes()]

    def _call(self, requests: Sequence[Request]) -> _Answer:
        answer = _Answer(next(self._numbers), [Completion() for _ in requests])
        self._calls[answer.number] = answer
        self._outbox.put(Call(answer.number, requests))
        if self._failure:
            self._fail(self._failure)
        return answer

    def _check_alive(self) -> None:
        if any(not _runs(process) for process in self._family):
            raise EngineDied("a process of the engine has ended")
        silent = time.monotonic() - self._progress
        if silent > max(_SILENCE_SECONDS, 5 * self._slowest_step):
            raise EngineDied(f"the engine has shown no sign of life for {silent:.0f} s")

    def _find_processes(self) -> list[psutil.Process]:
        if self._family:
            return self._family
        try:
            process = psutil.Process(self._process.pid)
            return [process, *process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def _send(self) -> None:
        with contextlib.suppress(OSError):  # the process has ended, as the other thread will say
            while (message := self._outbox.get()) is not None:
                self._connection.send(message)
            self._connection.send(None)

    def _receive(self) -> None:
        try:
            while True:
                self._take(self._connection.recv())
        except (EOFError, OSError):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_SECONDS_TO_DIE)
            self._fail(f"its process has ended (exit code {self._process.returncode})")

    def _take(self, message: Ready | Failed | Step | Done) -> None:
        self._progress = time.monotonic()
        if isinstance(message, Ready):
            self._family = self._find_processes()
            self._reaper.know()
        elif isinstance(message, Failed):
            self._fail(message.reason)
        elif isinstance(message, Done):
            answer = self._calls.pop(message.number)
            answer.error = message.error
            answer.done.set()
        else:
            answer = self._calls[message.number]
            for place, completion in message.completions.items():
                answer.completions[place] = completion
            self.seconds[message.phase] += message.seconds
            self.decode_steps += message.phase == "decode"
            self._slowest_step = max(self._slowest_step, message.seconds)

    def _fail(self, reason: str) -> None:
        """No call will be answered any more; the first reason is the true one."""
        self._failure = self._failure or reason
        for number in list(self._calls):
            if answer := self._calls.pop(number, None):
                answer.error = self._failure
                answer.done.set()


def _start_process(environment: dict[str, str]) -> tuple[subprocess.Popen[bytes], Connection]:
    """The engine's process and our end of the connection to it; a Ctrl-C in the terminal is for us, not for it."""
    ours, theirs = socket.socketpair()
    with theirs:
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), environment.get("PYTHONPATH"))))
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "models.engine.child", str(theirs.fileno())],
            env=environment,
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
    return process, Connection(ours.detach())


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
