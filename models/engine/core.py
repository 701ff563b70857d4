"""vLLM: the only file that imports it (with what vLLM loads from us), and only when an engine starts.

vLLM loads models/engine/processors.py and, on a CPU, models/engine/cpu_kernels.py.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, get_args

import psutil

from models.engine.requests import Completion, Request
from models.settings import EngineSettings, Machine, SettingsError
from models.spaces.spec import to_spec
from models.spaces.vocabulary import Vocabulary
from models.weights import WeightsError

STEP_TOKENS = 4096
"""Most prompt tokens in one step: bounds its memory and, as an abort waits for a step's end, its time (T4s: 8 s)."""
_PROCESSORS = {
    "exact": ["models.engine.processors:AnswerSpaceProcessor"],
    "winners": ["models.engine.winners:WinnersProcessor"],
    "none": [],
}
"""The logits processors of each way to hold answers to their form; each acts only on requests that ask for it."""


def prepare_environment() -> None:
    """Set what must stand in the environment before vLLM is imported: offline, quiet, the V1 model runner."""
    os.environ["VLLM_USE_V2_MODEL_RUNNER"] = "0"  # the V2 runner refuses logits processors
    for name, value in {
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        # FlashInfer's sampler, the default from sm_80 on, compiles itself with nvcc; greedy decoding needs none of it.
        "VLLM_USE_FLASHINFER_SAMPLER": "0",
        "VLLM_LOGGING_LEVEL": "ERROR",
        # The engine is started from a thread, and a forked copy of a process with threads may hang.
        "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
        "TOKENIZERS_PARALLELISM": "false",
        "TORCH_CPP_LOG_LEVEL": "ERROR",
        "PYTHONWARNINGS": "ignore",
    }.items():
        os.environ.setdefault(name, value)


def _prepare_cpu() -> None:
    """Set what vLLM's processes find in the environment on a CPU; docs/performance.md has what each is worth."""
    if (os.cpu_count() or 1) <= 4:
        # vLLM would keep one core for itself; of two that is half, and it idles while the worker computes.
        os.environ.setdefault("VLLM_CPU_NUM_OF_RESERVED_CPU", "0")
    # Without, every large tensor is mapped anew and its pages are faulted in and zeroed.
    os.environ.setdefault("MALLOC_MMAP_THRESHOLD_", str(2**31 - 1))
    os.environ.setdefault("MALLOC_TRIM_THRESHOLD_", str(2**32))
    openmp, preloaded = Path(sys.prefix, "lib", "libiomp5.so"), os.environ.get("LD_PRELOAD", "")
    if openmp.is_file() and "omp" not in preloaded:  # its threads meet faster than those of PyTorch's GNU OpenMP
        os.environ["LD_PRELOAD"] = f"{openmp}:{preloaded}".rstrip(":")


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
    """The tokenizer in a weights folder, a WeightsError if there is none for chats.

    Nothing is downloaded and no code of the folder is run.
    """
    prepare_environment()
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0][:200]
        raise WeightsError(f"{folder}: its tokenizer cannot be loaded ({reason}); copy its files again") from None
    if not tokenizer.chat_template or tokenizer.eos_token_id is None:
        raise WeightsError(f"{folder}: its tokenizer has no chat template or end token; an instruct model is wanted")
    return tokenizer


def start_core(settings: EngineSettings, constraints: str) -> Any:
    """Start vLLM's processes and return its engine (`vllm.v1.engine.llm_engine.LLMEngine`); takes a minute or more."""
    if not settings.on_gpu:
        _prepare_cpu()
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
        "logits_processors": _PROCESSORS[constraints],
        "async_scheduling": False,  # an automaton must have seen every token before it allows the next
        "seed": 0,
        "use_tqdm_on_load": False,
        "max_num_batched_tokens": max(settings.context, STEP_TOKENS),
    }
    if settings.lora_rank:
        options |= {"enable_lora": True, "max_loras": 1, "max_lora_rank": lora_rank_allowed(settings.lora_rank)}
    if settings.on_gpu:
        options["gpu_memory_utilization"] = settings.memory_share
        if settings.ray:
            options["distributed_executor_backend"] = "ray"
        if not settings.eager:
            # Graphs for every batch size the evaluator can send, without torch.compile: prefill on a T4 is bound
            # by its matrix products, and compiling 80 layers would cost a minute of every start.
            options["compilation_config"] = {
                "mode": 0,
                "cudagraph_mode": "FULL_DECODE_ONLY",
                "cudagraph_capture_sizes": list(range(1, settings.sequences + 1)),
            }
    else:
        from models.engine import cpu_kernels

        options |= {
            "kv_cache_memory_bytes": settings.cache_bytes,
            "worker_extension_cls": "models.engine.cpu_kernels.OneAdapter",
        }
        if settings.eager:  # the compiler fuses PyTorch's operations itself
            options["ir_op_priority"] = cpu_kernels.PRIORITY
    model = LLM(**options)
    if settings.lora_rank and not settings.on_gpu:
        model.collective_rpc("multiply_one_adapter")
    return model.llm_engine


def sampling(request: Request, constraints: str, vocabulary: Vocabulary) -> Any:
    """vLLM's sampling parameters for a request: greedy, as long as its answer may be, held to its space."""
    from vllm import SamplingParams
    from vllm.sampling_params import RepetitionDetectionParams

    space = request.space
    options: dict[str, Any] = {"temperature": 0.0, "max_tokens": space.max_tokens, "detokenize": False}
    if constraints == "winners":
        options["extra_args"] = {"winners": space.winners_request}
    elif constraints == "exact" and space.most_repeats:
        # What goes round in circles says nothing more; models.planning.unlooped leaves one round of it.
        options["repetition_detection"] = RepetitionDetectionParams(10, 3, space.most_repeats)
    elif constraints == "exact" and not space.is_free and space.max_tokens == 1:
        # One token among a fixed few needs no state: vLLM itself allows them, and no decode step is made.
        options["allowed_token_ids"] = list(space.next_tokens(vocabulary, ()))
    elif constraints == "exact" and not space.is_free:
        options["extra_args"] = {"answer_space": to_spec(space)}
        options["stop_token_ids"] = list(space.stop_tokens)
    return SamplingParams(**options)


def lora_rank_allowed(rank: int) -> int:
    """The least of the ranks that vLLM takes which is enough for adapters of `rank`; a SettingsError if none is."""
    from vllm.config.lora import MaxLoRARanks

    allowed = sorted(get_args(MaxLoRARanks))
    if rank > allowed[-1]:
        raise SettingsError(f"adapters of rank {rank}: vLLM serves up to {allowed[-1]}; merge them into the base")
    return next(one for one in allowed if one >= rank)


def lora_request(number: int, adapter: os.PathLike[str]) -> Any:
    """vLLM's name for an adapter; every folder needs a `number` (1, 2, ...) of its own."""
    from vllm.lora.request import LoRARequest

    return LoRARequest(f"adapter-{number}", number, str(adapter))


def completion(output: Any) -> Completion:
    """A vLLM RequestOutput as a Completion."""
    return Completion(list(output.outputs[0].token_ids), output.finished)
