"""`python -m recbole_mirec.tuning`."""

import sys

from recbole_mirec.cli import tuning_main

if __name__ == "__main__":
    sys.exit(tuning_main())
