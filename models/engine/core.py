"""vLLM: the only file that imports it (with what vLLM loads from us), and only when its functions are called.

The engine's process calls them (models/engine/child.py). vLLM loads models/engine/processors.py and, on a CPU,
models/engine/cpu_kernels.py.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterable
from typing import Any, get_args

from models.engine.requests import Completion, Request
from models.machine import keeps_to_avx2
from models.settings import EngineSettings, SettingsError
from models.spaces.spec import to_spec
from models.spaces.vocabulary import Vocabulary
from shopbench.files import read_json_if_any

STEP_TOKENS = 4096
"""Most prompt tokens in one step: bounds its memory and, as an abort waits for a step's end, its time (T4s: 8 s)."""
CPU_STEP_TOKENS = 1024
"""The same on CPUs, which are slower: two cores with AVX2 alone take 1.5 s for so many, 135M parameters in float32."""
_PROCESSORS = {
    "exact": ["models.engine.processors:AnswerSpaceProcessor"],
    "winners": ["models.engine.winners:WinnersProcessor"],
    "none": [],
}
"""The logits processors of each way to hold answers to their form; each acts only on requests that ask for it."""


def start_core(settings: EngineSettings, constraints: str) -> Any:
    """vLLM's engine (`vllm.v1.engine.llm_engine.LLMEngine`), its core in this process; takes seconds to minutes.

    The environment is what models/engine/environment.py says, and was when this process started.
    """
    keep_to_avx2()
    # Not `vllm.LLM`, which imports two seconds' worth of servers and clients.
    from vllm.engine.arg_utils import EngineArgs
    from vllm.v1.engine.llm_engine import LLMEngine

    options: dict[str, Any] = {
        "model": str(settings.weights),
        "skip_tokenizer_init": True,  # prompts and answers are token ids
        "disable_log_stats": True,
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
        "max_num_batched_tokens": max(settings.context, STEP_TOKENS) if settings.on_gpu else CPU_STEP_TOKENS,
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

        _register(read_json_if_any(settings.weights / "config.json").get("architectures") or ())
        options |= {
            "kv_cache_memory_bytes": settings.cache_bytes,
            "worker_extension_cls": "models.engine.cpu_kernels.OneAdapter",
        }
        if settings.eager:  # the compiler fuses PyTorch's operations itself
            options["ir_op_priority"] = cpu_kernels.PRIORITY
    arguments = EngineArgs(**{**options, **settings.vllm_options})
    gc.freeze()  # vLLM collects garbage several times as it starts: not among what was imported
    engine = LLMEngine.from_engine_args(arguments)
    if settings.lora_rank and not settings.on_gpu:
        engine.collective_rpc("multiply_one_adapter")
    return engine


def keep_to_avx2() -> None:
    """Make vLLM load its kernels for AVX2 if PyTorch is told to use its own for it; call it before vLLM is imported."""
    if keeps_to_avx2():
        os.environ["ONEDNN_MAX_CPU_ISA"] = os.environ["MKL_ENABLE_INSTRUCTIONS"] = "AVX2"
        import torch

        torch.cpu._is_avx512_supported = torch.cpu._is_avx512_bf16_supported = lambda: False


def _register(architectures: Iterable[str]) -> None:
    """Import the model's class here.

    The first time that a machine serves it, vLLM would do so in a process of its own, only to look at it: ten seconds
    that keep GPUs untouched in a process that is to be forked.
    """
    from vllm.model_executor.models.registry import ModelRegistry

    for name in architectures:
        if name in ModelRegistry.models:
            ModelRegistry.register_model(name, ModelRegistry.models[name].load_model_cls())


def sampling(request: Request, constraints: str, vocabulary: Vocabulary) -> Any:
    """vLLM's sampling parameters for a request: greedy, as long as its answer may be, held to its space."""
    from vllm import SamplingParams
    from vllm.sampling_params import RepetitionDetectionParams

    space = request.space
    options: dict[str, Any] = {"temperature": 0.0, "max_tokens": space.max_tokens, "detokenize": False}
    options["stop_token_ids"] = [vocabulary.end_id]  # vLLM, which has no tokenizer, does not know it
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
        options["stop_token_ids"] += space.stop_tokens
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
