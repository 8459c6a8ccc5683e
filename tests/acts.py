#!/usr/bin/env python3
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
"""Owns a server that does what it is told, while it serves: acts.py FIFO. Each line is an act:

open NAME tcp|udp ADDRESS PORT [v6only] [reuse] [dev=INTERFACE] [linger=SECONDS]
bind ...                     the same, but by TCP it does not listen yet
listen NAME
close NAME
connect NAME ADDRESS PORT
linger NAME                  says what the socket's option is
leave CMD...                 starts it and never waits for it; says its pid

It says "ready" first, and then for each act a line: "= done", "= EADDRINUSE", "= " and what was
asked for. A client hears "NAME PORT": the socket that took it, and the port that it finds itself
on.
"""
import errno
import os
import selectors
import socket
import struct
import sys

KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
NEVER_MORE = 1 << 16  # a client sends a line and hangs up

socks = {}
selector = selectors.DefaultSelector()
acts = {}


def act(function):
    acts[function.__name__] = function
    return function


def set_option(sock, option):
    word, _, value = option.partition("=")
    if word == "v6only":
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    elif word == "reuse":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    elif word == "dev":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, value.encode())
    elif word == "linger":
        linger = struct.pack("ii", 1, int(value))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    else:
        raise ValueError(option)


@act
def bind(name, kind, address, port, *options):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, KINDS[kind])
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        for option in options:
            set_option(sock, option)
        sock.setblocking(False)
        sock.bind((address, int(port)))
    except OSError:
        sock.close()
        raise
    socks[name] = sock
    if kind == "udp":
        selector.register(sock, selectors.EVENT_READ, lambda: answer_datagram(name, sock))


@act
def listen(name):
    sock = socks[name]
    sock.listen()
    selector.register(sock, selectors.EVENT_READ, lambda: accept(name, sock))


@act
def open(name, kind, *rest):
    bind(name, kind, *rest)
    if kind == "tcp":
        try:
            listen(name)
        except OSError:
            close(name)
            raise


@act
def close(name):
    sock = socks.pop(name)
    if sock in selector.get_map():
        selector.unregister(sock)
    sock.close()


@act
def connect(name, address, port):
    socks[name].connect((address, int(port)))


@act
def linger(name):
    return "%d %d" % struct.unpack(
        "ii", socks[name].getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)
    )


@act
def leave(*cmd):
    return str(os.spawnv(os.P_NOWAIT, cmd[0], cmd))


def line(name, sock):
    return f"{name} {sock.getsockname()[1]}\n".encode()


def answer_datagram(name, sock):
    try:
        peer = sock.recvfrom(NEVER_MORE)[1]
        sock.sendto(line(name, sock), peer)
    except OSError:  # an ICMP error, or connected to another
        pass


def accept(name, listener):
    try:
        client = listener.accept()[0]
    except BlockingIOError:
        return
    client.send(line(name, client))
    client.shutdown(socket.SHUT_WR)
    selector.register(client, selectors.EVENT_READ, lambda: hear(client))


def hear(client):
    """It hangs up first, or its line would meet a closed socket and take the answer along."""
    try:
        if client.recv(NEVER_MORE):
            return
    except OSError:
        pass
    selector.unregister(client)
    client.close()


def obey(words):
    try:
        said = acts[words[0]](*words[1:]) or "done"
    except OSError as error:
        said = errno.errorcode[error.errno]
    print("=", said, flush=True)


def main():
    # Also for writing: so it never ends.
    fifo = os.fdopen(os.open(sys.argv[1], os.O_RDWR | os.O_NONBLOCK), "rb", buffering=0)
    rest = b""

    def read():
        nonlocal rest
        *lines, rest = (rest + fifo.read(NEVER_MORE)).split(b"\n")
        for each in lines:
            obey(each.decode().split())

    selector.register(fifo, selectors.EVENT_READ, read)
    print("ready", flush=True)
    while True:
        for key, _ in selector.select():
            if key.fd in selector.get_map():  # not closed by another event of this round
                key.data()


if __name__ == "__main__":
    main()
