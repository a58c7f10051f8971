"""Share: what leaves a station in clear, on purpose, for the systems of a control room. It holds no key.

command.py, role.py, config.py        the command, the loop of the process, share.toml
rtsp_message.py, rtsp_digest.py,
rtsp_transport.py, rtsp_session.py    one reader's connection, without the connection
rtsp_stream.py, rtsp_renumber.py      one picture stream of the feed, as all its readers get it
rtsp_describe.py, rtcp.py             its description (SDP), and its sender reports
rtsp_reader.py, rtsp_server.py        sockets
sightings.py, view_cone.py            where each aircraft is, and where its camera looks
geojson.py, positions.py, positions_settings.py
                                      positions for a GIS
cot.py, tak.py, tak_settings.py       Cursor on Target for a TAK network
"""
