"""Sources: how pictures come aboard. `zegel source` is a process and a user of its own, and holds no key.

    tables.py      the tables of air.toml, which `zegel air` reads too; no process with keys may load anything else here
    command.py     the command                    role.py      its loop: the sources side by side, the status, the end
    source.py      one source: a way by which it comes, a parser, its lane
    runner.py      a way: keeps a command running; rtsp.py is such a command, and relay.py takes the RTP of one
    processes.py   one start of a command, all that it starts, and the end of all of it; output.py reads its pipes
    pushed.py      a way: RTMP (rtmp.py, rtmp_*.py)
    feeder.py      a way: the socket of a vendor's process
    stream.py      bytes to datagrams             lane.py      datagrams to zegel air

What must not be here: keys, the sealing, a ground link.
"""
