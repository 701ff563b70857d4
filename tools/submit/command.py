"""Submit a track: check everything first, then push the tag that the competition's evaluator waits for.

    python -m tools.submit check --track 2
    python -m tools.submit push --track 2 --name v1 --remote origin [--dry-run]

`check` shows every problem at once, each with its remedy; what need not stop a submission is a warning. `push` checks,
sets aicrowd.json's challenge_id, and sends weights, branch and tag; if that fails, nothing here has changed, and the
same command goes on where it stopped.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from shopbench.errors import DONE, NOT_GOOD, UserError
from shopbench.files import ROOT
from shopbench.tracks import TRACKS
from tools.submit import evaluator, repository, weights
from tools.submit.submission import Submission, Warned, manifest_text, read_manifest, send, tag_of

Check = Callable[[Submission], Iterable[str]]
"""Yields what is wrong with a submission, each problem with its remedy; what only need be known as Warned.

Its docstring says what must hold.
"""
CHECKS: dict[str, Check] = {
    "manifest": repository.manifest,
    "interface": repository.interface,
    "whole": weights.whole,
    "safe": weights.only_safetensors,
    "quantized": weights.quantized,
    "scales": weights.finite_scales,
    "settings": evaluator.settings,
    "fits": evaluator.fits,
    "prompts": weights.provenance,
    "lfs": repository.large_files,
    "docker": repository.docker_ignore,
    "size": repository.size,
    "requirements": repository.requirements,
    "tag": repository.tag,
    "clean": repository.clean,
    "budget": evaluator.budget,
    "dry-run": repository.dry_run,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Check the track, and push it if that was asked for and nothing is wrong."""
    options = _parser().parse_args(argv)
    track, manifest = TRACKS[options.track], read_manifest(options.root)
    if options.command == "push":
        manifest = {**manifest, "challenge_id": track.challenge_id}
    submission = Submission(options.root, track, tag_of(track, options.name), options.remote, manifest)
    if failed := show_problems(submission, options.skip):
        print(f"\n{failed} checks failed: track {track.number} is not ready", file=sys.stderr)
        return NOT_GOOD
    if options.command == "push":
        _push(submission, options.dry_run)
    return DONE


def show_problems(submission: Submission, skip: Sequence[str]) -> int:
    """Run the checks, print each with its problems, and return how many failed."""
    failed, said = 0, set()
    for name, check in CHECKS.items():
        problems = [] if name in skip else problems_of(check, submission)
        fails = any(not isinstance(problem, Warned) for problem in problems)
        result = "skip" if name in skip else "FAIL" if fails else "warn" if problems else "ok"
        print(f"{result:4}  {name:13} {(check.__doc__ or '').removesuffix('.')}", flush=True)
        for problem in problems:
            # Missing weights fail every check of them: once is enough.
            print(f"      {'' if problem in said else '- '}{'(as above)' if problem in said else problem}", flush=True)
        said.update(problems)
        failed += fails
    return failed


def problems_of(check: Check, submission: Submission) -> list[str]:
    """What a check finds wrong; what it cannot look at is a problem, too."""
    problems = []
    try:
        for problem in check(submission):
            problems.append(problem)
    except UserError as error:
        problems.append(str(error))
    except OSError as error:
        if error.filename is None:
            raise
        problems.append(f"{error.filename}: cannot be checked ({error.strerror}); see that file")
    return problems


def _push(submission: Submission, dry_run: bool) -> None:
    planned = send(submission, dry_run)
    if dry_run:
        branch = f"as {planned.branch} and {submission.tag}"
        print(f"\ndry run: {planned.commit[:12]} would go to {submission.remote} {branch}")
        print(f"with aicrowd.json:\n{manifest_text(submission.manifest)}", end="")
        return
    print(f"\npushed {submission.tag} ({planned.commit[:12]}) and {planned.branch} to {submission.remote}")
    print("watch: the issues page of your repository on the competition's GitLab opens one issue for the tag,")
    print(f"with the image's build, the evaluation ({submission.track.minutes} minutes at most) and the score")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tools.submit",
        description="Check a track's submission, and push it.",
        epilog="exit codes: 0 done; 1 a check failed; 2 git, the remote or aicrowd.json refused; 130 interrupted",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, what in (("check", "show every problem"), ("push", "check, then send weights, branch and tag")):
        command = commands.add_parser(name, help=what)
        command.add_argument("--track", type=int, choices=TRACKS, required=True)
        tag = "the tag is submission-track<N>-<name> (default: %(default)s)"
        command.add_argument("--name", default="v1", help=tag)
        command.add_argument("--remote", default="origin", help="the competition's repository (default: %(default)s)")
        skip = "leave a check out, e.g. dry-run where no GPU can hold the weights; may be repeated"
        command.add_argument("--skip", action="append", default=[], choices=CHECKS, help=skip)
        command.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
        command.set_defaults(dry_run=False)
    commands.choices["push"].add_argument("--dry-run", action="store_true", help="talk to the remote, change nothing")
    return parser
