"""`python -m motools`."""

from motools.cli import main

if __name__ == "__main__":
    main()
