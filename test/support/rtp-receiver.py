"""Receives RTP, and says what came.

  rtp-receiver.py seed HOST PORT      as the client of the seed: punches with b'0' and receives on the same socket
  rtp-receiver.py player PORT         as a player: receives on 127.0.0.1:PORT

Prints "ready" with the local port, "first" when the first packet comes, "gap" when one comes after a silence of more than
300 ms, with its length in milliseconds and when it ended in milliseconds since 1970, and on SIGTERM "done": packets, how
many sequence numbers between the first and the last are missing or came twice, and the sources.
"""
import json
import signal
import socket
import sys
import time

mode, *rest = sys.argv[1:]
packets, numbers, sources = 0, [], set()


def tell(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


def stop(*_):
    unwrapped, cycles = [], 0
    for before, number in zip([None] + numbers[:-1], numbers):
        cycles += 65536 if before is not None and number < before - 32768 else 0
        unwrapped.append(number + cycles)
    seen = set(unwrapped)
    span = max(seen) - min(seen) + 1 if seen else 0
    tell("done", packets=packets, missing=span - len(seen), duplicates=packets - len(seen),
         sources=sorted(sources))
    sys.exit(0)


if mode == "seed":
    sock = socket.socket(socket.AF_INET6 if ":" in rest[0] else socket.AF_INET, socket.SOCK_DGRAM)
    signal.signal(signal.SIGTERM, stop)
    sock.sendto(b'0', (rest[0], int(rest[1])))
    host, port = sock.getsockname()[:2]
    print('Listen to port {} to get your stream!'.format(port))
else:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    signal.signal(signal.SIGTERM, stop)
    sock.bind(("127.0.0.1", int(rest[0])))
    port = int(rest[0])
tell("ready", port=port)
last = None
while True:
    data, source = sock.recvfrom(65536)
    now = time.time()
    if last is None:
        tell("first")
    elif now - last > 0.3:
        tell("gap", lengthMs=round((now - last) * 1000), endMs=round(now * 1000))
    last = now
    packets += 1
    numbers.append(int.from_bytes(data[2:4], "big"))
    sources.add("{}:{}".format(*source[:2]))
