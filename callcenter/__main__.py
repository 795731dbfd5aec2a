"""`callcenter` and `python -m callcenter`."""

from callcenter.cli import main

if __name__ == "__main__":
    main()
