# SPDX-License-Identifier: Apache-2.0
"""holder.py PORT COUNT CERTIFICATE BODY KEY: opens TLS connections, has one request answered on each, and keeps them.

Says `holding COUNT`; for a line on standard input it says how many are still open, `alive COUNT`. They come from many
loopback addresses, as many clients would, and so that no limit for one address is in the way.
"""

import gc
import select
import socket
import ssl
import sys

PER_ADDRESS = 50


def main() -> None:
    port, count, certificate, body, key = int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:6]
    gc.disable()
    trust = ssl.create_default_context(cafile=certificate)
    content = open(body, "rb").read()
    request = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost:{port}\r\nauthorization: Bearer {key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
    ).encode() + content
    held = []
    for number in range(count):
        block, address = divmod(number // PER_ADDRESS, 250)
        source = f"127.1.{block}.{address + 1}"
        plain = socket.create_connection(("127.0.0.1", port), 20, (source, 0))
        secure = trust.wrap_socket(plain, server_hostname="localhost")
        secure.sendall(request)
        answer = secure.recv(65536)
        if not answer.startswith(b"HTTP/1.1 200"):
            sys.exit(f"connection {number}: {answer[:200]!r}")
        length = int(answer.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        while len(answer.partition(b"\r\n\r\n")[2]) < length:
            answer += secure.recv(65536)
        held.append(secure)
    print(f"holding {count}", flush=True)
    for _ in sys.stdin:
        poll = select.poll()
        for secure in held:
            poll.register(secure, select.POLLIN | select.POLLRDHUP)
        gone = sum(1 for _, events in poll.poll(0) if events & (select.POLLRDHUP | select.POLLHUP | select.POLLERR))
        print(f"alive {count - gone}", flush=True)


main()
