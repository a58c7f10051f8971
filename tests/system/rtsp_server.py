"""GStreamer's RTSP server with digest authentication, for the system's own Python: rtsp_server.py PORT

It reads a user and a password, in a line each, from its standard input: a test looks for the password in all command lines.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

ENCODE = "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=15 bitrate=1000"
RAW = "video/x-raw,width=320,height=240,framerate=30/1"
LAUNCH = f"( videotestsrc is-live=true ! {RAW} ! {ENCODE} ! rtph264pay name=pay0 pt=96 )"

Gst.init(None)
port, user, password = sys.argv[1], *(sys.stdin.readline().rstrip("\n") for _ in range(2))
server = GstRtspServer.RTSPServer(service=port)
server.set_address("127.0.0.1")
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch(LAUNCH)
factory.set_shared(True)
server.get_mount_points().add_factory("/live", factory)
if user:
    auth = GstRtspServer.RTSPAuth()
    auth.set_supported_methods(GstRtspServer.RTSPAuthMethod.DIGEST if hasattr(GstRtspServer, "RTSPAuthMethod") else 2)
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    auth.add_digest(user, password, token)
    server.set_auth(auth)
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_permission_for_role("viewer", "media.factory.access", True)
    permissions.add_permission_for_role("viewer", "media.factory.construct", True)
    factory.set_permissions(permissions)
server.attach(None)
print("ready", flush=True)
GLib.MainLoop().run()
