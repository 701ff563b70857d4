"""Every check of tools.submit: silent on a good repository, and on a broken one it says what and the remedy."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from shopbench.errors import exit_code_of
from tests.tools.scratch import CONFIG, commit, git, make_weights, submission
from tools.submit import repository as repository_checks
from tools.submit.command import CHECKS, main, problems_of
from tools.submit.repository import is_ignored_by_docker
from tools.submit.submission import manifest_text, read_manifest

pytestmark = pytest.mark.slow  # a repository of its own for each, with Git LFS


def problems(root: Path, name: str) -> list[str]:
    return problems_of(CHECKS[name], submission(root))


@pytest.mark.parametrize("name", [name for name in CHECKS if name != "dry-run"])
def test_a_good_repository_has_no_problem(small: Path, name: str) -> None:
    assert problems(small, name) == []


def weights(root: Path) -> Path:
    return root / "weights" / "track2"


def change_json(path: Path, **values: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def change_tensor(root: Path, change: Callable[[dict[str, np.ndarray]], None]) -> None:
    tensors = dict(load_file(weights(root) / "model.safetensors"))
    change(tensors)
    save_file(tensors, weights(root) / "model.safetensors")


def two_shards(root: Path, **wrong: str) -> None:
    tensors = load_file(weights(root) / "model.safetensors")
    (weights(root) / "model.safetensors").unlink()
    places = {}
    for number, (name, tensor) in enumerate(tensors.items(), 1):
        places[name] = f"model-{number}.safetensors"
        save_file({name: tensor}, weights(root) / places[name])
    index = {"weight_map": {**places, **wrong}}
    (weights(root) / "model.safetensors.index.json").write_text(json.dumps(index))


def pointer(root: Path) -> None:
    text = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"
    (weights(root) / "model.safetensors").write_text(text)


def cut(root: Path) -> None:
    file = weights(root) / "model.safetensors"
    os.truncate(file, file.stat().st_size - 100)


def lengthen(root: Path) -> None:
    with open(weights(root) / "model.safetensors", "ab") as file:
        file.write(bytes(100))


def big_plain_file(root: Path) -> None:
    (root / "data" / "big.bin").write_bytes(os.urandom(10_100_000))
    commit(root, "Add a big file")


def remove(path: Path) -> None:
    path.unlink()


BROKEN: dict[str, tuple[str, Callable[[Path], object], str, str]] = {
    "placeholder author": (
        "manifest",
        lambda root: change_json(root / "aicrowd.json", authors=["aicrowd-participant"]),
        "the author is still",
        "write your AIcrowd user name",
    ),
    "a marked manifest": (
        "manifest",
        lambda root: (root / "aicrowd.json").write_text((root / "aicrowd.json").read_text(), encoding="utf-8-sig"),
        "byte-order mark",
        "save it as UTF-8 without one",
    ),
    "no authors": ("manifest", lambda root: change_json(root / "aicrowd.json", authors=[]), "no authors", '"authors":'),
    "no gpu": ("manifest", lambda root: change_json(root / "aicrowd.json", gpu="yes"), "no GPU", '"gpu": true'),
    "broken code": (
        "interface",
        lambda root: (root / "models" / "user_config.py").write_text("import no_such_module\n"),
        "No module named 'no_such_module'",
        "try: python -c",
    ),
    "code that needs the network": (
        "interface",
        lambda root: (root / "models" / "user_config.py").write_text(
            "import urllib.request\nurllib.request.urlopen('http://example.com')\n"
        ),
        "no network here: example.com",
        "try: python -c",
    ),
    "another interface": (
        "interface",
        lambda root: (root / "models" / "user_config.py").write_text("class UserModel:\n    get_batch_size = 16\n"),
        "UserModel has no ['get_batch_size', 'batch_predict']",
        "try: python -c",
    ),
    "no weights": ("whole", lambda root: remove(weights(root) / "model.safetensors"), "no *.safetensors file", "only"),
    "a pointer": ("whole", pointer, "is a Git LFS pointer", "git lfs pull"),
    "a file cut short": ("whole", cut, "is no whole safetensors file", "fetch it again"),
    "a file with a tail": ("whole", lengthen, "too long", "fetch it again"),
    "no safetensors": (
        "whole",
        lambda root: (weights(root) / "model.safetensors").write_bytes((20).to_bytes(8, "little") + b"x" * 20),
        "is no whole safetensors file",
        "fetch it again",
    ),
    "a broken index": (
        "whole",
        lambda root: (two_shards(root), (weights(root) / "model.safetensors.index.json").write_text("{")),
        "the index of the shards is broken JSON",
        "copy it again",
    ),
    "an index without shards": (
        "whole",
        lambda root: (two_shards(root), (weights(root) / "model.safetensors.index.json").write_text("{}")),
        "has no weight_map",
        "copy it again",
    ),
    "scales in a file cut short": ("scales", cut, "is no whole safetensors file", "fetch it again"),
    "a missing shard": ("whole", lambda root: two_shards(root, lost="model-3.safetensors"), "is missing", "copy it"),
    "a tensor that is elsewhere": (
        "whole",
        lambda root: two_shards(root, lost="model-1.safetensors"),
        "1 tensors are not in their shards (lost first)",
        "copy the weights again",
    ),
    "shards without index": (
        "whole",
        lambda root: (two_shards(root), remove(weights(root) / "model.safetensors.index.json")),
        "2 shards and no model.safetensors.index.json",
        "copy it again",
    ),
    "a pickle": (
        "safe",
        lambda root: (weights(root) / "pytorch_model.bin").write_bytes(b"\x80"),
        "pytorch_model.bin: is no safetensors",
        "delete it",
    ),
    "code in the weights": ("safe", lambda root: (weights(root) / "modeling.py").touch(), "modeling.py", "delete it"),
    "remote code": (
        "safe",
        lambda root: change_json(weights(root) / "config.json", auto_map={"AutoModel": "modeling.Model"}),
        "names code to run (auto_map)",
        "delete that entry",
    ),
    "a broken tokenizer": (
        "safe",
        lambda root: (weights(root) / "tokenizer_config.json").write_text("{"),
        "the configuration is broken JSON",
        "copy it again",
    ),
    "not quantized": (
        "quantized",
        lambda root: change_json(weights(root) / "config.json", quantization_config=None),
        "is not quantized",
        "training.quantize",
    ),
    "a scale that is no number": (
        "scales",
        lambda root: change_tensor(root, lambda t: t.update({"a.scales": np.array([np.nan], np.float16)})),
        "a.scales is not finite",
        "quantize again",
    ),
    "no scales": (
        "scales",
        lambda root: change_tensor(root, lambda t: t.pop("model.layers.0.mlp.down_proj.scales")),
        "has no scales",
        "training.quantize",
    ),
    "other prompts": (
        "prompts",
        lambda root: change_json(weights(root) / "provenance.json", prompt_hash="0" * 64),
        "today's prompts have",
        "restore prompts/",
    ),
    "no provenance": ("prompts", lambda root: remove(weights(root) / "provenance.json"), "cannot be read", "again"),
    "a big file in git": ("lfs", big_plain_file, "data/big.bin: 10 MB in git itself", "git lfs migrate import"),
    "no .dockerignore": ("docker", lambda root: remove(root / ".dockerignore"), "is missing", "restore it"),
    "weights in the image": (
        "docker",
        lambda root: (root / ".dockerignore").write_text("**\n!weights\n"),
        "lets weights/ into the image",
        "add a line",
    ),
    "a version range": (
        "requirements",
        lambda root: (root / "requirements.txt").write_text("vllm>=0.32\n"),
        "'vllm>=0.32' is not pinned",
        "<name>==<version>",
    ),
    "a stale lock": (
        "requirements",
        lambda root: (root / "requirements.txt").open("a").write("six==1.17.0\n"),
        "resolved from another requirements.txt",
        "python -m tools.lock",
    ),
    "no lock": ("requirements", lambda root: remove(root / "requirements.lock"), "cannot be read", "tools.lock"),
    "a used tag": ("tag", lambda root: git(root, "tag", "submission-track2-v1"), "is used already", "another --name"),
    "no remote": ("tag", lambda root: git(root, "remote", "remove", "origin"), "is not known", "git remote add"),
    "a tag used at the remote": (
        "tag",
        lambda root: git(root, "push", "-q", "--no-verify", "origin", "HEAD:refs/tags/submission-track2-v1"),
        "is used already at origin",
        "another --name",
    ),
    "a changed file": ("clean", lambda root: (root / "README.md").write_text("x"), "README.md", "commit or stash"),
    "a new file": ("clean", lambda root: (root / "new.txt").write_text("x"), "new.txt", "commit or stash"),
    "no branch": ("clean", lambda root: git(root, "checkout", "-q", "--detach"), "is on no branch", "git switch"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_repository_gets_the_problem_and_its_remedy(small: Path, case: str) -> None:
    name, tamper, says, remedy = BROKEN[case]
    tamper(small)
    found = problems(small, name)
    assert len(found) >= 1
    assert any(says in problem and remedy in problem for problem in found), found
    assert all("\n" not in problem for problem in found)


@pytest.mark.parametrize(
    ("changes", "name", "says"),
    [
        # 32 GB in all, a big GPU's share each: split in four, and 450 is no multiple of 128 x 4.
        ({"hidden_size": 8192, "num_attention_heads": 64, "intermediate_size": 450}, "fits", "pad the model"),
        ({"num_hidden_layers": 900, "hidden_size": 4096, "intermediate_size": 32768}, "fits", "leave no room"),
        ({"num_hidden_layers": 200, "hidden_size": 8192, "intermediate_size": 32768}, "budget", "no memory left"),
        ({"num_experts": 8, "hidden_size": 8192, "intermediate_size": 32768}, "budget", "mixture of experts"),
    ],
)
def test_weights_too_big_for_the_evaluator_are_refused(
    small: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, int], name: str, says: str
) -> None:
    change_json(weights(small) / "config.json", **changes)
    from models import weights as module

    real = module.check_weights(weights(small))
    size = 32_000_000_000
    for where in ("tools.submit.evaluator", "models.weights"):
        monkeypatch.setattr(f"{where}.check_weights", lambda folder: module.Weights(real.folder, real.config, size))
    found = problems(small, name)
    assert len(found) == 1
    assert says in found[0]


def test_the_embedded_adapters_may_be_in_git(small: Path) -> None:
    adapter = small / "weights" / "adapters" / "embedded_a" / "adapter_model.safetensors"
    adapter.parent.mkdir(parents=True)
    adapter.write_bytes(os.urandom(10_100_000))
    commit(small, "Add an adapter")
    assert problems(small, "lfs") == []


def big_in_history(root: Path, name: str = "data/big.bin", times: int = 1) -> None:
    """A big file that was committed and deleted again."""
    for _ in range(times):
        (root / name).write_bytes(os.urandom(10_100_000))
        commit(root, "Add a big file")
    (root / name).unlink()
    commit(root, "Delete it")


@pytest.mark.parametrize("name", ["data/big.bin", "data/größe ⌀ 3 x.bin", "weights/old.safetensors.bak"])
def test_a_big_file_in_the_history_is_named_and_the_remedy_helps(small: Path, name: str) -> None:
    big_in_history(small, name, times=2)
    (problem,) = problems(small, "lfs")
    assert problem.startswith(f"{name}: 10 MB in the history, which the push must send; ")
    remedy = problem.split(": ")[-1]
    assert remedy == f"git lfs migrate import --include='{name}'"
    subprocess.run(f"{remedy} --yes", shell=True, cwd=small, check=True, capture_output=True)
    assert problems(small, "lfs") == []


def test_what_the_remote_has_need_not_be_sent(small: Path) -> None:
    """Known by asking it: a tag of it counts, and no branch of it need have been fetched."""
    big_in_history(small)
    git(small, "push", "--quiet", "--no-verify", "origin", "HEAD:refs/tags/before")
    assert git(small, "for-each-ref", "refs/remotes") == ""
    assert problems(small, "lfs") == []
    big_in_history(small, "data/another.bin")
    (problem,) = problems(small, "lfs")
    assert problem.startswith("data/another.bin: 10 MB in the history")


def test_a_branch_that_is_not_sent_does_not_count(small: Path) -> None:
    git(small, "switch", "--quiet", "--create", "other")
    big_in_history(small)
    git(small, "switch", "--quiet", "main")
    assert problems(small, "lfs") == []
    git(small, "merge", "--quiet", "--no-ff", "--no-edit", "other")
    assert [problem.split(":")[0] for problem in problems(small, "lfs")] == ["data/big.bin"]


def test_without_the_remote_what_it_had_when_it_was_last_asked_counts(small: Path, tmp_path: Path) -> None:
    big_in_history(small)
    git(small, "push", "--quiet", "--no-verify", "origin", "main")
    (tmp_path / "remote.git").rename(tmp_path / "elsewhere")
    assert problems(small, "lfs") == []
    git(small, "update-ref", "-d", "refs/remotes/origin/main")
    assert len(problems(small, "lfs")) == 1


def test_a_remote_with_commits_that_are_not_here_is_no_obstacle(small: Path, tmp_path: Path) -> None:
    git(small, "push", "--quiet", "--no-verify", "origin", "main")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", (tmp_path / "remote.git").as_uri(), str(clone))
    (clone / "new").touch()
    commit(clone, "Not known here")
    git(clone, "push", "--quiet", "--no-verify", "origin", "main")
    big_in_history(small)
    assert [problem.split(":")[0] for problem in problems(small, "lfs")] == ["data/big.bin"]


def test_the_size_limit(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repository_checks, "MOST_BYTES", 1e6)
    (problem,) = problems(small, "size")
    assert "checked out, 0 GB allowed" in problem
    assert "one set of weights on a branch" in problem


def test_a_manifest_that_push_has_already_set_is_no_change(small: Path) -> None:
    sent = submission(small)
    (small / "aicrowd.json").write_text(manifest_text(sent.manifest))
    assert read_manifest(small)["challenge_id"] == sent.track.challenge_id
    assert problems(small, "clean") == []


@pytest.mark.parametrize(
    ("lines", "ignored"),
    [
        (["weights"], True),
        (["/weights/"], True),
        (["*"], True),
        (["**", "!weights/README.md"], True),
        (["*", "!weights"], False),
        (["# weights"], False),
        (["*.bin"], False),
        ([], False),
    ],
)
def test_how_dockerignore_is_read(lines: list[str], ignored: bool) -> None:
    assert is_ignored_by_docker(lines, "weights/track2/model.safetensors") is ignored


def test_all_problems_are_shown_at_once(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change_json(small / "aicrowd.json", authors=["aicrowd-participant"], gpu=False)
    remove(weights(small) / "model.safetensors")
    (small / ".dockerignore").write_text("")
    assert main(["check", "--track", "2", "--root", str(small), "--skip", "dry-run"]) == 1
    printed = capsys.readouterr()
    for part in (
        "challenge_id is",
        "still aicrowd-participant",
        "asks for no GPU",
        "no *.safetensors",
        "lets weights/ into",
    ):
        assert printed.out.count(part) == 1, printed.out
    assert "(as above)" in printed.out
    assert "skip  dry-run" in printed.out
    assert "checks failed: track 2 is not ready" in printed.err


def test_a_folder_that_holds_nothing_fails(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Track 1 has no weights here: nothing to check is no success."""
    assert main(["check", "--track", "1", "--root", str(small), "--skip", "dry-run"]) == 1
    printed = capsys.readouterr().out
    for name in ("whole", "safe", "quantized", "scales", "fits", "prompts", "budget"):
        assert f"FAIL  {name}" in printed


@pytest.mark.parametrize("content", [None, "{", "[]"])
def test_a_manifest_that_cannot_be_read_is_bad_input(
    small: Path, content: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    (small / "aicrowd.json").unlink()
    if content is not None:
        (small / "aicrowd.json").write_text(content)
    assert exit_code_of(main, ["check", "--track", "2", "--root", str(small)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"error: {small / 'aicrowd.json'}: the manifest ")
    assert printed.err.endswith("; restore it: git checkout aicrowd.json\n")


def test_a_broken_manifest_in_the_last_commit_is_a_problem(small: Path) -> None:
    good = (small / "aicrowd.json").read_text()
    (small / "aicrowd.json").write_text("{")
    commit(small, "Break the manifest")
    git(small, "push", "-q", "--no-verify", "origin", "HEAD:refs/tags/submission-track2-v1")
    (small / "aicrowd.json").write_text(good)
    (problem,) = problems(small, "tag")
    assert "broken JSON in the last commit" in problem
    assert "commit a whole one" in problem


def test_what_the_machine_refuses_is_a_problem_and_a_fault_of_ours_is_not(small: Path) -> None:
    def refused(_: object) -> list[str]:
        raise PermissionError(13, "Permission denied", "weights/x")

    def broken(_: object) -> list[str]:
        raise ValueError("ours")

    assert problems_of(refused, submission(small)) == [
        "weights/x: cannot be checked (Permission denied); see that file"
    ]
    with pytest.raises(ValueError, match="ours"):
        problems_of(broken, submission(small))


def test_tracks_that_share_weights(small: Path) -> None:
    """weights/track4 is a link to weights/track2: one copy, checked for both."""
    assert problems_of(CHECKS["whole"], submission(small, track=4)) == []
    assert CONFIG["num_attention_heads"] == 4
    assert not (small / "weights" / "track5").exists()
    make_weights(small / "weights" / "track3")
    assert problems_of(CHECKS["whole"], submission(small, track=5)) == []
