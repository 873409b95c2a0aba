"""What the launcher mends in programs beyond their TES client: each in a file, by `mend(module)`.

`MENDS` in `inside.py` says after the import of which module. A mend raises where a program is not
what it knows; that program then runs as it is, and the log says so.
"""
