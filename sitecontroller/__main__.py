"""`python -m sitecontroller` is the command line."""

import sys

from sitecontroller.cli import main

if __name__ == "__main__":
    sys.exit(main())
