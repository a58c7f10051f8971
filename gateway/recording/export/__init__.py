"""Export: a flight as files that other programs read. `zegel recording export`.

Two processes, because no process that parses media has a key. `command` and `originals` open the recordings and write
the pcaps: plaintext as it was recorded, of which they understand the records only. `derive`, a program of its own without
keys, makes everything else from these pcaps alone: so anyone can make it again from them.
"""
