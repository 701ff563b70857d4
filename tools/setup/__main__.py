from shopbench.errors import run_command
from tools.setup.command import main

run_command(main)
