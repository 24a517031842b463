"""How fast this app is beside its peers, in one run: ``python -m benchmarks``."""
