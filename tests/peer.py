#!/usr/bin/env python3
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
"""Owns the helper's place on the wire where a test needs one that misbehaves: peer.py SOCKET HOW.

Each request is a line on stdout. SOCKET appears once it listens; "@SOCKET" is an abstract name, of
which it says "named" on stderr.

HOW version:N greets as a helper of that version does.

HOW elsewhere:PORT[:THEN], shared:KIND[:THEN] and place:NUMBER:PORT say which place a CHECK is
answered with; KIND is one of SHAREABLE, "nothing" or "file". THEN is what comes next: "die" and
"restart" at once, any other HOW with the next question.
"""
import array
import errno
import os
import select
import socket
import struct
import sys
import time

GREETING = struct.pack("=H6x", 3)
REQUEST = struct.Struct("=HHHHIHH16s16s64sII8s")
OPS = {1: "check", 2: "register", 12: "shared"}
ELSEWHERE, SHARED = 1, 2
PAUSE = 0.1  # seconds; from 0.5 on progs/calls.c says that it waited
kept = []  # connections that are never answered
made = {}  # what is shared
registered = []
listeners = []  # the helper's own, one at a time


def reply(err=0, text=b"", version=3, steered=True, place=0, port=0):
    steered = int(err == 0 and steered)
    return struct.pack("=HHiHHIQ464s", version, steered, err, place, port, 0, 0, text)


def describe(record, fds):
    (_, op, mode, weight, spec_len, family, port, addr, instance, label, _, _, _) = REQUEST.unpack(
        record[: REQUEST.size]
    )
    spec = record[REQUEST.size :]
    assert len(spec) == spec_len
    words = [OPS[op], spec.decode()[:40], f"mode={mode}", f"weight={weight}"]
    words += [f"label={label.rstrip(bytes(1)).decode()}", f"instance={instance.hex()}"]
    if family:
        size = 4 if family == socket.AF_INET else 16
        words.append(f"for={socket.inet_ntop(family, addr[:size])}#{port}")
    elif port:
        words.append(f"wanted={port}")
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
        early = select.select([conn], [], [], PAUSE)[0]
        print("early" if early else "patient", flush=True)
    if how == "hang-up":
        return conn.close()
    greetings = {
        "garbage-greeting": os.urandom(4096),
        "short-greeting": b"\1",
        "empty-greeting": b"",
    }
    if how.startswith("version:"):
        greetings[how] = struct.pack("=H6x", int(how[8:]))
    try:
        socket.send_fds(
            conn,
            [greetings.get(how, GREETING)],
            [0] if how in ("greeting-fd", "empty-greeting") else [],
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
    conn.close()


def answer(conn, how, op):
    place, *rest = how.split(":")
    if place in ("elsewhere", "shared", "place"):
        how = rest[1] if len(rest) > 1 else "grant"
        if op == "check":
            return answer_placed(conn, place, rest[0], how)
    if how == "reset-once":
        registered.append(conn)
        how = "hang-up-late" if len(registered) == 1 else "grant"
    answers = {
        "warn": reply(0, b"192.0.2.0/24 is not local: ip route add local"),
        "refuse": reply(-errno.EACCES, b"80/tcp refused: \x1b[31mroot's"),
        "refuse-tersely": reply(-errno.EACCES),
        "positive-error": reply(5),
        "endless-text": reply(0, b"x" * 464),
        "other-reply": reply(0, b"", 1),
        "short-reply": reply()[:100],
        "long-reply": reply() + b"x",
        "not-meant": reply(steered=False),
        "refused-but-placed": reply(-errno.EACCES, place=ELSEWHERE),
    }
    busy = reply(-errno.EBUSY, b"taken")
    if how == "reply-fd":
        socket.send_fds(conn, [reply()], [0])
    elif how == "reply-fds":
        socket.send_fds(conn, [reply()], [0, 1, 2])
    elif how == "refuse-register":
        conn.send(busy if op == "register" else reply())
    elif how == "refuse-second":
        if op == "register":
            registered.append(conn)
        conn.send(busy if len(registered) > 1 else reply())
    elif how == "no-reply":
        kept.append(conn.dup())
    elif how != "hang-up-late":
        conn.send(answers.get(how, reply()))
    return None


def answer_placed(conn, place, what, then):
    """What comes of a CHECK; the helper itself may go then."""
    if place == "elsewhere":
        conn.send(reply(place=ELSEWHERE, port=int(what)))
    elif place == "place":
        conn.send(reply(place=int(what), port=int(then)))
    else:
        sock = shared(what)
        socket.send_fds(conn, [reply(place=SHARED)], [sock.fileno()] if sock else [])
    if then in ("die", "restart"):
        listeners.pop().close()
        os.unlink(sys.argv[1])
    if then == "die":
        sys.exit()
    if then == "restart":
        time.sleep(PAUSE)
        open_listener(sys.argv[1])


SHAREABLE = {  # what is sent as the other instance's socket: right, or wrong in one way
    "tcp4": (socket.AF_INET, socket.SOCK_STREAM, ("0.0.0.0", 7777)),
    "moved": (socket.AF_INET, socket.SOCK_STREAM, ("0.0.0.0", 7778)),
    "unbound": (socket.AF_INET, socket.SOCK_STREAM, None),
    "tcp6": (socket.AF_INET6, socket.SOCK_STREAM, ("::", 7777)),
    "udp4": (socket.AF_INET, socket.SOCK_DGRAM, ("0.0.0.0", 7777)),
    "moved-udp4": (socket.AF_INET, socket.SOCK_DGRAM, ("0.0.0.0", 7778)),
    "unix": (socket.AF_UNIX, socket.SOCK_STREAM, "\0sksteer-peer"),
}


def shared(kind):
    if kind == "nothing":
        return None
    if kind == "file":
        kept.append(open("/etc/passwd", "rb"))
    elif kind not in made:
        family, type_, address = SHAREABLE[kind]
        made[kind] = socket.socket(family, type_)
        if address:
            made[kind].bind(address)
        if address and type_ == socket.SOCK_STREAM:
            made[kind].listen()
    return made.get(kind) or kept[-1]


def open_listener(path, backlog=128, fill=False):
    hidden = path.startswith("@")
    address = "\0" + path[1:] if hidden else path + ".new"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(address)
    listener.listen(backlog)
    while fill:
        client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        client.setblocking(False)
        kept.append(client)
        try:
            client.connect(address)
        except BlockingIOError:
            break
    if not hidden:
        os.rename(address, path)
    listeners.append(listener)
    if hidden:
        print("named", file=sys.stderr, flush=True)


def main():
    path, how = sys.argv[1:]
    open_listener(path, 0 if how == "full" else 128, how == "full")
    while how == "full":
        select.select([], [], [])
    while True:
        serve(listeners[0].accept()[0], how)


main()
