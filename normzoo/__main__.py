"""``python -m normzoo``."""

import sys

from normzoo.cli import main

if __name__ == "__main__":
    sys.exit(main())
