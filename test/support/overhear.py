"""Overhears the IPv4 UDP datagrams to a port that pass over this host's eth0.

  overhear.py PORT

Prints "ready", and "received" with `from` and `hex` for each, as udp-pipe.py does.
"""
import json
import socket
import struct
import sys

sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
sock.bind(("eth0", 0x0800))
print(json.dumps({"event": "ready"}), flush=True)
while True:
    packet = sock.recv(65536)
    udp = (packet[0] & 15) * 4
    source, destination, length = struct.unpack("!HHH", packet[udp:udp + 6])
    if packet[9] == socket.IPPROTO_UDP and destination == int(sys.argv[1]):
        sender = f"{socket.inet_ntoa(packet[12:16])}:{source}"
        print(json.dumps({"event": "received", "from": sender, "hex": packet[udp + 8:udp + length].hex()}), flush=True)
