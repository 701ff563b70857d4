"""Shopping MMLU, ShopBench's public release."""
