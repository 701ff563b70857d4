"""`python -m training.weights.download NAME`: get a base model by its Hub name, into weights/base.

Training, merging and serving never download: they find NAME there, or in the Hugging Face cache. Only safetensors and
what stands beside them are fetched (no pickles, no code); an interrupted download goes on where it stopped. The
folder's provenance.json, written last, says which model of which revision it is.
"""

from __future__ import annotations

from shopbench.errors import DONE, UserError, run_command

if __name__ == "__main__":  # before what needs packages: where one is missing, that is one line
    run_command("training.weights.download")

import argparse
from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import HfApi, snapshot_download

from shopbench.files import write_json
from shopbench.outputs import outputs, room_for
from training.hub import hub_errors
from training.weights.folders import PROVENANCE, default_folder, is_hub_name, provenance, shards

FILES = ("*.safetensors", "*.safetensors.index.json", "*.json", "*.jinja", "*.model", "*.txt", "LICENSE*", "README.md")


def download(name: str, folder: Path, revision: str | None = None) -> Path:
    """Fetch a model into `folder` and return it; UserError if that cannot be, or the folder holds another model.

    Args:
        revision: commit, branch or tag to take; None for the recorded commit, or else the newest.
    """
    if not is_hub_name(name):
        raise UserError(f"{name}: is no Hub name; give one like Qwen/Qwen2.5-7B-Instruct")
    known = provenance(folder)
    if known.get("model", name) != name:
        raise UserError(f"{folder}: holds {known['model']}; give another --output")
    with room_for(folder, ", then run the same command again to go on"), hub_errors(name):
        info = HfApi().model_info(name, revision=revision or known.get("revision"))
        # Files in folders of the repository are other formats of the same weights.
        names = [file.rfilename for file in info.siblings or [] if "/" not in file.rfilename]
        wanted = [file for file in names if any(Path(file).match(pattern) for pattern in FILES)]
        snapshot_download(name, revision=info.sha, local_dir=folder, allow_patterns=wanted)
    shards(folder)
    write_json(folder / PROVENANCE, {"model": name, "revision": info.sha})
    return folder


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m training.weights.download", description="Download a base model.")
    parser.add_argument("name", help="its name on the Hugging Face Hub, like Qwen/Qwen2.5-7B-Instruct")
    parser.add_argument("--output", type=Path, help="folder (default: weights/base/<last part of the name>)")
    parser.add_argument("--revision", help="commit, branch or tag (default: the recorded commit, else the newest)")
    given = parser.parse_args(argv)
    folder = given.output or default_folder(given.name)
    with outputs(folder / PROVENANCE, make_folders=True):
        download(given.name, folder, given.revision)
    print(f"{folder}: {given.name}, revision {provenance(folder)['revision']}")
    return DONE
