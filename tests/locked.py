#!/usr/bin/env python3
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
"""Owns clients that make the helper wait for a socket that they send: locked.py SOCKET CASE [PID]

setsockopt(2) holds the socket's lock while it reads its argument, whose end lies in memory that
nobody fills: here by userfaultfd(2), in life by a FUSE file system of the user's own. Starts as root, for
userfaultfd(2), and goes on as nobody (or $SKS_UID), in PID's user and network namespace if there is one. Says what the helper answered to each request.
"""
import ctypes
import fcntl
import mmap
import os
import struct
import sys
import threading
import time

import wire_probe as probe

SYS_USERFAULTFD = {"x86_64": 323, "aarch64": 282}[os.uname().machine]
UFFDIO_API, UFFDIO_REGISTER, UFFDIO_ZEROPAGE = 0xC018AA3F, 0xC020AA00, 0xC020AA04
PAGE = mmap.PAGESIZE
IPV6_PKTINFO, PKTINFO_SIZE = 50, 20

libc = ctypes.CDLL(None, use_errno=True)
faults = libc.syscall(SYS_USERFAULTFD, os.O_CLOEXEC)
assert faults >= 0, "userfaultfd(2) needs root"
fcntl.ioctl(faults, UFFDIO_API, struct.pack("=QQQ", 0xAA, 0, 0))
"".encode("idna")  # loaded while we may read it
for name in ("user", "net") if len(sys.argv) > 3 else ():
    with open(f"/proc/{sys.argv[3]}/ns/{name}", encoding="ascii") as file:
        assert not libc.setns(file.fileno(), 0)
os.setgroups([])
uid = int(os.environ.get("SKS_UID", 65534))
os.setresgid(uid, uid, uid)
os.setresuid(uid, uid, uid)


class Lock:
    """Of a socket, from its making until free()."""

    def __init__(self, sock):
        self.memory = mmap.mmap(-1, 2 * PAGE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        self.at = start + PAGE
        self.memory[PAGE - 4 : PAGE] = bytes(4)  # read before the lock is taken
        fcntl.ioctl(faults, UFFDIO_REGISTER, struct.pack("=QQQQ", self.at, PAGE, 1, 0))
        call = (
            sock.fileno(),
            probe.socket.IPPROTO_IPV6,
            IPV6_PKTINFO,
            ctypes.c_void_p(self.at - 4),
            PKTINFO_SIZE,
        )
        self.thread = threading.Thread(target=lambda: libc.setsockopt(*call), daemon=True)
        self.thread.start()
        os.read(faults, 32)  # that somebody waits for the memory: it holds the lock

    def free(self):
        fcntl.ioctl(faults, UFFDIO_ZEROPAGE, struct.pack("=QQQq", self.at, PAGE, 0, 0))
        self.thread.join()


def listener():
    sock = probe.socket.socket(probe.socket.AF_INET6)
    sock.listen()
    return sock


def register(sock):
    print(probe.ask(probe.request(), [os.dup(sock.fileno())]), flush=True)


def once():
    """Answered at once from the second time on, also after the lock is free."""
    sock = listener()
    lock = Lock(sock)
    register(sock)
    register(sock)
    lock.free()
    register(sock)


def honest():
    """As anybody does it."""
    print(probe.ask(probe.request(spec=b"8000"), [listener().detach()]), flush=True)


def keep():
    """Until it is killed."""
    sock = listener()
    Lock(sock)
    register(sock)
    time.sleep(1000)


def grow():
    """What is registered is locked, then more sockets come than its map has room for."""
    socks = [listener() for _ in range(64)]
    for i, sock in enumerate(socks):
        record = probe.request(spec=b"%d" % (8000 + i))
        print(probe.ask(record, [os.dup(sock.fileno())]), flush=True)
        lock = lock if i else Lock(sock)
    time.sleep(1000)


def status():
    """Along with a request that needs none."""
    sock = listener()
    lock = Lock(sock)
    print(probe.ask(probe.request(probe.STATUS, b""), [os.dup(sock.fileno())]), flush=True)
    lock.free()


def leave(*socks):
    """The helper's copies are the last; who does not read what they have to send lives on."""
    if os.fork() == 0:
        for sock in socks:
            sock.close()
        print("left", flush=True)
        time.sleep(1000)
    os._exit(0)  # at the end of a process nothing lingers


def unread():
    """A socket that lingers, in a record that nobody asked for and nobody reads."""
    conn, sock = probe.connect(), probe.lingering()
    probe.socket.send_fds(conn, [probe.request(probe.STATUS, b"")], [])
    probe.socket.send_fds(conn, [probe.request(probe.STATUS, b"")], [sock.fileno()])
    leave(sock, conn)


def many():
    """Sockets that linger, more in one record than are received."""
    conn, socks = probe.connect(), [probe.lingering() for _ in range(4)]
    probe.socket.send_fds(conn, [probe.request()], [sock.fileno() for sock in socks])
    leave(*socks, conn)


def reply():
    """A reply socket, whose service ends then."""
    server, fresh = (probe.socket.socket(probe.socket.AF_INET6, probe.socket.SOCK_DGRAM) for _ in "12")
    server.bind(("::", 5353))
    cookie = server.getsockopt(probe.socket.SOL_SOCKET, 57, 8)
    address = probe.socket.inet_pton(probe.socket.AF_INET6, "::1")
    record = probe.reply_request(family=10, port=2053, addr=address, reserved=cookie)
    print(probe.ask(probe.request(spec=b"2053/udp"), [os.dup(server.fileno())]), flush=True)
    print(probe.ask(record, [os.dup(fresh.fileno())]), flush=True)
    Lock(fresh)
    server.close()
    time.sleep(1000)


cases = (once, honest, keep, grow, status, unread, many, reply)
{case.__name__: case for case in cases}[sys.argv[2]]()
