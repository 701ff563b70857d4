"""Several GPUs and machines, as far as CPUs show it: two gloo processes train what one trains."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import torch

from tests.training.finetune.made import TINY, adapter
from training.finetune import make_trainer, run
from training.finetune.make_trainer import device_map
from training.recipes import RECIPES

PLAIN = {"dropout": 0.0, "epochs": 2, "accumulation": 2}
"""Two processes draw other dropout masks than one; without dropout only rounding is left to differ."""
CHANGES: dict[str, dict[str, Any]] = {
    "plain": PLAIN,
    "per sample": {**PLAIN, "per_sample_loss": True},
    "sharded": PLAIN,
    "whole": {**PLAIN, "dropout": 0.1},
    "killed": {**PLAIN, "dropout": 0.1},
    "sharded killed": PLAIN,
}
"""What differs from the made recipe in each training."""


class Launched:
    """`accelerate launch` of the made recipe in two processes, which torch's launcher joins over gloo.

    `sharded`: by FSDP, as fsdp_qlora.yaml has it but for what needs a GPU; else each process has a copy (DDP).
    """

    def __init__(self, repository: Path, data: Path, base: Path, folder: Path, *names: str, sharded: bool) -> None:
        """Train what `CHANGES` names, one after another, each into a folder of its own in `folder`."""
        launch = ["-m", "accelerate.commands.launch", "--num_processes=2", "--num_machines=1", "--main_process_port=0"]
        launch += ["--mixed_precision=no", "--dynamo_backend=no"]
        if sharded:
            launch += [f"--config_file={repository / 'training/accelerate/fsdp_qlora.yaml'}"]
            launch += ["--fsdp_sync_module_states=false", "--fsdp_cpu_ram_efficient_loading=false"]
        else:
            launch += ["--multi_gpu"]
        module = f"tests.training.finetune.{'fsdp_on_cpu' if sharded else 'train_made'}"
        program = ["-m", module, str(data), str(base)]
        for name in names:
            program += [str(folder / name), json.dumps(CHANGES[name])]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen([sys.executable, *launch, *program], cwd=repository, env=environment)

    def wait(self) -> int:
        """The exit code of the launcher."""
        return self.process.wait(timeout=300)

    def kill_one_after_a_checkpoint(self, output: Path) -> None:
        """Kill -9 the second process as soon as a checkpoint is whole; the launcher then ends the other."""
        deadline = time.monotonic() + 200
        while not list(output.glob("checkpoints/checkpoint-*/trainer_state.json")):
            assert time.monotonic() < deadline and self.process.poll() is None
            time.sleep(0.02)
        ranks = {child.environ().get("RANK"): child for child in psutil.Process(self.process.pid).children()}
        os.kill(ranks["1"].pid, signal.SIGKILL)
        assert self.wait() != 0


@dataclass(frozen=True)
class Trained:
    """Folders by the name in `CHANGES`: trained in two processes, and in one with the same global batch."""

    two: Path
    one: Path


@pytest.fixture(scope="module")
def trained(base: Path, data: Path, repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    """All trainings, in four launches, as every process takes seconds to import what it needs.

    The last of the first launch is killed, and the second goes on with it; so do the third and fourth, sharded.
    """
    made = Trained(tmp_path_factory.mktemp("two"), tmp_path_factory.mktemp("one"))
    with ExitStack() as stack:

        def launch(*names: str, sharded: bool = False) -> Launched:
            launched = Launched(repository, data, base, made.two, *names, sharded=sharded)
            stack.callback(launched.process.kill)
            return launched

        first = launch("plain", "per sample", "whole", "killed")
        first.kill_one_after_a_checkpoint(made.two / "killed")
        assert not (made.two / "killed" / "provenance.json").exists()
        resumed = launch("killed")
        for name in ("plain", "per sample"):  # while the others import
            training = replace(TINY.training, **{**CHANGES[name], "accumulation": 4})
            run.finetune(run.TrainingRun(replace(TINY, training=training), data, made.one / name, base))
        assert resumed.wait() == 0
        launch("sharded", "sharded killed", sharded=True).kill_one_after_a_checkpoint(made.two / "sharded killed")
        assert launch("sharded killed", sharded=True).wait() == 0
        yield made


def assert_same(got: Path, expected: Path, share: float) -> None:
    """The same adapter, to the rounding of another order of sums: B begins at 0, so it shows all that training did."""
    trained, wanted = adapter(got), adapter(expected)
    assert trained.keys() == wanted.keys()
    changes = [
        torch.cat([part[name].float().flatten() for name in wanted if "lora_B" in name]) for part in (trained, wanted)
    ]
    assert changes[1].abs().max() > 0.005
    assert (changes[0] - changes[1]).norm() < share * changes[1].norm()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "in_one"), [("plain", "plain"), ("per sample", "per sample"), ("sharded", "plain")])
def test_two_processes_train_what_one_trains_with_the_same_global_batch(
    name: str, in_one: str, trained: Trained
) -> None:
    two, one = trained.two / name, trained.one / in_one
    facts = [json.loads((output / "provenance.json").read_text()) for output in (two, one)]
    assert [fact["processes"] for fact in facts] == [2, 1]
    assert facts[0]["updates"] == facts[1]["updates"] and facts[0]["tokens"] == facts[1]["tokens"]
    assert facts[1]["batches"] % 4, "the last update is one of fewer batches, too"
    # Sharded weights are multiplied by PEFT's own LoRA, which rounds otherwise than ours (lora_linear.py).
    assert_same(two, one, 1e-2 if name == "sharded" else 1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(("killed", "uninterrupted"), [("killed", "whole"), ("sharded killed", "sharded")])
def test_two_processes_of_which_one_is_killed_go_on_to_the_same_weights(
    killed: str, uninterrupted: str, trained: Trained
) -> None:
    resumed, whole = adapter(trained.two / killed), adapter(trained.two / uninterrupted)
    assert all(torch.equal(resumed[name], tensor) for name, tensor in whole.items())


def test_a_four_bit_base_is_loaded_onto_the_gpu_of_its_own_process(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert device_map(False, 1) is None, "into host memory, from where the trainer or FSDP takes it"
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(make_trainer, "compute_type", lambda: torch.bfloat16)
    monkeypatch.setattr(make_trainer, "BitsAndBytesConfig", lambda **options: options)
    monkeypatch.setattr(
        make_trainer.AutoModelForCausalLM, "from_pretrained", lambda _, **options: asked.append(options)
    )
    for local in range(3):
        monkeypatch.setattr(
            make_trainer, "PartialState", lambda local=local: SimpleNamespace(local_process_index=local)
        )
        make_trainer.load_model(base, RECIPES["v8"].training)
    assert [options["device_map"] for options in asked] == [{"": 0}, {"": 1}, {"": 2}]
    assert all(options["quantization_config"]["load_in_4bit"] for options in asked)


def test_the_processes_find_each_other_before_anything_is_loaded(
    base: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until then every process takes GPU 0 for its own, and none knows that another reads the same weights."""
    order: list[str] = []
    monkeypatch.setattr(run, "PartialState", lambda **_: order.append("state"))

    def load(*_: Any) -> None:
        order.append("model")
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "make_trainer", load)
    with pytest.raises(KeyboardInterrupt):
        run.finetune(run.TrainingRun(TINY, data, tmp_path / "adapter", base))
    assert order == ["state", "model"]


CONFIGS = sorted((Path(__file__).resolve().parents[3] / "training" / "accelerate").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_accelerate_builds_the_plugin_of_each_config(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `accelerate launch` makes of the file: environment variables, and from them FSDP's settings."""
    from accelerate import FullyShardedDataParallelPlugin
    from accelerate.commands.config.config_args import load_config_from_file
    from accelerate.commands.launch import _validate_launch_command, launch_command_parser
    from accelerate.utils.launch import prepare_multi_gpu_env

    config = load_config_from_file(str(path))
    assert config.num_processes == 8 * config.num_machines and str(config.mixed_precision) == "bf16"
    arguments = ["--config_file", str(path), "--main_process_ip", "10.0.0.1", "--main_process_port", "0"]
    given = launch_command_parser().parse_args([*arguments, "-m", "training.finetune", "--recipe", "v7"])
    given, _, _ = _validate_launch_command(given)
    environment = prepare_multi_gpu_env(given)
    for name, value in environment.items():
        if name.startswith("FSDP_"):
            monkeypatch.setenv(name, value)
    assert environment["FSDP_SYNC_MODULE_STATES"] == environment["FSDP_CPU_RAM_EFFICIENT_LOADING"] == "true"
    for name in ("FSDP_SYNC_MODULE_STATES", "FSDP_CPU_RAM_EFFICIENT_LOADING"):  # these look for a GPU at once
        monkeypatch.setenv(name, "false")
    plugin = FullyShardedDataParallelPlugin()
    assert plugin.sharding_strategy.name == "FULL_SHARD" and plugin.fsdp_version == 1
    assert plugin.use_orig_params is (path.stem == "fsdp_full")
