"""What a backend is: a module that wraps one quantization library, which has an environment of its own."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, Protocol, cast

from shopbench.errors import UserError

BACKENDS = {"autoawq": "training.quantize.autoawq", "llmcompressor": "training.quantize.llmcompressor"}


class Backend(Protocol):
    """The functions and constants of training/quantize/autoawq.py and llmcompressor.py.

    Attributes:
        VERSIONS: of the library and what it builds on, for provenance.json.
        OUTPUTS: what every layer's outputs must be a multiple of.
    """

    VERSIONS: dict[str, str]
    OUTPUTS: int

    def readable(self, model: Path) -> Path:
        """A folder with the same weights that this environment's transformers understands."""

    def quantize(self, model: Path, texts: list[list[int]], group: int, method: str, output: Path) -> None:
        """Write `model` in 4 bits to `output`, calibrated on `texts` (token ids)."""

    def read_back(self, model: Path, output: Path) -> Any:
        """The model that stands in `output` with its weights made float again; `model` is the float one."""


def load_backend(name: str, method: str) -> Backend:
    """The backend's module; UserError if it cannot do `method` or this environment has not its library."""
    if method == "gptq" and name != "llmcompressor":
        raise UserError("--method gptq needs --backend llmcompressor")
    try:
        return cast(Backend, importlib.import_module(BACKENDS[name]))
    except ImportError as error:
        if (error.name or "").split(".")[0] in ("training", "shopbench"):
            raise
        raise UserError(f"backend {name}: {error}; run this in an environment of requirements-{name}.txt") from None
