"""Run another flow's script, which uses vLLM, in a number type of our choice.

    python -m benchmarks.peer TYPE SCRIPT ARGUMENT...

benchmarks/inference.py compares flows at equal type. vLLM knows no environment variable for it, so its default is
changed before the script runs; a script that names a type itself keeps it.
"""

from __future__ import annotations

import functools
import importlib
import os
import runpy
import sys

from models.engine.core import keep_to_avx2
from shopbench.errors import DONE, run_command


def main() -> int:
    number_type, script, *arguments = sys.argv[1:]
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # read when vLLM is imported, which is before the script sets it
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    keep_to_avx2()
    model = importlib.import_module("vllm").LLM
    model.__init__ = functools.partialmethod(model.__init__, dtype=number_type)
    sys.argv = [script, *arguments]
    runpy.run_path(script, run_name="__main__")
    return DONE


if __name__ == "__main__":
    run_command(main)
