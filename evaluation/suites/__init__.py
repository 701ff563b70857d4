"""The benchmarks, a module or package each; a new one is a line in BENCHMARKS."""

from __future__ import annotations

from evaluation.benchmark import Benchmark
from evaluation.suites.ecinstruct.suite import ECINSTRUCT
from evaluation.suites.ecominstruct.suite import ECOMINSTRUCT
from evaluation.suites.shopbench import SHOPBENCH
from evaluation.suites.shopping_mmlu.suite import SHOPPING_MMLU

BENCHMARKS: dict[str, Benchmark] = {
    benchmark.name: benchmark for benchmark in (SHOPBENCH, ECINSTRUCT, ECOMINSTRUCT, SHOPPING_MMLU)
}
"""By the name that --benchmark takes."""
