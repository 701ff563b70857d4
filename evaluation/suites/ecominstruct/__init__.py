"""EcomInstruct's held-out tasks, the benchmark of EcomGPT."""
