"""The results as they are shown: one table, and below it what speeds mean and what vLLM chose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tabulate import tabulate

from benchmarks.gpu.compare import ALL, Agreement
from benchmarks.gpu.steps import STEPS
from tools.budget.devices import CASES

_HEADERS = ("step", "result", "start s", "questions/s", "same answers as", "all", "by task type")
_WIDTHS = (None, 40, None, None, None, None, 60)


def table(steps: Mapping[str, Any], agreed: Mapping[str, Mapping[str, Mapping[str, Agreement]]]) -> str:
    """All of it, in the order of the steps."""
    rows = [row for name in STEPS if name in steps for row in _rows(name, steps[name], agreed.get(name, {}))]
    shown = tabulate(rows, _HEADERS, disable_numparse=True, maxcolwidths=list(_WIDTHS))
    return "\n".join([shown, "", *speeds(steps), *_chosen(steps)]).rstrip()


def one_line(name: str, facts: Mapping[str, Any]) -> str:
    """A step that is done, as it is shown while others are still to come."""
    parts = [facts["result"], facts.get("reason", ""), f"{facts['seconds']} s" if "seconds" in facts else ""]
    return f"{name}: {', '.join(filter(None, parts))}"


def _rows(name: str, facts: Mapping[str, Any], others: Mapping[str, Mapping[str, Agreement]]) -> list[list[str]]:
    result = f"{facts['result']}: {facts['reason']}" if facts.get("reason") else facts["result"]
    start = [name, result, _number(facts.get("start_s")), _number(facts.get("questions_per_s"))]
    if not others:
        return [[*start, "", "", ""]]
    rows = []
    for other, kinds in others.items():
        by_type = ", ".join(f"{kind} {one.text}" for kind, one in kinds.items() if kind != ALL)
        rows.append([*start, other, f"{kinds[ALL].equal}/{kinds[ALL].total}", by_type])
        start = [""] * len(start)
    return rows


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def speeds(steps: Mapping[str, Any]) -> list[str]:
    """Lines: speeds by those of other ways to ask, what was replaced, and measured times against projected ones."""
    known = {name: facts["questions_per_s"] for name, facts in steps.items() if facts.get("questions_per_s")}
    lines = []
    if "exact" in known:
        for name in ("winners", "plain", "eager"):
            if name in known:
                lines.append(f"questions a second, exact to {name}: {known['exact'] / known[name]:.2f}")
    if "lora" in known:
        share = known["lora"] / steps["lora"]["merged_questions_per_s"]
        lines.append(f"questions a second, adapter served to merged: {share:.2f}")
    if "cut_call_s" in steps.get("exact", {}):
        lines.append(f"exact, a call that is cut comes back after {steps['exact']['cut_call_s']:g} s")
    for name, facts in steps.items():
        if repaired := facts.get("stats", {}).get("repaired"):
            lines.append(f"{name}: {repaired} answers could not be read and were replaced by fallbacks")
    large = steps.get("72b", {})
    for what, milliseconds in large.get("measured_ms", {}).items():
        lines.append(f"72b, ms a {what.replace('_', ' ')}: {milliseconds:g}{_against(large, what, milliseconds)}")
    return lines


def _against(facts: Mapping[str, Any], what: str, measured: float) -> str:
    if "projected_ms" not in facts:
        return " (no projection for this machine)"
    slow, typical, fast = (facts["projected_ms"][what][CASES.index(case)] for case in CASES)
    place = "slower than" if measured > slow else "faster than" if measured < fast else "within"
    return f", projected {typical:g} ({fast:g} to {slow:g}) on {facts['projected_on']}: {place} the range"


def _chosen(steps: Mapping[str, Any]) -> list[str]:
    return [f"{name}: {'; '.join(steps[name]['vllm_says'])}" for name in STEPS if steps.get(name, {}).get("vllm_says")]
