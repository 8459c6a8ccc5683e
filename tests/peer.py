#!/usr/bin/env python3
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
"""Owns the helper's place on the wire where a test needs one that misbehaves: peer.py SOCKET HOW.

Each request is a line on stdout. SOCKET appears once it listens.
"""
import array
import errno
import os
import select
import socket
import struct
import sys

GREETING = struct.pack("=H6x", 1)
REQUEST = struct.Struct("=HHHHIHH16s16s64s16s")
OPS = {1: "check", 2: "register"}
kept = []  # connections that are never answered
registered = []


def reply(err=0, text=b"", version=1):
    return struct.pack("=HHi480s", version, int(err == 0), err, text)


def describe(record, fds):
    (_, op, mode, weight, spec_len, family, port, addr, instance, label, _) = REQUEST.unpack(
        record[: REQUEST.size]
    )
    spec = record[REQUEST.size :]
    assert len(spec) == spec_len
    words = [OPS[op], spec.decode()[:40], f"mode={mode}", f"weight={weight}"]
    words += [f"label={label.rstrip(bytes(1)).decode()}", f"instance={instance.hex()}"]
    if family:
        size = 4 if family == socket.AF_INET else 16
        words.append(f"for={socket.inet_ntop(family, addr[:size])}#{port}")
    for fd in fds:
        with socket.socket(fileno=fd) as sock:
            listens = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
            words.append(f"fd={sock.getsockname()[1]},{'listens' if listens else 'silent'}")
    print(*words, flush=True)
    return OPS[op]


def receive(conn):
    record, ancillary, _, _ = conn.recvmsg(1 << 17, socket.CMSG_SPACE(64))
    fds = array.array("i")
    for _, _, data in ancillary:
        fds.frombytes(data)
    return record, list(fds)


def serve(conn, how):
    if how == "mute":
        return kept.append(conn)
    if how == "shy":  # greets late: nothing may have been sent by then
        early = select.select([conn], [], [], 0.3)[0]
        print("early" if early else "patient", flush=True)
    if how == "hang-up":
        return conn.close()
    greetings = {
        "other-version": struct.pack("=H6x", 2),
        "garbage-greeting": os.urandom(4096),
        "short-greeting": b"\1",
    }
    try:
        socket.send_fds(
            conn, [greetings.get(how, GREETING)], [0] if how == "greeting-fd" else []
        )
        if how == "hang-up-greeted":
            return conn.close()
        record, fds = receive(conn)
        if not record:
            return conn.close()
        op = describe(record, fds)
        answer(conn, how, op)
    except ConnectionError:
        pass
    if how == "no-reply":
        kept.append(conn)
    else:
        conn.close()


def answer(conn, how, op):
    answers = {
        "warn": reply(0, b"192.0.2.0/24 is not local: ip route add local"),
        "refuse": reply(-errno.EACCES, b"80/tcp refused: \x1b[31mroot's"),
        "refuse-tersely": reply(-errno.EACCES),
        "positive-error": reply(5),
        "endless-text": reply(0, b"x" * 480),
        "other-reply": reply(0, b"", 2),
        "short-reply": reply()[:100],
        "long-reply": reply() + b"x",
    }
    if how == "reply-fd":
        socket.send_fds(conn, [reply()], [0])
    elif how == "reply-fds":
        socket.send_fds(conn, [reply()], [0, 1, 2])
    elif how == "refuse-register":
        conn.send(reply(-errno.EBUSY, b"taken") if op == "register" else reply())
    elif how == "refuse-second":
        if op == "register":
            registered.append(conn)
        conn.send(reply(-errno.EBUSY, b"taken") if len(registered) > 1 else reply())
    elif how not in ("no-reply", "hang-up-late"):
        conn.send(answers.get(how, reply()))


def main():
    path, how = sys.argv[1:]
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(path + ".new")
    listener.listen(0 if how == "full" else 128)
    while how == "full":
        client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        client.setblocking(False)
        kept.append(client)
        try:
            client.connect(path + ".new")
        except BlockingIOError:
            break
    os.rename(path + ".new", path)
    while how == "full":
        select.select([], [], [])
    while True:
        serve(listener.accept()[0], how)


main()
