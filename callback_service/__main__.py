"""`python -m callback_service`: the command line, where no script was installed."""

from callback_service.entrypoints.cli import main

if __name__ == "__main__":
    main()
