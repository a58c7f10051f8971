"""The board: what must be right around Zegel before it flies. `zegel doctor` looks at it, `zegel setup` sets it up.

    doctor.py    the command; asks each of the others in turn, and none can spoil the rest
    finding.py   what one look found: ok, do this, cannot tell
    subject.py   what is looked at: a role, its configuration, its user, what runs of it
    account.py   the user that the service runs as
    computer.py  board, processor, memory      health.py   clock, heat, power, as a Raspberry Pi tells it
    clock.py     date and entropy              kernel.py   recvmmsg, GSO, GRO, socket buffers
    folder.py    the folder of keys, its disk  orders.py   which order, and until when
    service.py   the systemd unit              holder.py   which process has a file or a port
    port.py      the serial port               autopilot.py  a heartbeat, and at which baud rate
    camera.py    what comes from the encoder   link.py     way and width to the other side
    setup.py     the command that asks         wiring.py   pins, and parameters of flight controllers

And `zegel egress` guards its links:

    egress.py    the command, its file         nftables.py the rule set         leak.py   tries to get past it

Nothing here writes to a flight controller, and but for the file of `setup` and the rules of `egress` nothing is changed.
"""
