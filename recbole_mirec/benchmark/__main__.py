"""`python -m recbole_mirec.benchmark`."""

import sys

from recbole_mirec.cli import benchmark_main

if __name__ == "__main__":
    sys.exit(benchmark_main())
