"""Set up .venv (and the quantizers' environments): `make setup` runs it before anything is installed.

Whatever Python a machine calls python3 runs this, from 3.8 on: it uses the standard library and shopbench alone.
"""
