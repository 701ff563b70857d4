"""Several GPUs and machines, as far as CPUs show it."""

from __future__ import annotations

from pathlib import Path

import pytest

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
    arguments = ["--config_file", str(path), "--main_process_ip", "10.0.0.1", "--main_process_port", "29500"]
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
