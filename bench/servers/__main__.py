"""`python -m bench.servers`."""

from bench.servers.command import main

if __name__ == "__main__":
    main()
