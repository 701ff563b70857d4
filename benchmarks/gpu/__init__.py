"""`python -m benchmarks.gpu`: does all of it work on this GPU, and as fast as projected?"""
