"""Weights on the disk: folders, safetensors, adapters."""
