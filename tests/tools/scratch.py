"""A repository to submit from, with weights that pass, and a bare one to push to; all under a test's own folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from shopbench.prompts import prompt_hash
from shopbench.tracks import TRACKS
from tests.training.conftest import byte_tokenizer
from tools.submit.submission import Submission, read_manifest, tag_of

CONFIG = {
    "architectures": ["Qwen2ForCausalLM"],
    "model_type": "qwen2",
    "hidden_size": 256,
    "intermediate_size": 512,
    "max_position_embeddings": 4096,
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "num_key_value_heads": 2,
    "quantization_config": {"quant_method": "awq", "bits": 4, "group_size": 128, "version": "gemm", "zero_point": True},
    "tie_word_embeddings": False,
    "vocab_size": 512,
}


def git(folder: Path, *arguments: str, environment: dict[str, str] | None = None) -> str:
    """Git's output; CalledProcessError if it fails."""
    command = ["git", "-C", str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return done.stdout.strip()


def own_git_home(folder: Path, environment: pytest.MonkeyPatch) -> None:
    """Keep git away from this machine's settings and from this repository's."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        environment.delenv(name)
    values = {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    for name, value in {**values, "GIT_CEILING_DIRECTORIES": str(folder.parent)}.items():
        environment.setenv(name, value)
    (folder / ".gitconfig").write_text("[user]\nname = Tester\nemail = tester@example.invalid\n")


def copy_of(repository: Path, folder: Path) -> Path:
    """A repository of its own with the files of this one (as they stand, committed or not), on branch main.

    What no submission needs stays away, as every test has a copy: tens of megabytes of adapters, and half of all files.
    Git's own files are few: one pack, no sample hooks.
    """
    listed = git(repository, "ls-files", "--cached", "--others", "--exclude-standard", "-z").split("\0")
    for name in filter(None, listed):
        source, target = repository / name, folder / name
        if (source.is_symlink() or source.is_file()) and not name.startswith(("weights/adapters/", "tests/", "docs/")):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
    git(folder, "init", "--quiet", "--initial-branch", "main", "--template=")
    git(folder, "lfs", "install", "--local")
    manifest = {**read_manifest(folder), "authors": ["tester"]}
    (folder / "aicrowd.json").write_text(json.dumps(manifest, indent=2) + "\n")
    commit(folder, "Copy")
    git(folder, "repack", "-adq")
    return folder


def commit(folder: Path, message: str) -> None:
    """Commit everything."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)


def bare(folder: Path, source: Path) -> Path:
    """A bare repository, known to `source` as origin through a file:// address."""
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch", "main", str(folder)], check=True)
    git(source, "remote", "add", "origin", folder.as_uri())
    return folder


def with_lfs() -> dict[str, str]:
    """An environment in which every clone uses LFS, as after `git lfs install`."""
    names = ("clean", "git-lfs clean -- %f"), ("smudge", "git-lfs smudge -- %f"), ("required", "true")
    settings = {"GIT_CONFIG_COUNT": str(len(names))}
    for number, (name, value) in enumerate(names):
        settings |= {f"GIT_CONFIG_KEY_{number}": f"filter.lfs.{name}", f"GIT_CONFIG_VALUE_{number}": value}
    return {**os.environ, **settings}


def make_weights(folder: Path, megabytes: float = 1) -> Path:
    """Weights that pass every check, of this size."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "provenance.json").write_text(json.dumps({"prompt_hash": prompt_hash()}))
    block = np.frombuffer(os.urandom(1_000_000), np.uint8)
    tensors = {
        "model.layers.0.mlp.down_proj.qweight": np.resize(block, int(megabytes * 1e6)),
        "model.layers.0.mlp.down_proj.scales": np.full((4, 256), 0.01, np.float16),
    }
    save_file(tensors, folder / "model.safetensors")
    byte_tokenizer().save_pretrained(folder)
    return folder


def submission(root: Path, track: int = 2, name: str = "v1") -> Submission:
    """The submission of a track, aicrowd.json as `push` would set it."""
    manifest = {**read_manifest(root), "challenge_id": TRACKS[track].challenge_id}
    return Submission(root, TRACKS[track], tag_of(TRACKS[track], name), "origin", manifest)
