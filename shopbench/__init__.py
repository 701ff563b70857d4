"""The ShopBench domain: task types, tracks, questions, prompts, answers and metrics.

Imports only the standard library at module level, so that the evaluator, the training scripts and the
tools can all use it without paying for (or having) an engine.
"""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The repository's folder."""
