#!/usr/bin/env python3
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
"""Owns servers whose processes and threads share their sockets in some way: servers.py HOW.

Each answers a line with "WHO PORT LINE": the process (and thread) that accepted the connection, and
the port that it finds itself on. It serves one client at a time, until that one hangs up.
"""
import os
import signal
import socket
import sys
import threading

PORT = 7777
WORKERS = 3


def bound(port=PORT, reuse_port=False):
    """Bound, on every address of both families; it does not listen yet."""
    sock = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if reuse_port:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.bind(("::", port))
    return sock


def listening(port=PORT):
    sock = bound(port)
    sock.listen()
    return sock


def serve(sock):
    while True:
        client = sock.accept()[0]
        with client, client.makefile("rw") as lines:
            try:
                for line in lines:
                    who = f"{os.getpid()}.{threading.get_native_id()}"
                    print(who, client.getsockname()[1], line, end="", file=lines, flush=True)
            except ConnectionError:
                pass


def fork(work, *args):
    if os.fork() == 0:
        work(*args)


def wait():
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        signal.pause()


def prefork():
    sock = listening()
    for _ in range(WORKERS):
        fork(serve, sock)
    wait()


def child_listens():
    """As varnish does: the parent keeps the bound socket and never listens itself."""
    sock = bound()

    def child():
        sock.listen()
        serve(sock)

    fork(child)
    wait()


def threads():
    sock = listening()
    for _ in range(WORKERS):
        threading.Thread(target=serve, args=(sock,)).start()


def binding_threads():
    """As named does: each binds and listens by itself, all at the same moment."""
    together = threading.Barrier(8)

    def work(port):
        together.wait()
        serve(listening(port))

    for i in range(8):
        threading.Thread(target=work, args=(PORT + i,)).start()


def listen_twice():
    sock = bound()
    sock.listen(1)
    sock.listen(64)
    serve(sock)


def reuse_port():
    def child():
        sock = bound(reuse_port=True)
        sock.listen()
        serve(sock)

    for _ in range(WORKERS):
        fork(child)
    wait()


globals()[sys.argv[1]]()
