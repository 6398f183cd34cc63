"""Run the command line with `python -m graphkd`."""

from graphkd.cli import main

if __name__ == "__main__":
    main()
