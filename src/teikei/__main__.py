"""``python -m teikei``: the command line where ``teikei`` is not on the path."""

from teikei.cli import main

if __name__ == "__main__":
    main()
