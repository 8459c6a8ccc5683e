#!/usr/bin/env python3
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
"""Owns a process that makes whoever reads the address of its bind(2) wait: slow_bind.py THREADS

The address lies in memory that nobody fills: here by userfaultfd(2), in life by a file of the user's
own FUSE. Starts as root, for userfaultfd(2), and goes on as nobody. Says "binding" once all threads are.
"""
import ctypes
import fcntl
import mmap
import os
import socket
import struct
import sys
import threading

SYS_USERFAULTFD = {"x86_64": 323, "aarch64": 282}[os.uname().machine]
UFFDIO_API, UFFDIO_REGISTER = 0xC018AA3F, 0xC020AA00
PAGE = mmap.PAGESIZE
BIND = {"x86_64": "49", "aarch64": "200"}[os.uname().machine]
threads = int(sys.argv[1])

libc = ctypes.CDLL(None, use_errno=True)
faults = libc.syscall(SYS_USERFAULTFD, os.O_CLOEXEC)
assert faults >= 0, "userfaultfd(2) needs root"
fcntl.ioctl(faults, UFFDIO_API, struct.pack("=QQQ", 0xAA, 0, 0))
memory = mmap.mmap(-1, threads * PAGE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
fcntl.ioctl(faults, UFFDIO_REGISTER, struct.pack("=QQQQ", start, threads * PAGE, 1, 0))
os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
libc.prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE, to read what the kernel says of our threads
sockets = [socket.socket() for _ in range(threads)]
for i, sock in enumerate(sockets):
    args = (sock.fileno(), ctypes.c_void_p(start + i * PAGE), 16)
    threading.Thread(target=libc.bind, args=args, daemon=True).start()
while sum(open(f"/proc/self/task/{task}/syscall").read().split()[0] == BIND
          for task in os.listdir("/proc/self/task")) < threads:
    pass
print("binding", flush=True)
threading.Event().wait()
