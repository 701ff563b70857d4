"""The inference engine: the only file (with models/logits_processors.py) that imports vLLM, and only when it starts.

vLLM computes in processes of its own. They can die (out of memory), and they can hang; a call into them then
blocks for ever. So each engine lives in a thread that may be left behind: callers wait on events, with a
deadline, see what was generated so far, and can kill the processes and start another engine.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import math
import multiprocessing
import os
import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import psutil

from models.answer_space import AnswerSpace, FreeText, NumberList, OneDigit, to_spec
from models.jobs import Completion, EngineDied, Request
from models.quoted_spans import QuotedSpans
from models.settings import EngineSettings, Machine
from models.vocabulary import Vocabulary

LOG = logging.getLogger(__name__)
_PROCESSORS = [
    f"models.logits_processors:{name}" for name in ("AnswerSpaceProcessor", "DigitsAndCommas", "CiteFromPrompt")
]


@dataclass
class _Job:
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
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._progress = time.monotonic()
        self._slowest_step = 30.0
        self._unfinished = 0
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
        job = _Job(requests, [Completion() for _ in requests])
        if not self._unfinished:
            self._progress = time.monotonic()
        self._unfinished += 1
        self._jobs.put(job)
        while not job.done.wait(max(0.0, min(0.25, deadline - time.monotonic()))):
            self._check_alive()
            if time.monotonic() >= deadline:
                job.cancelled.set()
                return list(job.completions)
        if job.error is not None:
            raise EngineDied(f"the engine failed: {_one_line(job.error)}") from job.error
        return job.completions

    def close(self, patience: float = 5.0) -> None:
        """End the engine's processes: by asking, and by killing what is left after `patience` seconds."""
        atexit.unregister(self.close)
        processes = self._find_processes()
        self._jobs.put(None)
        if self._ready.is_set():
            self._thread.join(patience)
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    def process_ids(self) -> list[int]:
        """The engine's processes (for tests that kill or stop them)."""
        return [process.pid for process in self._find_processes()]

    def _check_alive(self) -> None:
        if any(not _runs(process) for process in self._processes):
            raise EngineDied("a process of the engine has ended")
        silent = time.monotonic() - self._progress
        if silent > max(30.0, 5 * self._slowest_step):
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
            core = _start(self.settings)
            self._processes = self._find_processes()
            self._run(core, _Job(self._warm_up, [Completion() for _ in self._warm_up]), 0)
        except BaseException as error:  # the thread's only way to report: a bad start must not look like a slow one
            self._failure = error
            return
        finally:
            self._ready.set()
        serial = 0
        while (job := self._jobs.get()) is not None:
            serial += 1
            try:
                self._run(core, job, serial)
            except Exception as error:  # vLLM raises many kinds; each means that this engine is of no more use
                job.error = error
            self._unfinished -= 1
            job.done.set()
        with contextlib.suppress(Exception):
            core.engine_core.shutdown()

    def _run(self, core: Any, job: _Job, serial: int) -> None:
        vocabulary = Vocabulary.of(core.get_tokenizer())
        waiting = {f"{serial}-{place}": place for place in range(len(job.requests))}
        for name, place in list(waiting.items()):
            request = job.requests[place]
            prompt = {"prompt_token_ids": list(request.prompt)}
            core.add_request(name, prompt, _sampling(request, self.constraints, vocabulary))
        no_token_yet = set(waiting)
        while waiting and not job.cancelled.is_set():
            started = time.monotonic()
            phase = "prefill" if no_token_yet else "decode"
            for output in core.step():
                no_token_yet.discard(output.request_id)
                place = waiting[output.request_id]
                job.completions[place] = _completion(output)
                if output.finished:
                    del waiting[output.request_id]
            self._progress = time.monotonic()
            self._slowest_step = max(self._slowest_step if serial > 1 else 0.0, self._progress - started)
            self.seconds[phase] += self._progress - started
            self.decode_steps += phase == "decode"
        if waiting:
            core.abort_request(list(waiting))


def prepare_environment() -> None:
    """Set what must stand in the environment before vLLM is imported: offline, quiet, the V1 model runner."""
    os.environ["VLLM_USE_V2_MODEL_RUNNER"] = "0"  # the V2 runner refuses logits processors
    for name, value in {
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_LOGGING_LEVEL": "ERROR",
        # The engine is started from a thread, and a forked copy of a process with threads may hang.
        "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
        "TOKENIZERS_PARALLELISM": "false",
        "TORCH_CPP_LOG_LEVEL": "ERROR",
        "PYTHONWARNINGS": "ignore",
    }.items():
        os.environ.setdefault(name, value)


def machine() -> Machine:
    """What this machine computes with: its GPUs as vLLM sees them, else its CPU."""
    prepare_environment()
    from vllm.platforms import current_platform

    if current_platform.is_cuda():
        count = current_platform.device_count()
        capability = current_platform.get_device_capability(0)
        return Machine(
            gpu_memory=tuple(current_platform.get_device_total_memory(number) for number in range(count)),
            capability=(capability.major, capability.minor) if capability else (0, 0),
        )
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as info:
            flags = next((line.split(":", 1)[1].split() for line in info if line.startswith(("flags", "Features"))), [])
    except OSError:
        flags = []
    return Machine(cpu_flags=frozenset(flags), cpu_memory=psutil.virtual_memory().total)


def load_tokenizer(folder: os.PathLike[str]) -> Any:
    """The tokenizer in a weights folder; nothing is downloaded and no code of the folder is run."""
    prepare_environment()
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)


def _start(settings: EngineSettings) -> Any:
    if not settings.on_gpu and (os.cpu_count() or 1) <= 4:
        # vLLM would keep one core for itself; of two that is half, and it idles while the worker computes.
        os.environ.setdefault("VLLM_CPU_NUM_OF_RESERVED_CPU", "0")
    from vllm import LLM

    options: dict[str, Any] = {
        "model": str(settings.weights),
        "trust_remote_code": False,
        "tensor_parallel_size": settings.tensor_parallel,
        "dtype": settings.dtype,
        "quantization": settings.quantization,
        "max_model_len": settings.context,
        "max_num_seqs": settings.sequences,
        "block_size": settings.block_size,
        "enforce_eager": settings.eager,
        "enable_prefix_caching": True,
        "logits_processors": _PROCESSORS,  # each acts only on requests that ask for it
        "async_scheduling": False,  # an automaton must have seen every token before it allows the next
        "seed": 0,
        "use_tqdm_on_load": False,
    }
    if settings.on_gpu:
        options |= {"gpu_memory_utilization": settings.memory_share, "disable_custom_all_reduce": True}
        if not settings.eager:
            # Graphs for every batch size the evaluator can send, without torch.compile: prefill on a T4 is bound
            # by its matrix products, and compiling 80 layers would cost a minute of every start.
            options["compilation_config"] = {
                "mode": 0,
                "cudagraph_mode": "FULL_DECODE_ONLY",
                "cudagraph_capture_sizes": list(range(1, settings.sequences + 1)),
            }
    else:
        options["kv_cache_memory_bytes"] = settings.cache_bytes
        options["max_num_batched_tokens"] = max(settings.context, 4096)
    return LLM(**options).llm_engine


def _sampling(request: Request, constraints: str, vocabulary: Vocabulary) -> Any:
    from vllm import SamplingParams

    space = request.space
    options: dict[str, Any] = {"temperature": 0.0, "max_tokens": space.max_tokens, "detokenize": False}
    if constraints == "exact" and isinstance(space, OneDigit):
        options["allowed_token_ids"] = list(space.next_tokens(vocabulary, ()))
        if request.scored:
            options["logprob_token_ids"] = options["allowed_token_ids"]
    elif constraints == "exact" and not isinstance(space, FreeText):
        options["extra_args"] = {"answer_space": to_spec(space)}
    elif constraints == "winners":
        options["extra_args"] = {"winners": _winners_wish(space)}
    return SamplingParams(**options)


def _winners_wish(space: AnswerSpace) -> dict[str, Any]:
    """What the winners' processors are told: digits to 5 (multiple choice, ranking) or 20 (retrieval); cite (NER)."""
    if isinstance(space, OneDigit):
        return {"highest": 5}
    if isinstance(space, NumberList):
        return {"highest": 5 if space.count == len(space.options) else 20}
    return {"cite": isinstance(space, QuotedSpans)}


def _completion(output: Any) -> Completion:
    generated = output.outputs[0]
    scores = {
        token: math.exp(entry.logprob) for step in (generated.logprobs or [])[:1] for token, entry in step.items()
    }
    return Completion(list(generated.token_ids), output.finished, scores)


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
