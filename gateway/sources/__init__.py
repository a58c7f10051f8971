"""Sources: how pictures come aboard. `zegel source` is a process and a user of its own, and holds no key.

    tables.py    the tables of air.toml, which `zegel air` reads too; nothing else here may be loaded by a process with keys

What must not be here: keys, the sealing, a ground link.
"""
