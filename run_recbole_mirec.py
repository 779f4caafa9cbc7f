"""Train, evaluate and use micro-influencer recommenders; see --help."""

import sys

from recbole_mirec.cli import main

if __name__ == "__main__":
    sys.exit(main())
