"""Submit a track: check everything first, then push the tag that the competition's evaluator waits for.

    python -m tools.submit check --track 2
    python -m tools.submit push --track 2 --name v1 --remote origin [--dry-run]

`check` shows every problem at once, each with its remedy. `push` checks, sets aicrowd.json's challenge_id, and sends
weights, branch and tag; if that fails, nothing here has changed, and the same command goes on where it stopped.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from shopbench.errors import DONE, NOT_GOOD, UserError
from shopbench.files import ROOT
from shopbench.tracks import TRACKS
from tools.submit import repository as repository_checks
from tools.submit import weights as weight_checks
from tools.submit.push import send
from tools.submit.submission import Check, Submission, manifest_text, read_manifest, tag_of

CHECKS = (
    Check("manifest", "aicrowd.json: the track's challenge id, authors, gpu", repository_checks.manifest),
    Check(
        "interface", "models.user_config imports offline, with the evaluator's interface", repository_checks.interface
    ),
    Check("whole", "the track's weights: every shard whole, none an LFS pointer", weight_checks.whole),
    Check("safe", "the weights' folder: only safetensors, no code", weight_checks.only_safetensors),
    Check("quantized", "the weights are quantized", weight_checks.quantized),
    Check("scales", "no quantization scale is NaN or infinite", weight_checks.finite_scales),
    Check("fits", "the weights split over 4 T4s and leave room for a full context", weight_checks.fits),
    Check("prompts", "the weights were trained with today's prompts", weight_checks.provenance),
    Check("lfs", "Git LFS keeps every file over 10 MB", repository_checks.large_files),
    Check("docker", ".dockerignore keeps the weights out of the image", repository_checks.docker_ignore),
    Check("size", "the repository is under the size limit", repository_checks.size),
    Check("requirements", "requirements are pinned, and the lock is theirs", repository_checks.requirements),
    Check("tag", "the tag has the right form and is new", repository_checks.tag),
    Check("clean", "everything is committed", repository_checks.clean),
    Check("budget", "the projection to 4 T4s ends in time", weight_checks.budget),
    Check("dry-run", "the evaluator's run: offline, batches of 1 to 16, inside the limits", repository_checks.dry_run),
)


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
    for check in CHECKS:
        if check.name in skip:
            print(f"skip  {check.name:13} {check.what}", flush=True)
            continue
        problems = problems_of(check, submission)
        print(f"{'FAIL' if problems else 'ok  '}  {check.name:13} {check.what}", flush=True)
        for problem in problems:
            # Missing weights fail every check of them: once is enough.
            print(f"      {'' if problem in said else '- '}{'(as above)' if problem in said else problem}", flush=True)
        said.update(problems)
        failed += bool(problems)
    return failed


def problems_of(check: Check, submission: Submission) -> list[str]:
    """What a check finds wrong; what it cannot look at is a problem, too."""
    problems = []
    try:
        for problem in check.problems(submission):
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
        print(
            f"\ndry run: {planned.commit[:12]} would go to {submission.remote} as {planned.branch} and {submission.tag}"
        )
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
        command.add_argument(
            "--name", default="v1", help="the tag is submission-track<N>-<name> (default: %(default)s)"
        )
        command.add_argument("--remote", default="origin", help="the competition's repository (default: %(default)s)")
        command.add_argument(
            "--skip",
            action="append",
            default=[],
            choices=[check.name for check in CHECKS],
            help="leave a check out, e.g. dry-run where no GPU can hold the weights; may be repeated",
        )
        command.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
        command.set_defaults(dry_run=False)
    commands.choices["push"].add_argument("--dry-run", action="store_true", help="talk to the remote, change nothing")
    return parser
