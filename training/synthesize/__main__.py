"""`python -m training.synthesize`; see command.py."""

import signal

from shopbench.errors import run_command

if __name__ == "__main__":  # child processes import this file again
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # asked to end: write what is there, as for Ctrl-C
    run_command("training.synthesize.command")
