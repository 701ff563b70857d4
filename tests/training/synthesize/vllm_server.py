"""vLLM's server, started in less time.

    python tests/training/synthesize/vllm_server.py --model M ...

Two processes import vLLM, not three: VLLM_ENABLE_V1_MULTIPROCESSING=0 lets `--distributed-executor-backend uni` hold
on a CPU. Both do it as our own engine's process does.
"""

import gc

from shopbench.imports import leave_out_unused

# Here and, as it imports this file, in the engine's process.
gc.disable()
leave_out_unused()
if __name__ == "__main__":
    from vllm.entrypoints.launchers.api_server.entry import main

    gc.enable()
    main()
