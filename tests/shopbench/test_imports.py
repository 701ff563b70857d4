"""What is left out of imports, and that it is there afterwards."""

from __future__ import annotations

import gc
import sys
from importlib import import_module

import pytest

from shopbench import imports
from shopbench.imports import quick_imports


@pytest.mark.parametrize("is_imported", [False, True])
def test_what_is_left_out_is_there_afterwards(is_imported: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """And within, if somebody uses it already."""
    monkeypatch.setattr(imports, "_UNUSED", "colorsys")
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    if is_imported:
        import_module("colorsys")
    with quick_imports():
        assert not gc.isenabled()
        if is_imported:
            assert import_module("colorsys").rgb_to_hsv
        else:
            with pytest.raises(ImportError):
                import_module("colorsys")
    assert gc.isenabled() and import_module("colorsys").rgb_to_hsv


def test_an_error_within_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "_UNUSED", "colorsys")
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    with pytest.raises(ValueError), quick_imports():
        raise ValueError
    assert gc.isenabled() and import_module("colorsys").rgb_to_hsv
