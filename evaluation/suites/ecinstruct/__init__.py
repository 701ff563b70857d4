"""ECInstruct, the benchmark of eCeLLM."""
