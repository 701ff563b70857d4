"""Checks of everything around the weights: the manifest, the image's inputs, git, and the evaluator's dry run."""

from __future__ import annotations

import codecs
import fnmatch
import hashlib
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from shopbench.files import read_json
from shopbench.requirements import canonical, requirement_lines
from shopbench.sample import read_samples, write_samples
from tools.submit.submission import GitError, Submission, Warned, git, plan, read_manifest

PLACEHOLDER = "aicrowd-participant"
BIG_FILE = 10_000_000
KEPT_IN_GIT = re.compile(r"weights/adapters/(embedded_\w+|qwen05b)/adapter_model\.safetensors")
"""Of 20 to 40 MB each, and meant: a clone without Git LFS must be able to run the small models."""
MOST_BYTES = 100e9
"""Of the checked-out submission. The winners' paper (4.6) says 100 GB, the kit 200 GB: we keep the smaller."""
_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([A-Za-z0-9.+!_-]+)$")
_DRY_RUN_EVERY = 3


def manifest(submission: Submission) -> Iterator[str]:
    """aicrowd.json: the track's challenge id, authors, gpu."""
    if (submission.root / "aicrowd.json").read_bytes().startswith(_MARKS):
        yield "aicrowd.json: begins with a byte-order mark, other readers refuse that; save it as UTF-8 without one"
    wanted, found = submission.track.challenge_id, submission.manifest.get("challenge_id")
    if found != wanted:
        yield f"aicrowd.json: challenge_id is {found!r}; set {wanted!r} (`push` does)"
    authors = submission.manifest.get("authors")
    named = isinstance(authors, list) and all(isinstance(name, str) and name.strip() for name in authors)
    if not named or not authors:
        yield 'aicrowd.json: names no authors; set "authors": ["<your AIcrowd user name>"]'
    elif PLACEHOLDER in authors:
        yield f"aicrowd.json: the author is still {PLACEHOLDER}; write your AIcrowd user name"
    if submission.manifest.get("gpu") is not True:
        yield 'aicrowd.json: asks for no GPU; set "gpu": true'


def interface(submission: Submission) -> Iterator[str]:
    """models.user_config imports offline, with the evaluator's interface."""
    script = (
        "from models.user_config import UserModel as m\n"
        "missing = [n for n in ('get_batch_size', 'batch_predict') if not callable(getattr(m, n, None))]\n"
        "assert not missing, f'UserModel has no {missing}'"
    )
    if failure := _failure(submission, "-c", script):
        yield f"models/user_config.py: cannot be used ({failure}); try: python -c 'import models.user_config'"


def requirements(submission: Submission) -> Iterator[str]:
    """requirements are pinned, and the lock is theirs."""
    texts, pins = [], []
    for name in ("requirements.txt", "requirements.lock"):
        try:
            texts.append((submission.root / name).read_text(encoding="utf-8"))
        except OSError as error:
            yield f"{name}: cannot be read ({error.strerror}); restore it, or make the lock: python -m tools.lock"
            continue
        pinned = {line: _PINNED.match(line) for line in requirement_lines(texts[-1])}
        pins.append({(canonical(pin[1]), pin[2]) for pin in pinned.values() if pin})
        for line in (line for line, pin in pinned.items() if not pin):
            yield f"{name}: {line!r} is not pinned; write <name>==<version>"
    if len(pins) < 2:
        return
    if not pins[0]:
        yield "requirements.txt: asks for nothing; restore it"
    if not pins[0] <= pins[1] or lock_mark(texts[0]) not in texts[1]:
        yield "requirements.lock: was resolved from another requirements.txt; make it again: python -m tools.lock"


def lock_mark(text: str) -> str:
    """What a lock says about the requirements it was resolved from."""
    digest = hashlib.sha256("\n".join(sorted(requirement_lines(text))).encode()).hexdigest()
    return f"# resolved from requirements.txt {digest}"


def docker_ignore(submission: Submission) -> Iterator[str]:
    """.dockerignore keeps the weights out of the image."""
    try:
        lines = (submission.root / ".dockerignore").read_text(encoding="utf-8").splitlines()
    except OSError:
        yield ".dockerignore: is missing, the image would hold the weights; restore it"
        return
    if not is_ignored_by_docker(lines, f"weights/track{submission.track.number}/model.safetensors"):
        yield ".dockerignore: lets weights/ into the image; add a line `weights`"


def is_ignored_by_docker(lines: list[str], path: str) -> bool:
    """Whether .dockerignore's lines keep `path` out: the last line that matches it or a folder above it decides."""
    parts, ignored = path.split("/"), False
    above = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
    for line in (line.strip() for line in lines):
        pattern = line.lstrip("!").strip("/")
        if pattern and not line.startswith("#") and any(fnmatch.fnmatchcase(name, pattern) for name in above):
            ignored = not line.startswith("!")
    return ignored


def large_files(submission: Submission) -> Iterator[str]:
    """Git LFS keeps every file over 10 MB, in what the push sends of the history too."""
    try:
        git(submission.root, "lfs", "version")
    except GitError:
        yield "git-lfs: is not installed; install it (Debian, Ubuntu: apt-get install git-lfs), then: git lfs install"
    named = set()
    for line in git(submission.root, "ls-tree", "-r", "-l", "-z", "HEAD").rstrip("\0").split("\0"):
        facts, path = line.split("\t", 1)
        size = facts.split()[3]  # what git itself keeps: of an LFS file its pointer, of a submodule "-"
        if size != "-" and int(size) > BIG_FILE and not KEPT_IN_GIT.fullmatch(path):
            named.add(path)
            yield f"{path}: {int(size) / 1e6:.0f} MB in git itself; move it: git lfs migrate import --include='{path}'"
    for path, count in sent_files(submission.root, submission.remote):
        if count > BIG_FILE and path not in named and not KEPT_IN_GIT.fullmatch(path):
            named.add(path)
            yield (
                f"{path}: {count / 1e6:.0f} MB in the history, which the push must send; "
                f"take it out: git lfs migrate import --include='{path}'"
            )


def sent_files(root: Path, remote: str) -> Iterator[tuple[str, int]]:
    """(path, bytes) of every file that a push of HEAD has to send: what the branches and tags of the remote lack."""
    try:
        there = {line.split()[0] for line in git(root, "ls-remote", remote).splitlines()}
    except GitError:  # another check says so; here, what it had when it was last asked
        there = set(git(root, "for-each-ref", "--format=%(objectname)", f"refs/remotes/{remote}").split())
    known = git(root, "cat-file", "--batch-check=%(objectname)", text="".join(f"{name}\n" for name in there))
    wanted = "".join(f"^{line}\n" for line in known.splitlines() if not line.endswith(" missing"))
    objects = git(root, "rev-list", "--objects", "--stdin", text=f"HEAD\n{wanted}")
    for line in git(root, "cat-file", "--batch-check=%(objecttype) %(objectsize) %(rest)", text=objects).splitlines():
        kind, size, path = [*line.split(" ", 2), ""][:3]
        if kind == "blob":
            yield path, int(size)


def size(submission: Submission) -> Iterator[str]:
    """the repository is under the size limit."""
    files = git(submission.root, "ls-files", "-z").split("\0")
    paths = [submission.root / name for name in files if name]
    total = sum(path.lstat().st_size for path in paths if path.is_symlink() or path.exists())
    if total > MOST_BYTES:
        remedy = "keep one set of weights on a branch (weights/README.md)"
        yield f"the repository: {total / 1e9:.1f} GB checked out, {MOST_BYTES / 1e9:.0f} GB allowed; {remedy}"


def tag(submission: Submission) -> Iterator[str]:
    """the tag has the right form and is new."""
    name, root = submission.tag, submission.root
    try:
        git(root, "check-ref-format", f"refs/tags/{name}")
    except GitError:
        yield f"tag {name!r}: is no name git allows; give another --name"
        return
    if git(root, "tag", "--list", name):
        yield f"tag {name}: is used already; give another --name"
    elif submission.remote not in git(root, "remote").split():
        yield f"remote {submission.remote!r}: is not known; git remote add {submission.remote} <address>, or --remote"
    elif (there := git(root, "ls-remote", "--tags", submission.remote, f"refs/tags/{name}")) and (
        there.split()[0] != plan(submission).commit  # the same one: a push that was killed at its very end goes on
    ):
        yield f"tag {name}: is used already at {submission.remote}; give another --name"


def clean(submission: Submission) -> Iterator[str]:
    """everything is committed."""
    if not git(submission.root, "branch", "--show-current"):
        yield "the work tree: is on no branch; git switch <branch>"
    changed = git(submission.root, "status", "--porcelain", "--untracked-files=all").splitlines()
    if read_manifest(submission.root) == submission.manifest:
        changed = [line for line in changed if line.split()[-1] != "aicrowd.json"]
    if changed:
        shown = ", ".join(line.split(maxsplit=1)[-1] for line in changed[:3])
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        yield f"the work tree: has changes that would not be sent ({shown}{more}); commit or stash them"


def dry_run(submission: Submission) -> Iterator[str]:
    """the evaluator's run: offline, batches of 1 to 16, inside the limits."""
    chosen = read_samples(submission.root / "data" / "sample_questions.jsonl")[::_DRY_RUN_EVERY]
    with tempfile.TemporaryDirectory() as folder:
        asked, results = Path(folder) / "questions.jsonl", Path(folder) / "results.json"
        write_samples(asked, chosen)
        command = ["local_evaluation.py", "--questions", str(asked), "--output", str(results)]
        command += ["--weights", str(submission.weights), "--enforce-limits", "--skip-missing-metrics"]
        if failure := _failure(submission, *command):
            yield f"dry run: {failure}; see: local_evaluation.py --enforce-limits --weights {submission.weights}"
            return
        found = read_json(results, "results")
        if unreadable := found["unreadable"]:
            yield f"dry run: the evaluator cannot read {unreadable} of {len(chosen)} answers; see results.json"
        if cut := found["model_counts"].get("unfinished"):
            yield Warned(
                f"dry run: {cut} of {len(chosen)} answers were cut for want of time on this machine; run it on a "
                "faster or a quiet one, or trust the projection (the check above)"
            )


def _failure(submission: Submission, *arguments: str) -> str:
    """Run Python on the submission, without network: the last thing it said if it failed, else ""."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=submission.root, env=submission.offline(), capture_output=True, text=True
    )
    code = done.returncode
    return (done.stderr.strip().splitlines() or [f"exit code {code}"])[-1] if code else ""
