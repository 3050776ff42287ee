"""Runs the command line of a checkout: `python cli.py ...`."""

from wsprites.cli import main

if __name__ == "__main__":
    main()
