"""Measures a NAT as RFC 4787 describes it, with real UDP sockets.

  nat-probe.py server ADDRESS ADDRESS         answers on ports 7001 and 7002 of both
  nat-probe.py measure ADDRESS ADDRESS        mapping, filtering, port preservation
  nat-probe.py map PORT ADDRESS...            from local PORT, the mapped address seen by port 7001 of each
  nat-probe.py age ADDRESS                    whether a mapping lives 1.2 s and 3.2 s after its last packet
  nat-probe.py wait PORT ADDRESS              from local PORT, whether an answer asked for comes 0.6 s later
  nat-probe.py count PORT SECONDS             counts datagrams on PORT until SECONDS pass without one
  nat-probe.py flood ADDRESS PORT COUNT       sends COUNT datagrams, a little apart

A request is "INDEX DELAY": the server answers from its socket INDEX (0 and 1 on the first address, 2 and 3 on the
second) after DELAY seconds, with INDEX and the address it saw. Every mode but server prints one line of JSON.
"""
import json
import select
import socket
import sys
import threading
import time

PORTS = (7001, 7002)


def udp(address, port=0):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.bind((address, port))
    return sock


def anywhere(remote, port=0):
    return udp("::" if ":" in remote else "0.0.0.0", port)


def serve(addresses):
    socks = [udp(address, port) for address in addresses for port in PORTS]
    print("ready", flush=True)
    while True:
        for sock in select.select(socks, [], [])[0]:
            data, source = sock.recvfrom(2048)
            index, delay = data.split()
            answer = json.dumps([int(index), source[0], source[1]]).encode()
            send = (lambda s=socks[int(index)], a=answer, to=source: s.sendto(a, to))
            threading.Timer(float(delay), send).start() if float(delay) > 0 else send()


def ask(sock, remote, port, index, delay=0):
    sock.sendto(f"{index} {delay}".encode(), (remote, port))


def answers(sock, seconds, enough=99):
    got, end = [], time.monotonic() + seconds
    while len(got) < enough and select.select([sock], [], [], max(0, end - time.monotonic()))[0]:
        got.append(json.loads(sock.recvfrom(2048)[0]))
    return got


def mapped(sock, remote, port, index):
    ask(sock, remote, port, index)
    got = answers(sock, 2, 1)
    return tuple(got[0][1:]) if got else None


def measure(first, second):
    sock = anywhere(first)
    here = mapped(sock, first, PORTS[0], 0)
    other_port = mapped(sock, first, PORTS[1], 1)
    other_address = mapped(sock, second, PORTS[0], 2)
    mapping = ("address-and-port-dependent" if here != other_port
               else "address-dependent" if here != other_address else "endpoint-independent")
    preserved = here is not None and here[1] == sock.getsockname()[1]
    sock = anywhere(first)
    mapped(sock, first, PORTS[0], 0)
    for stranger in (2, 1, 0):
        ask(sock, first, PORTS[0], stranger)
    # The permitted answer was sent last: once it is here only those of other threads of the kernel can be under way.
    came = {index for index, *_ in answers(sock, 0.15)}
    filtering = ("endpoint-independent" if 2 in came
                 else "address-dependent" if 1 in came else "address-and-port-dependent")
    return {"mapping": mapping, "filtering": filtering, "preserved": preserved, "mapped": here,
            "answered": 0 in came and None not in (other_port, other_address)}


def age(remote):
    sock = anywhere(remote)
    before = mapped(sock, remote, PORTS[0], 0)
    young = True
    # Twice, because the kernel takes a flow for a stream, with a timeout of its own, once it is 2 s old.
    for _ in range(2):
        ask(sock, remote, PORTS[0], 0, 1.2)
        young = young and len(answers(sock, 1.6, 1)) == 1
    ask(sock, remote, PORTS[0], 0, 3.2)
    old = len(answers(sock, 3.7, 1)) == 1
    return {"young": young, "old": old, "kept": before == mapped(sock, remote, PORTS[0], 0)}


def wait(port, remote):
    sock = anywhere(remote, port)
    ask(sock, remote, PORTS[0], 0, 0.6)
    print("ready", flush=True)
    return {"answered": len(answers(sock, 1, 1)) == 1}


def count(port, seconds):
    sock = udp("0.0.0.0", port)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    print("ready", flush=True)
    received, patience = 0, 2.0
    while select.select([sock], [], [], patience)[0]:
        sock.recv(2048)
        received, patience = received + 1, seconds
    return {"received": received}


def flood(remote, port, total):
    sock = anywhere(remote)
    for number in range(total):
        sock.sendto(b"x" * 100, (remote, port))
        if number % 20 == 19:
            time.sleep(0.001)
    return {"sent": total}


mode, *rest = sys.argv[1:]
if mode == "server":
    serve(rest)
elif mode == "measure":
    print(json.dumps(measure(*rest)))
elif mode == "map":
    local = anywhere(rest[1], int(rest[0]))
    print(json.dumps([mapped(local, remote, PORTS[0], 0 if remote == rest[1] else 2) for remote in rest[1:]]))
elif mode == "age":
    print(json.dumps(age(*rest)))
elif mode == "wait":
    print(json.dumps(wait(int(rest[0]), rest[1])))
elif mode == "count":
    print(json.dumps(count(int(rest[0]), float(rest[1]))))
elif mode == "flood":
    print(json.dumps(flood(rest[0], int(rest[1]), int(rest[2]))))
