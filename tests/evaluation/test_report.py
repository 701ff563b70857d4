"""The report page: complete, self-contained, safe against hostile text, and filtering in a real browser."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote

import pytest

from evaluation import report
from evaluation.benchmark import Options
from evaluation.journal import Batch
from evaluation.report import grade, render_report
from evaluation.results import Results, make_results
from evaluation.runner import Answers
from evaluation.suites.shopbench import SHOPBENCH, items_of
from shopbench.errors import exit_code_of
from shopbench.files import write_json
from shopbench.sample import Sample
from tests.evaluation.fakes import choice, entities, retrieval, text

HOSTILE = (
    "</pre></script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">&amp;'{{7*7}}"
)

SAMPLES: list[tuple[Sample, str]] = [
    (choice("Which is red?\n0. tomato\n1. snow", 0, "task2"), "0"),
    (choice("Which is white?\n0. tomato\n1. snow", 1, "task2"), "0"),
    (retrieval("Three of these", (1, 2, 4), "task3"), "1, 2, 3"),
    (entities("green shoe", ("green",)), HOSTILE),
    (text(HOSTILE, HOSTILE, task=f"task {HOSTILE}"), "Ein Überraschungsei"),
    (text("Say nothing", "nothing"), ""),
]


def results_of(samples: list[tuple[Sample, str]]) -> Results:
    outputs = [output for _, output in samples]
    batches = [Batch(list(range(len(samples))), outputs, 2.0, {"repaired": 1})]
    answers = Answers(outputs, [0.25] * len(samples), batches, 30.0, 0)
    items = items_of(sample for sample, _ in samples)
    return make_results(SHOPBENCH, f"questions {HOSTILE}.jsonl", items, answers, Options(), Path("weights"))


@pytest.fixture(scope="module")
def results() -> Results:
    return results_of(SAMPLES)


class Page(HTMLParser):
    """What a browser would see: tags with attributes, the scripts, and the text inside <pre>, one by one."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.pres: list[str] = []
        self._open = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in ("script", "pre"):
            self._open = tag
            (self.scripts if tag == "script" else self.pres).append("")

    def handle_endtag(self, tag: str) -> None:
        self._open = "" if tag == self._open else self._open

    def handle_data(self, data: str) -> None:
        if self._open:
            (self.scripts if self._open == "script" else self.pres)[-1] += data


def test_shows_every_question_answer_and_truth_as_they_are(results: Results) -> None:
    shown = Page(render_report(results)).pres
    assert shown[3 * 3 : 3 * 3 + 3] == ["green shoe", HOSTILE, "green"]
    for place, (sample, output) in enumerate(SAMPLES):
        assert shown[3 * place : 3 * place + 2] == [sample.input_field, output or "(empty)"]


def test_hostile_text_makes_no_tag_and_no_script(results: Results) -> None:
    page = Page(render_report(results))
    assert len(page.scripts) == 1
    assert "owned" not in page.scripts[0]
    assert "img" not in {tag for tag, _ in page.tags}
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]


def test_only_its_own_script_may_run(results: Results) -> None:
    page = Page(render_report(results))
    policy = next(a["content"] for _, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    digest = base64.b64encode(hashlib.sha256(page.scripts[0].encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"


def test_loads_nothing_from_anywhere(results: Results) -> None:
    html = render_report(results)
    links = [a[name] or "" for _, a in Page(html).tags for name in ("src", "href", "srcset", "action") if name in a]
    assert links
    assert all(link.startswith("#") for link in links)
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)
    assert style
    assert "url(" not in style[1]
    assert "@import" not in style[1]


def test_bars_are_as_long_as_scores(results: Results) -> None:
    rows = re.findall(r"task=(task\d)\".*?width: ([\d.]+)%", render_report(results), re.DOTALL)
    lengths = {name: float(width) for name, width in rows}
    assert lengths == {
        name: pytest.approx(100 * task["score"], abs=0.05)
        for name, task in results["per_task"].items()
        if name in lengths
    }
    assert set(lengths) == {"task2", "task3", "task4", "task6"}


def test_an_unscored_question_and_a_missing_metric_are_shown(results: Results) -> None:
    changed = json.loads(json.dumps(results))
    changed["samples"][0]["score"] = None
    changed["missing_metrics"] = {"some metric": {"questions": 1, "remedy": "get <it>"}}
    html = render_report(changed)
    assert "1 questions of some metric are not scored.</strong> get &lt;it&gt;" in html
    assert 'data-task="task2" data-grade="unscored"' in html


def test_warnings_are_shown_and_older_results_have_none(results: Results) -> None:
    assert "Warning" not in render_report(results)
    assert "<strong>Warning:</strong> 3 were &lt;cut&gt;" in render_report({**results, "warnings": ["3 were <cut>"]})
    older = {name: value for name, value in results.items() if name != "warnings"}
    assert render_report(older) == render_report(results)


def test_grades() -> None:
    found = [grade(score) for score in (None, 0.0, 1.0000000000000004, 1.5, 0.9996, 0.5, 0.01, 0.0001)]
    assert found == ["unscored", "wrong", "right", "right", "right", "partly", "partly", "wrong"]


def test_the_command_makes_the_page_anew(results: Results, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_json(tmp_path / "results.json", results, indent=1)
    page = tmp_path / "report.html"
    assert report.main([str(tmp_path / "results.json"), str(page)]) == 0
    assert page.read_text(encoding="utf-8") == render_report(results)
    (tmp_path / "other.json").write_text("{}")
    for bad in (tmp_path / "none.json", tmp_path / "other.json", page):
        assert exit_code_of(report.main, [str(bad), str(tmp_path / "new.html")]) == 2
        error = capsys.readouterr().err
        assert error.startswith(f"error: {bad}")
        assert error.count("\n") == 1
        assert not (tmp_path / "new.html").exists()


@pytest.fixture(scope="module")
def browser() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    return found or pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")


@pytest.mark.slow
@pytest.mark.parametrize(
    "filters",
    [
        "",
        "task=task2",
        "grade=wrong",
        "task=task2&grade=wrong",
        "text=TOMATO",
        "text=onerror&grade=wrong",
        "task=gone",
    ],
)
def test_filters_in_chromium(browser: str, results: Results, tmp_path: Path, filters: str) -> None:
    page = tmp_path / "report.html"
    page.write_text(render_report(results), encoding="utf-8")
    flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    flags += " --disable-component-update --disable-sync --virtual-time-budget=2000 --dump-dom"
    command = [
        browser,
        *flags.split(),
        f"--user-data-dir={tmp_path / 'profile'}",
        f"{page.as_uri()}#{quote(filters, '=&')}",
    ]
    dom = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    assert "<title>ShopBench" in dom  # no hostile script changed it

    wanted = dict(part.split("=") for part in filters.split("&") if part)
    expected = [
        sample["index"]
        for sample in results["samples"]
        if wanted.get("task", sample["task_name"]) in (sample["task_name"], "gone")
        and wanted.get("grade", grade(sample["score"])) == grade(sample["score"])
        and wanted.get("text", "").lower() in f"{sample['question']} {sample['output']} {sample['truth']}".lower()
    ]
    questions = [attributes for tag, attributes in Page(dom).tags if tag == "details"]
    assert [index for index, attributes in enumerate(questions) if "hidden" not in attributes] == expected
    assert f"{len(expected)} of {len(SAMPLES)} questions" in dom
