"""A UDP socket on a lab's host, driven by lines of JSON.

  udp-pipe.py PORT

Prints "ready", and "received" with `from` and `hex` for each datagram. Sends for each line of standard input
{"to": [ADDRESS, PORT], "hex": …}; with "from": [ADDRESS, PORT] under that forged source (IPv4, needs root).
"""
import json
import socket
import struct
import sys
import threading

sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("0.0.0.0", int(sys.argv[1])))


def tell(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


def receive():
    while True:
        data, (address, port) = sock.recvfrom(65536)
        tell("received", **{"from": f"{address}:{port}", "hex": data.hex()})


def forge(source, to, data):
    # The kernel fills in the IP header's length and checksum; a UDP checksum of 0 is none.
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 0, 0, 0, 64, socket.IPPROTO_UDP, 0,
                         socket.inet_aton(source[0]), socket.inet_aton(to[0]))
    raw.sendto(header + struct.pack("!HHHH", source[1], to[1], 8 + len(data), 0) + data, (to[0], 0))


raw = None
threading.Thread(target=receive, daemon=True).start()
tell("ready")
for line in sys.stdin:
    order = json.loads(line)
    to, data = tuple(order["to"]), bytes.fromhex(order["hex"])
    if "from" in order:
        raw = raw or socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        forge(order["from"], to, data)
    else:
        sock.sendto(data, to)
