"""`python -m training.data.download NAME --output DIR`: get a public dataset by its name, into DIR/NAME.

What the Hugging Face Hub holds is fetched with huggingface-hub: an interrupted download goes on where it stopped,
and every file is checked against the checksum the Hub gives. `download.json` beside the files records the revision
and the checksums; the next download of that folder takes the same revision (or the one given with --revision).
For the others the place, the licence and the file names are printed: their owners ask for a login, a form, or a git
clone. Nothing downloaded here belongs into this repository.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, OfflineModeIsEnabled
from tqdm import tqdm

from shopbench.errors import UserError
from training.data.build import file_hash
from training.recipes import nearest

RECORD = "download.json"


class DownloadError(UserError):
    """A download that did not succeed: what, and the remedy, in one line."""


@dataclass(frozen=True)
class Dataset:
    """Where a dataset is.

    Attributes:
        licence: as its owner states it.
        hub: its name on the Hugging Face Hub; None where it is not there.
        files: patterns of the files that the builders read.
        place: where to get it by hand, and which files to put into the folder.
    """

    licence: str
    hub: str | None = None
    files: tuple[str, ...] = ("*",)
    place: str = ""


DATASETS: dict[str, Dataset] = {
    "alpaca": Dataset("CC-BY-NC-4.0", "yahma/alpaca-cleaned", ("*.json",)),
    "amazon_m2": Dataset(
        "Apache-2.0",
        place="KDD Cup 2023 on AIcrowd (login; accept the rules): products_train.csv and sessions_train.csv",
    ),
    "amazon_reviews_2018": Dataset(
        "not stated (research use)",
        place="Amazon Review Data 2018 of UCSD (a form): <Category>_5.json.gz and meta_<Category>.json.gz",
    ),
    "amazon_reviews_2023": Dataset(
        "not stated (research use)",
        "McAuley-Lab/Amazon-Reviews-2023",
        ("raw/review_categories/*.jsonl", "raw/meta_categories/*.jsonl"),
    ),
    "amazonqa": Dataset(
        "not stated (research use)",
        place="Amazon question/answer data of UCSD: qa_<Category>.json.gz; and GitHub amazonqa/amazonqa: "
        "train-qar.jsonl, val-qar.jsonl, test-qar.jsonl",
    ),
    "arc": Dataset("Apache-2.0", place="GitHub AGI-Edgerunners/LLM-Adapters: ARC-Easy and ARC-Challenge, train"),
    "ave": Dataset("Apache-2.0", place="GitHub wbsg-uni-mannheim/ExtractGPT: oa-mine and ae-110k, train and test"),
    "commonsense_qa": Dataset("not stated by the copy", place="the CommonsenseQA home page: train_rand_split.jsonl"),
    "ec_guide": Dataset(
        "Apache-2.0",
        place="GitHub fzp0424/EC-Guide-KDDUP-2024: the folders Generation, MCQ, NER and Retrieval as JSON lines",
    ),
    "ecinstruct": Dataset("CC-BY-4.0", "NingLab/ECInstruct", ("*.json", "*.jsonl")),
    "ecom_instruct": Dataset("not stated", place="GitHub Alibaba-NLP/EcomGPT: the folders of data/ecom_instruct_v1"),
    "esci": Dataset("Apache-2.0", "tasksource/esci", ("data/*.parquet",)),
    "gsm8k": Dataset("MIT", place="GitHub openai/grade-school-math: train.jsonl"),
    "intentionqa": Dataset("MIT", place="GitHub HKUST-KnowComp/IntentionQA: QA_fullInfo_task1.jsonl"),
    "mave": Dataset(
        "labels free, texts not stated",
        place="GitHub google-research-datasets/MAVE: run its script on Amazon Review Data 2018 and take "
        "mave_positives.jsonl and mave_negatives.jsonl",
    ),
    "mmlu": Dataset("MIT", "cais/mmlu", ("all/*.parquet",)),
    "openbookqa": Dataset("Apache-2.0", place="GitHub AGI-Edgerunners/LLM-Adapters: openbookqa, train"),
    "product_matching": Dataset(
        "CC-BY-4.0",
        place="GitHub megagonlabs/ditto: Amazon-Google train.txt and valid.txt; and the Leipzig benchmark's "
        "Amazon.csv, GoogleProducts.csv and Amzon_GoogleProducts_perfectMapping.csv",
    ),
}


def download(name: str, output: Path, revision: str | None = None, only: tuple[str, ...] = ()) -> Path:
    """Fetch a dataset into `output`/`name` and return that folder; DownloadError says what to do otherwise.

    Args:
        revision: commit to take; None for the one recorded in the folder, or the newest, which is then recorded.
        only: words of which a file's path must hold one (a category, say).
    """
    if name not in DATASETS:
        raise DownloadError(f"unknown dataset {name!r}; {nearest(name, DATASETS)}")
    dataset, folder = DATASETS[name], output / name
    if dataset.hub is None:
        raise DownloadError(f"{name} ({dataset.licence}) is got by hand, into {folder}: {dataset.place}")
    record = _record(folder)
    try:
        info = HfApi().dataset_info(dataset.hub, revision=revision or record.get("revision"), files_metadata=True)
        wanted = [file for file in info.siblings or [] if _matches(file.rfilename, dataset.files, only)]
        if not wanted:
            raise DownloadError(f"{dataset.hub}: no file like {', '.join(dataset.files)} {' '.join(only)}; see --only")
        snapshot_download(
            dataset.hub,
            repo_type="dataset",
            revision=info.sha,
            local_dir=folder,
            allow_patterns=[file.rfilename for file in wanted],
        )
    except GatedRepoError:
        raise DownloadError(
            f"{dataset.hub}: its owner asks for consent; give it on the dataset's page, then run `hf auth login`"
        ) from None
    except OfflineModeIsEnabled:
        raise DownloadError(f"{dataset.hub}: HF_HUB_OFFLINE is set; unset it to download") from None
    except (HfHubHTTPError, OSError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DownloadError(f"{dataset.hub}: {reason}; run the same command again to go on") from None
    files = {file.rfilename: _checked(folder / file.rfilename, file) for file in tqdm(wanted, desc="checking")}
    _write_record(folder, {"dataset": dataset.hub, "licence": dataset.licence, "revision": info.sha, "sha256": files})
    return folder


def _matches(path: str, patterns: tuple[str, ...], only: tuple[str, ...]) -> bool:
    return any(Path(path).match(pattern) for pattern in patterns) and (not only or any(word in path for word in only))


def _checked(path: Path, file: Any) -> str:
    """The SHA-256 of a downloaded file; a file that is not what the Hub says is deleted."""
    found = file_hash(path)
    expected = file.lfs.sha256 if file.lfs else None
    whole = path.stat().st_size == file.size if file.size is not None else True
    if not whole or (expected and not found.startswith("sampled:") and found != expected):
        path.unlink()
        raise DownloadError(f"{path}: its checksum is wrong, so it was deleted; run the same command again")
    return found


def _record(folder: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def _write_record(folder: Path, record: dict[str, Any]) -> None:
    beside = folder / f"{RECORD}.part"
    beside.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    os.replace(beside, folder / RECORD)


def main(arguments: list[str] | None = None) -> int:
    """Command line; a download that did not succeed is one line and status 1."""
    parser = argparse.ArgumentParser(
        prog="python -m training.data.download", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("name", help=f"one of: {', '.join(DATASETS)}")
    parser.add_argument("--output", type=Path, default=Path("data/sources"), help="the folder --sources of the build")
    parser.add_argument("--revision", help="commit to take instead of the recorded one")
    parser.add_argument("--only", action="append", default=[], help="a word the file's path must hold (a category)")
    given = parser.parse_args(arguments)
    try:
        folder = download(given.name, given.output, given.revision, tuple(given.only))
    except DownloadError as error:
        print(f"download: {error}", file=sys.stderr)
        return 1
    print(f"{folder}: {DATASETS[given.name].hub}, {DATASETS[given.name].licence}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
