"""`python -m recbole_mirec` is `run_recbole_mirec.py`."""

import sys

from recbole_mirec.cli import main

sys.exit(main())
