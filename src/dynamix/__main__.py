"""``python -m dynamix``: the command line where no ``dynamix`` is on the path of the shell."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
