"""Sends numbered RTP packets from one socket, and says how many.

  rtp-source.py HOST PORT RATE SECONDS [PAUSE SECONDS]...    RATE packets a second for SECONDS, nothing for PAUSE, ...

200 bytes of payload type 96 each. Prints "sending" and "paused" when a phase begins and "done" with the number sent, at
the end or on SIGTERM.
"""
import json
import signal
import socket
import struct
import sys
import time

host, port, rate = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
sent = 0


def tell(event):
    print(json.dumps({"event": event, "sent": sent}), flush=True)


def stop(*_):
    tell("done")
    sys.exit(0)


signal.signal(signal.SIGTERM, stop)
for index, seconds in enumerate(map(float, sys.argv[4:])):
    start = time.monotonic()
    if index % 2:
        tell("paused")
        time.sleep(seconds)
        continue
    tell("sending")
    for number in range(int(seconds * rate)):
        time.sleep(max(0, start + number / rate - time.monotonic()))
        clock = int(time.monotonic() * 90000) & 0xFFFFFFFF
        # A signal must not come between the two: what was sent is counted.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        sock.sendto(struct.pack("!BBHII", 0x80, 96, sent & 0xFFFF, clock, 0x5EED) + bytes(188), (host, port))
        sent += 1
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
stop()
