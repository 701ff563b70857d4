"""results.json as one self-contained HTML page: `python -m evaluation.report results.json report.html`.

The page loads nothing from anywhere and works without JavaScript (the script only filters). Questions and
answers are untrusted: Jinja escapes everything, and the page's content security policy admits one script,
the one of report_page/filter.js, by its hash.
"""

from __future__ import annotations

from shopbench.errors import UserError, run_command

if __name__ == "__main__":  # before what needs packages: where one is missing, that is one line
    run_command("evaluation.report")

import argparse
import base64
import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template, TemplateRuntimeError
from markupsafe import Markup

from evaluation.results import Results
from evaluation.table import averaged, groups_of, other_metrics, published_score
from shopbench.files import read_json, write_text
from shopbench.outputs import outputs

_PAGE = Path(__file__).resolve().parent / "report_page"
GRADES = ("right", "partly", "wrong", "unscored")
_GROUPS = {"group": "Groups of tasks", "type": "Task types"}


def render_report(results: Results) -> str:
    """The HTML page of a results.json; a KeyError if `results` lacks one of its keys."""
    script = (_PAGE / "filter.js").read_text(encoding="utf-8")
    return _template().render(
        results=results,
        averaged=averaged(results),
        groupings=[(name, _GROUPS[name], groups) for name, groups in groups_of(results).items()],
        grades=GRADES,
        grade_counts=Counter(grade(sample["score"]) for sample in results["samples"]),
        style=Markup((_PAGE / "style.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


@cache
def _template() -> Template:
    """The page's template, which is compiled once: that takes longer than to fill it."""
    environment = Environment(
        loader=FileSystemLoader(_PAGE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "score": _score,
        "published": published_score,
        "others": lambda scores: other_metrics(scores["metrics"], scores["metric"]),
        "truth": _truth,
        "grade": grade,
        "excerpt": _excerpt,
        "parsed": _parsed,
    }
    return environment.get_template("page.html.j2")


def grade(score: float | None) -> str:
    """What a score says at a glance: right (1), wrong (0), partly (between) or unscored."""
    if score is None:
        return "unscored"
    if score >= 0.9995:
        return "right"
    return "wrong" if score < 0.0005 else "partly"


def _score(score: float | None) -> str:
    return "–" if score is None else f"{score:.3f}"


def _truth(truth: Any) -> str:
    return ", ".join(map(str, truth)) if isinstance(truth, list) else str(truth)


def _parsed(parsed: Any) -> str:
    return parsed if isinstance(parsed, str) else json.dumps(parsed, ensure_ascii=False)


def _excerpt(text: str, length: int = 160) -> str:
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1] + "…"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m evaluation.report", description="Make the HTML page of a results.json."
    )
    parser.add_argument("results", type=Path, help="what local_evaluation.py wrote")
    parser.add_argument("report", type=Path, help="the page to write")
    options = parser.parse_args(argv)
    with outputs(options.report, inputs=[options.results]):
        results = read_json(options.results, "results of local_evaluation.py")
        try:
            page = render_report(results)
        except (KeyError, TypeError, AttributeError, TemplateRuntimeError) as error:
            problem = f"{options.results}: is no results.json of local_evaluation.py ({error}); run that"
            raise UserError(problem) from None
        write_text(options.report, page)
    return 0
