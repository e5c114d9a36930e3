"""The command line: `python -m xrt.study`. The roof that joins search and answers."""
