from __future__ import annotations

import pytest

from gateway.endpoints.address import AddressError, parse

SPELLINGS = {
    "msp+serial:/dev/ttyS0:115200": [
        "msp+serial:/dev/ttyS0:115200",
        "msp+/dev/ttyS0",
        "MSP+serial:///dev/ttyS0?baud=115200",
    ],
    "msp+tcp:127.0.0.1:5761": ["msp+tcp:127.0.0.1:5761", "msp+tcpc:127.0.0.1:5761"],
    "serial:/dev/ttyAMA0:921600": [
        "serial:/dev/ttyAMA0:921600",
        "serial:///dev/ttyAMA0:921600",
        "serial:///dev/ttyAMA0?baudrate=921600",
        "serial:/dev/ttyAMA0?baud=921600",
        "serial:/dev/ttyAMA0,921600",
        "/dev/ttyAMA0:921600",
        "/dev/ttyAMA0,921600",
        "  SERIAL:/dev/ttyAMA0:921600\n",
    ],
    "serial:/dev/ttyACM0:115200": ["/dev/ttyACM0", "serial:/dev/ttyACM0", "serial:///dev/ttyACM0", "/dev/ttyACM0,115200"],
    "serial:/dev/cu.usbmodem1:57600": ["/dev/cu.usbmodem1,57600"],
    "serial:/dev/serial/by-path/pci-0000:00:14.0-usb-0:1:1.0:115200": ["/dev/serial/by-path/pci-0000:00:14.0-usb-0:1:1.0"],
    "serial:/dev/serial/by-path/pci-0000:00:14.0-usb-0:1:1.0:57600": [
        "serial:/dev/serial/by-path/pci-0000:00:14.0-usb-0:1:1.0:57600",
        "/dev/serial/by-path/pci-0000:00:14.0-usb-0:1:1.0,57600",
    ],
    "serial:COM3:57600": ["COM3:57600", "serial:COM3:57600", "COM3,57600", "serial:COM3,57600"],
    "serial:com12:115200": ["com12"],
    "udpin:0.0.0.0:14550": [
        "udpin:0.0.0.0:14550",
        "udps:0.0.0.0:14550",
        "udpserver:0.0.0.0:14550",
        "udpin://0.0.0.0:14550",
        "udpserver://0.0.0.0:14550",
        "udps::14550",
        "udpin://:14550",
    ],
    "udpout:192.168.10.2:14600": [
        "udpout:192.168.10.2:14600",
        "udpc:192.168.10.2:14600",
        "udpclient://192.168.10.2:14600",
        "udpout://192.168.10.2:14600",
        "UDPOUT:192.168.10.2:14600",
    ],
    "udpout:ground-1.example.org:14600": ["udpc:ground-1.example.org:14600"],
    "udpout:255.255.255.255:14550": ["udpout:255.255.255.255:14550"],
    "tcp:localhost:5760": [
        "tcp:localhost:5760",
        "tcpc:localhost:5760",
        "tcpclient://localhost:5760",
        "tcpout://localhost:5760",
        "tcp://localhost:5760",
    ],
    "tcpin:127.0.0.1:5760": [
        "tcpin:127.0.0.1:5760",
        "tcps:127.0.0.1:5760",
        "tcpserver://127.0.0.1:5760",
        "tcpin://127.0.0.1:5760",
    ],
    "udpin:[::1]:14550": ["udpin:[::1]:14550", "udpin://[::1]:14550", "udps:[0:0::1]:14550"],
    "udpin:[::]:14550": ["udpin:[::]:14550"],
    "udpout:[fe80::1%eth0]:14550": ["udpout:[fe80::1%eth0]:14550"],
}

REFUSED = {
    "udp:10.0.0.1:14550": ("whether to listen or to send", "udpin:10.0.0.1:14550 listens there, udpout:10.0.0.1:14550"),
    "udp://10.0.0.1:14550": ("whether to listen or to send", "udpout:10.0.0.1:14550 sends there"),
    "udpbcast:10.0.0.255:14550": ("no udpbcast:", "udpout:"),
    "": ("does not begin with a kind", "udpin:0.0.0.0:14550"),
    "127.0.0.1:14550": ("does not begin with a kind", "udpout:192.168.10.2:14550"),
    "ttyAMA0": ("does not begin with a kind", "serial:/dev/ttyAMA0:921600"),
    "rtsp://10.0.0.1:8554/video": ("does not begin with a kind", "tcp:"),
    "udpin:0.0.0.0": ("names no port", "udpin:0.0.0.0:14550"),
    "udpin:14550": ("names no port", "udpin:0.0.0.0:14550"),
    "udpout:ground": ("names no port", "udpout:192.168.10.2:14550"),
    "udpin:0.0.0.0:": ("'' is no port", "1 to 65535"),
    "udpin:0.0.0.0:0": ("'0' is no port", "1 to 65535"),
    "udpin:0.0.0.0:65536": ("'65536' is no port", "1 to 65535"),
    "tcp:host:http": ("'http' is no port", "1 to 65535"),
    "tcp:host:5760/": ("'5760/' is no port", "1 to 65535"),
    "tcp:host:٥٧٦٠": ("is no port", "1 to 65535"),
    "udpin:::1:14550": ("cannot tell the host from the port", "[::1]:14550"),
    "tcp:localhost:5760:wait": ("cannot tell the host from the port", "brackets"),
    "udpin:[::g]:14550": ("'::g' is no IPv6 address", "[::1]"),
    "udpin:[]:14550": ("cannot tell the host", "brackets"),
    "udpout::14550": ("does not say where to send", "udpout:192.168.10.2:14550"),
    "udpout:0.0.0.0:14550": ("does not say where to send", "udpout:"),
    "tcp:[::]:5760": ("does not say where to send", "tcp:"),
    "tcp:a b:5760": ("'a b' is no host", "a name or an address"),
    "tcp:a..b:5760": ("'a..b' is no host", "a name or an address"),
    f"tcp:{'a' * 64}:5760": ("is no host", "a name or an address"),
    "udpout:300.1.1.1:14550": ("'300.1.1.1' is no IPv4 address", "four numbers"),
    "serial:": ("'' is no device", "the whole path"),
    "serial:ttyAMA0:57600": ("'ttyAMA0' is no device", "the whole path"),
    "serial://dev/ttyAMA0:57600": ("'dev/ttyAMA0' is no device", "the whole path"),
    "serial:/dev/ttyAMA0:fast": ("'fast' is no baud rate", "a number"),
    "/dev/ttyAMA0,": ("'' is no baud rate", "a number"),
    "/dev/ttyAMA0:0": ("'0' is no baud rate", "a number"),
    "/dev/ttyAMA0:99999999": ("'99999999' is no baud rate", "a number"),
    "serial:///dev/ttyAMA0?baudrate=": ("'' is no baud rate", "a number"),
    "serial:///dev/ttyAMA0?parity=even": ("cannot use 'parity=even'", "?baudrate="),
    "serial:///dev/ttyAMA0?": ("cannot use ''", "?baudrate="),
}


@pytest.mark.parametrize(("canonical", "text"), [(c, t) for c, texts in SPELLINGS.items() for t in texts])
def test_every_spelling_has_one_meaning(canonical, text):
    address = parse(text)
    assert str(address) == canonical
    assert ("msp+" if address.msp else "") + address.kind == canonical.partition(":")[0]
    assert parse(str(address)) == address


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_refused_is_told_how_to_be_written(text):
    message, hint = REFUSED[text]
    with pytest.raises(AddressError) as caught:
        parse(text)
    assert message in str(caught.value)
    assert hint in caught.value.hint


def test_the_parts():
    serial, network = parse("/dev/ttyACM0,57600"), parse("udpin://[::1]:14550")
    assert (serial.device, serial.baud, serial.host, serial.port) == ("/dev/ttyACM0", 57600, "", 0)
    assert (network.host, network.port, network.device, network.baud) == ("::1", 14550, "", 0)
