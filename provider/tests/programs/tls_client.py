#!/usr/bin/env python3
"""A client that makes TLS connections to a server on loopback and drops some of them in the middle.

    tls_client.py '{"port": 4433, "connections": 1000, "drop_every": 3, "threads": 8, "tls": "1.3", "talk": "http",
                   "resume": true}'

A connection that is dropped sends its ClientHello and ends with a reset: at once, or after the first bytes of the
answer, in turn. All others shake hands and talk: `http` asks for `path` and reads the answer to its end, `dns` sends
`queries` queries and reads their answers, `send` sends `lines` lines, and `garbage` sends a record that is none and waits
until the peer has ended the connection. With `resume` each thread offers the session
of its connection before. Prints what has become of the connections as
JSON; `failures` holds the errors of those that were not meant to fail.
"""

import json
import os
import socket
import ssl
import struct
import sys
import threading


def context(tls, ciphers):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    if tls:
        version = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[tls]
        made.minimum_version = made.maximum_version = version
    if ciphers:
        made.set_ciphers(ciphers)
    return made


def client_hello(made):
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        made.wrap_bio(incoming, outgoing, server_hostname="localhost").do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def drop(port, made, after_answer):
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(client_hello(made))
        if after_answer:
            connection.recv(1)
        # No waiting for what is unsent: the peer sees a reset.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def read_exactly(connection, length):
    got = b""
    while len(got) < length:
        part = connection.recv(length - len(got))
        if not part:
            raise EOFError(f"{len(got)} of {length} bytes")
        got += part
    return got


def http(connection, task):
    request = f"GET {task.get('path', '/')} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    connection.sendall(request.encode())
    answer = b""
    while True:
        try:
            part = connection.recv(65536)
        except ssl.SSLEOFError:
            break
        if not part:
            break
        answer += part
    head = answer.partition(b"\r\n\r\n")[0]
    if b" %d " % task.get("status", 200) not in head.split(b"\r\n")[0]:
        raise ValueError(f"answered {head[:100]!r}")


def dns(connection, task):
    for number in range(task.get("queries", 3)):
        question = b"\x07example\x03org\x00" + struct.pack(">HH", 1, 1)
        query = struct.pack(">HHHHHH", number, 0x0100, 1, 0, 0, 0) + question
        connection.sendall(struct.pack(">H", len(query)) + query)
        (length,) = struct.unpack(">H", read_exactly(connection, 2))
        answer = read_exactly(connection, length)
        if answer[:2] != query[:2] or socket.inet_aton("192.0.2.1") not in answer:
            raise ValueError(f"answered {answer!r}")


def send(connection, task):
    connection.sendall(b"a line of 32 bytes, many times.\n" * task.get("lines", 1))
    # The peer answers the end of what is sent with its own.
    connection.unwrap()


def garbage(connection, _):
    os.write(connection.fileno(), b"\x17\x03\x03\x00\x30" + os.urandom(48))
    try:
        while connection.recv(1):
            pass
    except OSError:
        pass  # its alert, or a reset


TALKS = {"http": http, "dns": dns, "send": send, "garbage": garbage}


def main():
    task = json.loads(sys.argv[1])
    made = context(task.get("tls"), task.get("ciphers"))
    every = task.get("drop_every", 0)
    numbers = iter(range(task["connections"]))
    lock = threading.Lock()
    result = {"whole": 0, "dropped": 0, "resumed": 0, "failures": []}
    before = threading.local()

    def one(number):
        if every and number % every == every - 1:
            drop(task["port"], made, number // every % 2 == 1)
            return "dropped"
        with socket.create_connection(("127.0.0.1", task["port"])) as plain:
            session = getattr(before, "session", None)
            with made.wrap_socket(plain, server_hostname="localhost", session=session) as connection:
                TALKS[task.get("talk", "http")](connection, task)
                if task.get("resume"):
                    before.session = connection.session
                    with lock:
                        result["resumed"] += connection.session_reused
        return "whole"

    def work():
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            try:
                outcome = one(number)
            except (OSError, EOFError, ValueError) as error:
                with lock:
                    result["failures"].append(f"connection {number}: {type(error).__name__}: {error}")
            else:
                with lock:
                    result[outcome] += 1

    threads = [threading.Thread(target=work) for _ in range(task.get("threads", 8))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps(result))


main()
