"""A fuzzer that is guided by coverage: ``python -m tests.fuzz``. It needs the package atheris."""
