"""`python -m training.data.download NAME --output DIR`: get a public dataset by its name, into DIR/NAME.

What the Hugging Face Hub holds is fetched with huggingface-hub: an interrupted download goes on where it stopped,
and every file is checked against the checksum the Hub gives. `download.json` beside the files records the revision
and the checksums; the next download of that folder takes the same revision (or the one given with --revision).
For the others the place, the licence and the file names are printed: their owners ask for a login, a form, or a git
clone. Nothing downloaded here belongs into this repository.
"""

from __future__ import annotations

from shopbench.errors import DONE, UserError, nearest, run_command

if __name__ == "__main__":  # before what needs packages: where one is missing, that is one line
    run_command("training.data.download")

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, snapshot_download
from tqdm import tqdm

from shopbench.files import ROOT, read_json_if_any, write_json
from shopbench.outputs import outputs, room_for
from training.data.catalogue import all_datasets
from training.data.hashes import source_hash
from training.hub import hub_errors

RECORD = "download.json"
"""Beside a dataset's files: what they are, and of which revision."""


def download(name: str, output: Path, revision: str | None = None, only: tuple[str, ...] = ()) -> Path:
    """Fetch a dataset into `output`/`name` and return that folder; a UserError says what to do otherwise.

    Args:
        revision: commit to take; None for the one recorded in the folder, or the newest, which is then recorded.
        only: words of which a file's path must hold one (a category, say).
    """
    datasets = all_datasets()
    if name not in datasets:
        raise UserError(f"unknown dataset {name!r}; {nearest(name, datasets)}")
    dataset, folder = datasets[name], output / name
    if dataset.hub is None:
        raise UserError(f"{name} ({dataset.licence}) is got by hand, into {folder}: {dataset.place}")
    record = folder / RECORD
    recorded = read_json_if_any(record).get("revision")  # one that is broken is made anew
    with room_for(folder, ", then run the same command again to go on"), hub_errors(dataset.hub):
        info = HfApi().dataset_info(dataset.hub, revision=revision or recorded, files_metadata=True)
        offered = [file for file in info.siblings or [] if any(map(Path(file.rfilename).match, dataset.files))]
        wanted = [file for file in offered if not only or any(word in file.rfilename for word in only)]
        if not wanted:
            raise UserError(f"{dataset.hub}: no file like {', '.join(dataset.files)} {' '.join(only)}; see --only")
        names = [file.rfilename for file in wanted]
        snapshot_download(dataset.hub, repo_type="dataset", revision=info.sha, local_dir=folder, allow_patterns=names)
    files = {file.rfilename: _checked(folder / file.rfilename, file) for file in tqdm(wanted, desc="checking")}
    facts = {"dataset": dataset.hub, "licence": dataset.licence, "revision": info.sha, "sha256": files}
    write_json(record, facts, indent=1)
    return folder


def _checked(path: Path, file: Any) -> str:
    """The SHA-256 of a downloaded file; a file that is not what the Hub says is deleted."""
    found = source_hash(path)
    expected = file.lfs.sha256 if file.lfs else None
    whole = path.stat().st_size == file.size if file.size is not None else True
    if not whole or (expected and not found.startswith("sampled:") and found != expected):
        path.unlink()
        raise UserError(f"{path}: its checksum is wrong, so it was deleted; run the same command again")
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    what = (__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m training.data.download", description=what)
    parser.add_argument("name", help=f"one of: {', '.join(all_datasets())}")
    parser.add_argument("--output", type=Path, default=ROOT / "data/sources", help="the folder --sources of the build")
    parser.add_argument("--revision", help="commit to take instead of the recorded one")
    parser.add_argument("--only", action="append", default=[], help="a word the file's path must hold (a category)")
    given = parser.parse_args(argv)
    with outputs(given.output / given.name / RECORD, make_folders=True):
        folder = download(given.name, given.output, given.revision, tuple(given.only))
    dataset = all_datasets()[given.name]
    print(f"{folder}: {dataset.hub}, {dataset.licence}")
    return DONE
