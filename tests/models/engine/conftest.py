"""Tiny random models, for what the embedded one cannot show: tensor parallelism, weights that cannot be served."""

from tests.training.conftest import tiny_model

__all__ = ["tiny_model"]
