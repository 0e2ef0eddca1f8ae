"""UDP sockets on a host of the lab, driven line by line: JSON in, JSON out.

  ["open", host]                       binds a socket to any port of that address; answers the port
  ["send", port, host, port, [hex…]]   sends from the socket of that port
  ["stream", port, host, port, rate, seconds]   sends numbered RTP at that rate, in the background
  ["sent", port]                       how many of these it has sent
  ["received", port]                   what it got so far, in hex
  ["from", port]                       the same as [hex, address, port, milliseconds since 1970]
"""
import json
import socket
import sys
import threading
import time

sockets, inboxes, sent = {}, {}, {}


def receive(sock, inbox):
    while True:
        data, source = sock.recvfrom(65536)
        inbox.append((data.hex(), source[0], source[1], time.time() * 1000))


def stream(port, host, to, rate, seconds):
    start = time.monotonic()
    for number in range(int(rate * seconds)):
        time.sleep(max(0, start + number / rate - time.monotonic()))
        sockets[port].sendto(b"\x80\x60" + number.to_bytes(2, "big") + bytes(196), (host, to))
        sent[port] = number + 1


def answer(command, *rest):
    if command == "open":
        sock = socket.socket(socket.AF_INET6 if ":" in rest[0] else socket.AF_INET, socket.SOCK_DGRAM)
        # Bursts of a test must not end in a full buffer; 33 is SO_RCVBUFFORCE.
        sock.setsockopt(socket.SOL_SOCKET, 33, 4 << 20)
        sock.bind((rest[0], 0))
        port = sock.getsockname()[1]
        sockets[port], inboxes[port] = sock, []
        threading.Thread(target=receive, args=(sock, inboxes[port]), daemon=True).start()
        return port
    if command == "send":
        for packet in rest[3]:
            sockets[rest[0]].sendto(bytes.fromhex(packet), (rest[1], rest[2]))
        return None
    if command == "stream":
        threading.Thread(target=stream, args=rest, daemon=True).start()
        return None
    if command == "sent":
        return sent.get(rest[0], 0)
    if command == "received":
        return [packet for packet, *_ in inboxes[rest[0]]]
    return inboxes[rest[0]]


for line in sys.stdin:
    print(json.dumps({"value": answer(*json.loads(line))}), flush=True)
