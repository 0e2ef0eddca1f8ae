"""Many bare-punching viewers on one host, and what each of them got.

  crowd.py HOST PORT VIEWERS [LIFE]     punches b'0' from each socket every 2 s; for LIFE seconds, default for good

Prints "ready" when all have punched once, and on SIGTERM "done": the packets of each viewer, and how many numbers between
the first and the last are missing or came twice, over all of them.
"""
import json
import selectors
import signal
import socket
import sys
import time

host, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
life = float(sys.argv[4]) if len(sys.argv) > 4 else 1e9
choose, numbers, sockets, ended = selectors.DefaultSelector(), [], [], False


def stop(*_):
    global ended
    ended = True


signal.signal(signal.SIGTERM, stop)
for viewer in range(count):
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, 33, 1 << 20)
    sock.setblocking(False)
    sock.sendto(b"0", (host, port))
    choose.register(sock, selectors.EVENT_READ, viewer)
    sockets.append(sock)
    numbers.append([])
print(json.dumps({"event": "ready"}), flush=True)
started = punched = time.monotonic()
while not ended:
    for key, _ in choose.select(0.2):
        try:
            while True:
                numbers[key.data].append(int.from_bytes(key.fileobj.recv(2048)[2:4], "big"))
        except BlockingIOError:
            pass
    now = time.monotonic()
    if now - punched > 2 and now - started < life:
        punched = now
        for sock in sockets:
            sock.sendto(b"0", (host, port))
missing = sum(max(n) - min(n) + 1 - len(set(n)) if n else 0 for n in numbers)
print(json.dumps({"event": "done", "packets": [len(n) for n in numbers], "missing": missing,
                  "duplicates": sum(len(n) - len(set(n)) for n in numbers),
                  "first": max((n[0] for n in numbers if n), default=0),
                  "last": [n[-1] if n else 0 for n in numbers]}), flush=True)
