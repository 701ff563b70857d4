"""`python -m benchmarks.gpu`; see command.py."""

from shopbench.errors import run_command

if __name__ == "__main__":  # child processes import this file again
    run_command("benchmarks.gpu.command")
