"""Wiring: the connection of pins, and the parameters that a flight controller needs. Text only; Zegel sets no parameter.

Pins: raspberrypi.com/documentation (40-pin header), Pixhawk connector standard DS-009 (TELEM2). Parameters: ardupilot.org
"Complete Parameter List", docs.px4.io "Parameter Reference"; both change names between versions, noted where known.
"""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping
from pathlib import Path

from gateway.endpoints.address import Address
from keys.commands.account import Account

ARDUPILOT, PX4, BETAFLIGHT, INAV = "ardupilot", "px4", "betaflight", "inav"
AUTOPILOTS = (ARDUPILOT, PX4, BETAFLIGHT, INAV)

SHIM_NAMES = {BETAFLIGHT: "Betaflight", INAV: "iNav"}

ON_THE_PI = """\
and once on the Pi:
  sudo raspi-config nonint do_serial_cons 1 && sudo raspi-config nonint do_serial_hw 0
  Pi 4: dtoverlay=disable-bt   Pi 5: dtparam=uart0=on   in /boot/firmware/config.txt, then: sudo reboot"""

PINS = f"""\
wire, with both powered off; both sides are 3.3 V:
  Raspberry Pi pin 8   (GPIO14, TX)  to  TELEM2 pin 3 (RX)      crossed: TX to RX
  Raspberry Pi pin 10  (GPIO15, RX)  to  TELEM2 pin 2 (TX)
  Raspberry Pi pin 6   (ground)      to  TELEM2 pin 6 (ground)  always: without it there is only noise
  leave TELEM2 pin 1 (5 V) open: the Pi has its own supply; pins 4 and 5 (CTS, RTS) stay open, there is no flow control
{ON_THE_PI}"""

PINS_OF_A_UART = f"""\
wire, with both powered off; both sides are 3.3 V:
  Raspberry Pi pin 8   (GPIO14, TX)  to  RX of a free UART  crossed: TX to RX
  Raspberry Pi pin 10  (GPIO15, RX)  to  TX of that UART
  Raspberry Pi pin 6   (ground)      to  ground             always: without it there is only noise
  leave 5 V open: the Pi has its own supply
{ON_THE_PI}"""

USB = "wire: one USB cable from the flight controller to this computer; the baud rate does not matter"

PARAMETERS_ARDUPILOT = """\
set at the flight controller (ArduPilot), with your ground station, then restart it:
  SERIAL2_PROTOCOL = 2        MAVLink 2 on TELEM2
  SERIAL2_BAUD = {kbaud:<8}     {baud} baud
  BRD_SER2_RTSCTS = 0         no flow control: there are no wires for it
  SYSID_THISMAV = 1 ...       another number for each aircraft (MAV_SYSID from 4.7 on), and as system_id in air.toml
  SYSID_MYGCS = 255           the ground station that may steer and whose loss is a failsafe (MAV_GCS_SYSID from 4.7 on)
  signing needs no change: signed frames pass unchanged, and the signing key never crosses the link"""

PARAMETERS_ARDUPILOT_USB = """\
set at the flight controller (ArduPilot), with your ground station, then restart it:
  SERIAL0_PROTOCOL = 2        MAVLink 2 on USB
  SYSID_THISMAV = 1 ...       another number for each aircraft (MAV_SYSID from 4.7 on), and as system_id in air.toml
  SYSID_MYGCS = 255           the ground station that may steer and whose loss is a failsafe (MAV_GCS_SYSID from 4.7 on)
  signing needs no change: signed frames pass unchanged, and the signing key never crosses the link"""

PARAMETERS_PX4 = """\
set at the flight controller (PX4), with QGroundControl, then restart it:
  MAV_1_CONFIG = TELEM 2      then restart once, so that the next ones appear
  MAV_1_MODE = {mode}
  MAV_1_RATE = 0              half of the line's rate; lower it for a narrow link
  MAV_1_FLOW_CTRL = Force off: there are no wires for it
  MAV_1_FORWARD = Disabled
  SER_TEL2_BAUD = {baud} 8N1
  MAV_SYS_ID = 1 ...          another number for each aircraft, and as system_id in air.toml
  signing needs no change: signed frames pass unchanged, and the signing key never crosses the link"""

PARAMETERS_PX4_USB = """\
set at the flight controller (PX4), with QGroundControl, then restart it:
  USB speaks MAVLink by itself (SYS_USB_AUTO = Auto-detect or MAVLink; USB_MAV_MODE = Onboard)
  MAV_SYS_ID = 1 ...          another number for each aircraft, and as system_id in air.toml
  signing needs no change: signed frames pass unchanged, and the signing key never crosses the link"""

PARAMETERS_MSP = """\
set at the flight controller ({name}), in its Configurator, tab Ports; then Save and Reboot:
  Configuration/MSP on, {baud} baud, for the port that this computer is wired to; MSP is always on at USB
  write the endpoint as fc = "msp+{fc}": zegel asks by MSP, and no command of a station reaches the flight controller
  or, for its own MAVLink: Telemetry Output MAVLink there, fc without msp+, and renumber = true if it sends as system 0"""

NETWORK = """\
let the flight controller, or its MAVLink router, send to {endpoint}; and there:
  ArduPilot (Ethernet)  NET_P1_TYPE = 1 (UDP client), NET_P1_PROTOCOL = 2, NET_P1_IP0..3 and NET_P1_PORT = this computer
  PX4 (Ethernet)        MAV_2_CONFIG = Ethernet, MAV_2_REMOTE_PRT = that port; docs.px4.io, "Ethernet Setup\""""

STATION = """\
at this station, while zegel ground runs:
  QGroundControl   listens on UDP 14550 by itself; Application Settings, Video: source "UDP h.264 Video Stream", port 5600
  Mission Planner  at the top right UDP, Connect, port 14550; video: right click on the HUD, Video, Set GStreamer source:
                   udpsrc port=5600 caps="application/x-rtp, media=(string)video, clock-rate=(int)90000,
                   encoding-name=(string)H264" ! rtph264depay ! avdec_h264 ! videoconvert ! video/x-raw,format=BGRA
                   ! appsink name=outsink sync=false
  MAVProxy         mavproxy.py --master=udpin:127.0.0.1:14550"""

KEYS_ABOARD = """\
then the keys; the agency's steps are marked, and only public files are exchanged:
  {sudo}zegel device init {device} --name drone-7
  {sudo}zegel device request {device} > drone-7.csr
  agency: zegel agency certify-device agency drone-7.csr -o drone-7.crt
  {sudo}zegel device enrol {device} drone-7.crt --root root.crt
  agency: zegel recording keygen recording --name evidence
  agency: zegel order issue agency --operation NAME --device drone-7.crt:1 --hours 8 \\
            --station pilot.pub:telemetry,video,command --recording recording/rec.pub -o op.order
  {sudo}zegel device load-order {device} op.order
with --recording what flies is kept aboard, sealed to that key, which stays at the agency; without it nothing is recorded"""

KEYS_AT_STATION = """\
then the keys; the agency's steps are marked, and only public files are exchanged:
  {sudo}zegel station init {station} --name pilot --root root.crt
  {sudo}zegel station public {station} > pilot.pub
  agency: zegel recording keygen recording --name evidence
  agency: zegel order issue agency --operation NAME --device drone-7.crt:1 --hours 8 \\
            --station pilot.pub:telemetry,video,command --recording recording/rec.pub -o op.order
  {put}"""

NARROW_BAUD = 115_200  # at this rate and below, the streams for a companion would fill the line


def aboard(fc: Address, autopilot: str) -> str:
    """The wiring and the parameters for a flight controller at this endpoint."""
    if fc.kind != "serial":
        return NETWORK.format(endpoint=fc)
    usb = is_usb(fc.device)
    if autopilot in (BETAFLIGHT, INAV):
        plain = dataclasses.replace(fc, msp=False)
        parameters = PARAMETERS_MSP.format(name=SHIM_NAMES[autopilot], baud=fc.baud, fc=plain)
        return f"{USB if usb else PINS_OF_A_UART}\n\n{parameters}"
    mode = "Onboard" if fc.baud > NARROW_BAUD else "Onboard Low Bandwidth"
    serial, by_usb = {
        ARDUPILOT: (PARAMETERS_ARDUPILOT, PARAMETERS_ARDUPILOT_USB),
        PX4: (PARAMETERS_PX4, PARAMETERS_PX4_USB),
    }[autopilot]
    parameters = (by_usb if usb else serial).format(baud=fc.baud, kbaud=fc.baud // 1000, mode=mode)
    return f"{USB if usb else PINS}\n\n{parameters}"


def is_usb(device: str) -> bool:
    """Whether it is the USB port of a flight controller; an adapter (ttyUSB) is wired to pins, like a Pi."""
    return "ttyACM" in Path(device).resolve().name


def keys_aboard(values: Mapping[str, object], service: Account | None) -> str:
    """The commands from an empty folder to an order, for a folder of the `service` if there is one."""
    return KEYS_ABOARD.format(sudo="sudo " if service else "", device=shlex.quote(str(values["device"])))


def keys_at_station(values: Mapping[str, object], service: Account | None) -> str:
    order, station = (shlex.quote(str(values[key])) for key in ("order", "station"))
    put = f"sudo install -o {service.name} -m 600 op.order {order}" if service else f"put op.order at {order}"
    return KEYS_AT_STATION.format(sudo="sudo " if service else "", station=station, put=put)
