"""A folder whose tokenizer cannot be used is named in one line, whatever is wrong with its files."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.tokenizer import load_tokenizer
from models.weights import WeightsError
from tests.training.conftest import byte_tokenizer


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("tokenizer.json", "garbage", "cannot be loaded"),
        ("tokenizer.json", "{}", "cannot be loaded"),
        ("tokenizer.json", "version https://git-lfs.github.com/spec/v1\n", "cannot be loaded"),
        ("tokenizer_config.json", "[]", "cannot be loaded"),
        ("tokenizer_config.json", '{"a":' * 100_000, "cannot be loaded"),
        ("chat_template.jinja", "{{ raise_exception('System role not supported') }}", "System role not supported"),
        ("chat_template.jinja", "{% for %}", "chat template takes no system line"),
    ],
)
def test_a_tokenizer_that_cannot_be_used_is_one_line(tmp_path: Path, name: str, content: str, said: str) -> None:
    byte_tokenizer().save_pretrained(tmp_path)
    assert load_tokenizer(tmp_path).chat_template
    load_tokenizer.cache_clear()
    (tmp_path / name).write_text(content)
    with pytest.raises(WeightsError, match=said) as raised:
        load_tokenizer(tmp_path)
    assert "\n" not in str(raised.value) and str(tmp_path) in str(raised.value)
