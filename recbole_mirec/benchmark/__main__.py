"""`python -m recbole_mirec.benchmark`."""

import sys

from recbole_mirec.benchmark.cli import main

if __name__ == "__main__":
    sys.exit(main())
