"""`python -m recbole_mirec.tuning`."""

import sys

from recbole_mirec.tuning.cli import main

if __name__ == "__main__":
    sys.exit(main())
