"""The plain case of a turn in C (turn.c), and Python's side of it. Python is the reference and the fallback.

    turn.c          seal_turn and open_turn; built twice, as zegel-seal.so and zegel-open.so
    stage.c         what is recorded of such a turn; in both libraries
    wait.c          waits between two turns of a loop, and takes such turns meanwhile; in both libraries
    library.py      finds and loads one of them, or says why Python does it
    structures.py   what both languages see
    ends.py         sockets of a turn
    seal.py         the turn of a camera, aboard
    open.py         the turn of a link, at a ground
    wait.py         the wait of one loop

An aircraft imports seal.py, a ground open.py, and neither the other's.
"""
