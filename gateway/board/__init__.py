"""The board: all that must be right around Zegel before a flight. `zegel doctor` checks it, `zegel setup` sets it up.

    doctor.py    the command; runs each check, and a failing check does not stop the others
    finding.py   the result of one check: ok, do this, cannot tell
    subject.py   what is checked: a role, its configuration, its user, its running process
    live.py      the roles that run on this computer, of any user
    account.py   the user that the service runs as
    computer.py  board, processor, memory      health.py   clock, heat, power of a Raspberry Pi
    clock.py     date and entropy              kernel.py   recvmmsg, GSO, GRO, socket buffers
    folder.py    the folder of keys            disk.py     its file system
    orders.py    which order, and until when   card.py     where what flies is recorded
    service.py   the systemd unit              holder.py   which process has a file or a port
    port.py      the serial port               autopilot.py  a heartbeat, and at which baud rate
    camera.py    the encoder's datagrams      link.py     route and MTU to the other side
    setup.py     the command that asks         wiring.py   pins, and parameters of flight controllers

And `zegel egress` guards its links:

    egress.py    the command, its file         nftables.py the rule set         leak.py   tries to bypass it

Nothing here writes to a flight controller, and except for the file of `setup` and the rules of `egress` nothing is changed.
"""
