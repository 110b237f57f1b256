#!/usr/bin/env python3
"""The IPFS proxy from outside: before a scripted Kubo, whose every byte is told by the test, what is handed on comes out
as it went in; before the stand-in, what pins is done by the cluster."""
import contextlib
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from cluster_test import PATIENCE, Reader, connect, eventually, exchange, multipart, read_response, run  # noqa: E402

CID = 'QmP63DkAFEnDYNjDYBpyNDfttu1fvUw99x1brscPzpqmmq'
OTHER = 'QmP63DkAFEnDYNjDYBpyNDfttu1fvUw99x1brscPzpqmma'
HELLO = 'QmccvEeJ1S95baJ6brLwNCKc6uq89vpVEoUGcEXc5FHhaX'
EMPTY = b'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'


class Scripted:
        """A Kubo that does what the test says: accept() gives its side of a connection."""

        def __init__(self, path=None):
                if path:
                        self.socket = socket.socket(socket.AF_UNIX)
                        self.socket.bind(path)
                        self.multiaddr = f'/unix{path}'
                else:
                        self.socket = socket.create_server(('127.0.0.1', 0))
                        self.port = self.socket.getsockname()[1]
                        self.multiaddr = f'/ip4/127.0.0.1/tcp/{self.port}'
                self.socket.listen(128)
                self.socket.settimeout(PATIENCE)

        def accept(self):
                connection, _ = self.socket.accept()
                connection.settimeout(PATIENCE)
                return connection

        def is_asked(self):
                return bool(select.select([self.socket], [], [], 0)[0])


def scripted(bench, path=None, **section):
        """(peer, its Kubo for the proxy alone): the peer itself has a stand-in."""
        upstream = Scripted(path)
        peer = bench.peer(bench.stand_in(), proxy={'node_multiaddress': upstream.multiaddr, **section}).start()
        return peer, upstream


def until(connection, mark):
        got = b''
        while mark not in got:
                data = connection.recv(65536)
                assert data, f'ended within {got[-200:]!r}'
                got += data
        return got


def rest(connection):
        got = b''
        while data := connection.recv(65536):
                got += data
        return got


def ended(connection):
        """The other side has ended it, in order or not."""
        with contextlib.suppress(ConnectionResetError):
                return connection.recv(1) == b''
        return True


def request(path='/api/v0/cat', method='POST', head='', body=b''):
        return f'{method} {path} HTTP/1.1\r\nHost: kubo.example\r\n{head}\r\n'.encode() + body


# ---- handed on

def bytes_are_handed_on_as_they_are(bench):
        peer, kubo = scripted(bench)
        head = 'x-UPPER: A  b\r\nAccept: */*\r\nX-Twice: 1\r\nX-Twice: 2\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n'
        body = b'3;ext=1\r\nabc\r\n00000a\r\n0123456789\r\n0\r\nX-T: yes\r\n\r\n'
        answer = (b'HTTP/1.1 207 Some Thing\r\nB: 2\r\na: 1\r\nSet-Cookie: x\r\nSet-Cookie: y\r\nTransfer-Encoding: chunked\r\n'
                  b'Trailer: X-Stream-Error\r\n\r\n5;q\r\nhello\r\n1\r\n!\r\n0\r\nX-Stream-Error: too bad\r\n\r\n')
        with connect(peer.proxy_port) as client:
                client.sendall(request('/api/v0/cat?arg=a%20b&x=%2F+&y', 'MKCOL', head, body))
                server = kubo.accept()
                got = until(server, b'X-T: yes\r\n\r\n')
                assert got == request('/api/v0/cat?arg=a%20b&x=%2F+&y', 'MKCOL', head + 'X-Forwarded-For: 127.0.0.1\r\n', body).replace(b'A  b', b'A  b'), got
                server.sendall(answer)
                got = until(client, b'too bad\r\n\r\n')
                assert got == answer, got
                server.close()


def bodies_of_each_kind(bench):
        peer, kubo = scripted(bench)
        cases = [('GET', b'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello', b''), ('HEAD', b'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', b''),
                 ('POST', b'HTTP/1.1 204 No Content\r\n\r\n', b''), ('GET', b'HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n', b''),
                 ('PUT', b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', b'some body'),
                 ('OPTIONS', b'HTTP/1.1 204 No Content\r\nAllow: POST\r\n\r\n', b'')]
        with connect(peer.proxy_port) as client:
                server = None
                for method, answer, body in cases:  # all on one connection, and on one of Kubo's but for a body
                        head = f'Content-Length: {len(body)}\r\n' if body else ''
                        client.sendall(request('/api/v0/files/stat', method, head, body))
                        server = kubo.accept() if body or not server else server
                        got = until(server, body or b'\r\n\r\n')
                        assert got.startswith(method.encode()) and got.endswith(b'\r\n\r\n' + body), got
                        server.sendall(answer)
                        got = b''
                        while len(got) < len(answer):
                                got += client.recv(65536)
                        assert got == answer, (got, answer)
                assert not kubo.is_asked()


def an_answer_until_close(bench):
        peer, kubo = scripted(bench)
        with connect(peer.proxy_port) as client:
                client.sendall(request())
                server = kubo.accept()
                until(server, b'\r\n\r\n')
                server.sendall(b'HTTP/1.1 200 OK\r\n\r\nall of it')
                server.close()
                got = rest(client)
                assert got == b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it', got


def an_old_client(bench):
        peer, kubo = scripted(bench)
        with connect(peer.proxy_port) as client:
                client.sendall(b'GET /x HTTP/1.0\r\n\r\n')
                server = kubo.accept()
                assert until(server, b'\r\n\r\n').startswith(b'GET /x HTTP/1.0\r\n')
                server.sendall(b'HTTP/1.0 200 OK\r\n\r\nold')
                server.close()
                assert rest(client) == b'HTTP/1.0 200 OK\r\nConnection: close\r\n\r\nold'


def both_at_the_same_time(bench):
        """Parts of the answer come while the request is still sent, and the other way round."""
        peer, kubo = scripted(bench)
        with connect(peer.proxy_port) as client:
                client.sendall(request('/api/v0/get', head='Transfer-Encoding: chunked\r\n'))
                server = kubo.accept()
                until(server, b'\r\n\r\n')
                server.sendall(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
                until(client, b'\r\n\r\n')
                for n in range(20):
                        client.sendall(b'1\r\n%c\r\n' % (65 + n))
                        assert until(server, b'\r\n%c\r\n' % (65 + n)) == b'1\r\n%c\r\n' % (65 + n)
                        server.sendall(b'2\r\n<%c\r\n' % (65 + n))
                        assert until(client, b'<%c\r\n' % (65 + n)) == b'2\r\n<%c\r\n' % (65 + n)
                client.sendall(b'0\r\n\r\n')
                until(server, b'0\r\n\r\n')
                server.sendall(b'0\r\n\r\n')
                assert until(client, b'0\r\n\r\n') == b'0\r\n\r\n'


def go_on_and_hints(bench):
        peer, kubo = scripted(bench)
        with connect(peer.proxy_port) as client:
                client.sendall(request('/api/v0/get', head='Expect: 100-continue\r\nContent-Length: 4\r\n'))
                server = kubo.accept()
                assert b'Expect: 100-continue' in until(server, b'\r\n\r\n')
                server.sendall(b'HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n')
                assert until(client, b'\r\n\r\n') == b'HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n'
                server.sendall(b'HTTP/1.1 100 Continue\r\n\r\n')
                assert until(client, b'\r\n\r\n') == b'HTTP/1.1 100 Continue\r\n\r\n'
                client.sendall(b'body')
                until(server, b'body')
                server.sendall(EMPTY)
                assert until(client, b'\r\n\r\n') == EMPTY


def an_early_answer(bench):
        """Kubo has heard enough: its answer arrives, though the request never ends."""
        peer, kubo = scripted(bench)
        with connect(peer.proxy_port) as client:
                client.sendall(request('/api/v0/get', head='Content-Length: 1000000000\r\n', body=b'x' * 100000))
                server = kubo.accept()
                until(server, b'xxx')
                server.sendall(b'HTTP/1.1 413 Too Much\r\nConnection: close\r\nContent-Length: 3\r\n\r\nno\n')
                server.close()
                got = until(client, b'no\n')
                assert got.startswith(b'HTTP/1.1 413 Too Much\r\n'), got


def a_request_that_is_answered_too_early(bench):
        """What is still to come of its body is nobody's next request."""
        peer, kubo = scripted(bench)
        with connect(peer.proxy_port) as client:
                evil = request('/evil', 'GET')
                client.sendall(request('/api/v0/get', head=f'Content-Length: {10 + len(evil)}\r\n', body=b'0123456789'))
                server = kubo.accept()
                until(server, b'0123456789')
                server.sendall(EMPTY)  # and it does not close
                assert until(client, b'\r\n\r\n') == EMPTY
                with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                        client.sendall(evil)
                assert ended(client) and ended(server) and not kubo.is_asked()


def one_request_after_the_other(bench):
        """Pipelined: each gets its own answer, in order, and none is seen before the one before it is answered."""
        peer, kubo = scripted(bench)
        with connect(peer.proxy_port) as client:
                client.sendall(b''.join(request(f'/n{n}', head='Content-Length: 1\r\n', body=b'%d' % n) for n in range(5)))
                for n in range(5):
                        server = kubo.accept()
                        got = until(server, b'\r\n\r\n%d' % n)
                        assert got.startswith(b'POST /n%d ' % n) and got.count(b'POST') == 1, got
                        server.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d' % n)
                        assert until(client, b'\r\n\r\n%d' % n).count(b'HTTP/1.1') == 1


def a_whole_url(bench):
        peer, kubo = scripted(bench)
        with connect(peer.proxy_port) as client:
                client.sendall(b'GET http://kubo.example/a?b=c HTTP/1.1\r\nHost: kubo.example\r\n\r\n')
                assert until(kubo.accept(), b'\r\n\r\n').startswith(b'GET /a?b=c HTTP/1.1\r\n')


# ---- ends

def kubo_down(bench):
        peer, kubo = scripted(bench)
        kubo.socket.close()
        for method in 'POST', 'GET', 'OPTIONS':
                got = peer.proxied('version', method=method)
                assert got.status == 502 and got.json()['Type'] == 'error' and 'Connection refused' in got.json()['Message'], got
                assert f'127.0.0.1:{kubo.port}' in got.json()['Message'], got
        headers, body = multipart({'a': b'b'})
        got = peer.proxied('add', body, headers)
        assert got.status == 502 and got.json()['Code'] == 0, got
        assert peer.get('/allocations').status == 204


def kubo_breaks_off(bench):
        peer, kubo = scripted(bench)
        cases = [(b'', b'502'), (b'HTTP/1.1 200 O', b'502'), (b'SSH-2.0-x\r\n\r\n', b'502'), (b'HTTP/1.1 101 Switching\r\n\r\n', b'502'),
                 (b'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n', b'502')]
        for answer, status in cases:
                with connect(peer.proxy_port) as client:
                        client.sendall(request())
                        server = kubo.accept()
                        until(server, b'\r\n\r\n')
                        server.sendall(answer)
                        server.close()
                        response = read_response(Reader(client, PATIENCE), 'POST')
                        assert response.status == int(status) and response.json()['Message'], (answer, response)


def a_body_that_breaks_is_not_whole(bench):
        peer, kubo = scripted(bench)
        for head, body in (('Content-Length: 10\r\n', b'hello'), ('Transfer-Encoding: chunked\r\n', b'5\r\nhello\r\n'),
                           ('Transfer-Encoding: chunked\r\n', b'5\r\nhello\r\nzz')):
                with connect(peer.proxy_port) as client:
                        client.sendall(request())
                        server = kubo.accept()
                        until(server, b'\r\n\r\n')
                        server.sendall(f'HTTP/1.1 200 OK\r\n{head}\r\n'.encode() + body)
                        server.close()
                        got = b''
                        with contextlib.suppress(ConnectionResetError):
                                while data := client.recv(65536):
                                        got += data
                        assert not got.endswith(b'0\r\n\r\n'), got
        with connect(peer.proxy_port) as client:  # where only the connection tells, it is reset as Kubo's was
                client.sendall(request())
                server = kubo.accept()
                until(server, b'\r\n\r\n')
                server.sendall(b'HTTP/1.1 200 OK\r\n\r\nhello')
                until(client, b'hello')
                server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
                server.close()
                try:
                        assert client.recv(1), 'it looks whole'
                except ConnectionResetError:
                        pass


def a_client_that_goes(bench):
        """Kubo is told, wherever the client was."""
        peer, kubo = scripted(bench)
        client = connect(peer.proxy_port)  # while Kubo thinks
        client.sendall(request())
        server = kubo.accept()
        until(server, b'\r\n\r\n')
        client.close()
        assert ended(server)
        client = connect(peer.proxy_port)  # in the middle of its request
        client.sendall(request(head='Content-Length: 10\r\n', body=b'123'))
        server = kubo.accept()
        until(server, b'123')
        client.close()
        assert ended(server)
        client = connect(peer.proxy_port)  # in the middle of the answer
        client.sendall(request())
        server = kubo.accept()
        until(server, b'\r\n\r\n')
        server.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n')
        until(client, b'\r\n\r\n')
        client.close()
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                for _ in range(1000):
                        server.sendall(b'x' * 1000000)
                raise AssertionError('Kubo sends to nobody')


def a_client_that_only_listens(bench):
        """It has ended its sending: Kubo is told that, and its answer still gets there."""
        peer, kubo = scripted(bench)
        with connect(peer.proxy_port) as client:
                client.sendall(request())
                client.shutdown(socket.SHUT_WR)
                server = kubo.accept()
                until(server, b'\r\n\r\n')
                assert server.recv(1) == b''
                server.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
                assert rest(client).endswith(b'\r\n\r\nok')


def an_idle_connection_that_kubo_closed(bench):
        peer, kubo = scripted(bench)
        with connect(peer.proxy_port) as client:
                for n in range(3):
                        client.sendall(request())
                        server = kubo.accept()
                        until(server, b'\r\n\r\n')
                        server.sendall(EMPTY)
                        assert until(client, b'\r\n\r\n') == EMPTY
                        open_files = f'/proc/{peer.process.popen.pid}/fd'
                        before = len(os.listdir(open_files))
                        server.close()
                        eventually(lambda: len(os.listdir(open_files)) < before, 'it is let go of')
                # At the very moment that it is used again: it is closed after the request has come.
                client.sendall(request())
                server = kubo.accept()
                until(server, b'\r\n\r\n')
                server.sendall(EMPTY)
                until(client, b'\r\n\r\n')
                client.sendall(request('/again', 'GET'))
                until(server, b'\r\n\r\n')
                server.close()
                server = kubo.accept()
                assert until(server, b'\r\n\r\n').startswith(b'GET /again ')
                server.sendall(EMPTY)
                assert until(client, b'\r\n\r\n') == EMPTY
                # What may do something was perhaps done: it is not asked for twice.
                client.sendall(request('/once'))
                until(server, b'\r\n\r\n')
                server.close()
                got = read_response(Reader(client, PATIENCE), 'POST')
                assert got.status == 502 and 'closed the connection without an answer' in got.json()['Message'], got
                assert not kubo.is_asked()
                # It is closed, and the proxy has not heard of it: the link is looked at before it is used.
                client.sendall(request())
                server = kubo.accept()
                until(server, b'\r\n\r\n')
                server.sendall(EMPTY)
                until(client, b'\r\n\r\n')
                peer.process.popen.send_signal(signal.SIGSTOP)
                client.sendall(request('/fresh'))
                server.close()
                peer.process.popen.send_signal(signal.SIGCONT)
                server = kubo.accept()
                assert until(server, b'\r\n\r\n').startswith(b'POST /fresh ')
                server.sendall(EMPTY)
                until(client, b'\r\n\r\n')
                # A body is not entrusted to a connection that was used.
                client.sendall(request('/body', body=b'abc', head='Content-Length: 3\r\n'))
                fresh = kubo.accept()
                assert until(fresh, b'\r\n\r\nabc').startswith(b'POST /body ')
                fresh.sendall(EMPTY)
                assert until(client, b'\r\n\r\n') == EMPTY


def other_roads_to_kubo(bench):
        peer, kubo = scripted(bench, os.path.join(bench.folder, 'kubo.sock'))
        with connect(peer.proxy_port) as client:
                client.sendall(request())
                server = kubo.accept()
                until(server, b'\r\n\r\n')
                server.sendall(EMPTY)
                assert until(client, b'\r\n\r\n') == EMPTY
        kubo = Scripted()
        named = bench.peer(bench.stand_in(), name='named', proxy={'node_multiaddress': f'/dns4/localhost/tcp/{kubo.port}'}).start()
        with connect(named.proxy_port) as client:
                client.sendall(request())
                server = kubo.accept()
                until(server, b'\r\n\r\n')
                server.sendall(EMPTY)
                assert until(client, b'\r\n\r\n') == EMPTY
        kubo = Scripted()  # says nothing that is TLS
        tls = bench.peer(bench.stand_in(), name='tls', proxy={'node_multiaddress': kubo.multiaddr, 'node_https': True}).start()
        with connect(tls.proxy_port) as client:
                client.sendall(request())
                server = kubo.accept()
                assert server.recv(3) == b'\x16\x03\x01'
                server.sendall(EMPTY)
                response = read_response(Reader(client, PATIENCE), 'POST')
                assert response.status == 502 and 'TLS' in response.json()['Message'], response


# ---- refused

BAD = [
        (b'POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!', 400),
        (b'POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /evil HTTP/1.1\r\n\r\n', 400),
        (b'POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n', 400),
        (b'POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n', 501),
        (b'POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding : chunked\r\n\r\n', 400),
        (b'POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\x0bchunked\r\n\r\n', 400),
        (b'POST /x HTTP/1.1\r\nHost: h\r\nX: a\r\n Transfer-Encoding: chunked\r\n\r\n', 400),
        (b'POST /x HTTP/1.1\r\nHost: h\r\nX: a\nTransfer-Encoding: chunked\r\n\r\n', 400),
        (b'POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: +5\r\n\r\nhello', 400),
        (b'POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 5,5\r\n\r\nhello', 400),
        (b'POST /x HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello', 400),
        (b'POST /x HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n', 400),
        (b'POST /x y HTTP/1.1\r\nHost: h\r\n\r\n', 400),
        (b'POST /%00 HTTP/1.1\r\nHost: h\r\n\r\n', 400),
        (b'POST /%zz HTTP/1.1\r\nHost: h\r\n\r\n', 400),
        (b'POST x HTTP/1.1\r\nHost: h\r\n\r\n', 400),
        (b'POST * HTTP/1.1\r\nHost: h\r\n\r\n', 400),
        (b'CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n', 400),
        (b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 505),
        (b'GET / HTTP/1.1\r\nHost: h\r\n' + b'X: y\r\n' * 200 + b'\r\n', 431),
        (b'GET / HTTP/1.1\r\nHost: h\r\nX: ' + b'y' * 9000 + b'\r\n\r\n', 431),
        (b'GET /' + b'y' * 9000, 431),
]


def smuggling_is_refused(bench):
        """And nothing of it gets to Kubo."""
        peer, kubo = scripted(bench)
        for raw, status in BAD:
                with connect(peer.proxy_port) as client:
                        client.sendall(raw)
                        response = read_response(Reader(client, PATIENCE), 'POST')
                        assert response.status == status and response.header('Connection') == 'close', (raw[:200], response)
                        assert rest(client) == b'', raw[:200]
        assert not kubo.is_asked()


def bad_chunks_are_refused(bench):
        peer, kubo = scripted(bench)
        for bad in (b'5 \r\nhello\r\n0\r\n\r\n', b'0x5\r\nhello\r\n', b'-1\r\n', b'5\nhello\r\n', b'5\r\nhelloX', b'fffffffffffffffff\r\n', b'5;' + b'x' * 300):
                with connect(peer.proxy_port) as client:
                        client.sendall(request(head='Transfer-Encoding: chunked\r\n', body=b'2\r\nok\r\n' + bad))
                        server = kubo.accept()
                        response = read_response(Reader(client, PATIENCE), 'POST')
                        assert response.status == 400, (bad, response)
                        got = b''
                        with contextlib.suppress(ConnectionResetError):
                                got = rest(server)
                        assert not got.endswith(b'0\r\n\r\n') and b'hello\r\n0' not in got, (bad, got)


def paths_that_pretend(bench):
        """However it is written, what pins is the cluster's."""
        kubo = bench.stand_in()
        peer = bench.peer(kubo, proxy={}).start()
        peer.pin(CID)
        for path in ('pin/rm', 'pin%2frm', '%70in/rm', 'pin/r%6D', 'pin/rm/' + CID):
                got = peer.proxied(f'{path}?arg={OTHER}')
                assert got.status == 500 and 'not part of the pinset' in got.json()['Message'] or path.endswith(CID), (path, got)
                peer.pin(CID)
        for path in ('pin/add/', '/api/v0/pin/add'):
                whole = path if path.startswith('/') else f'/api/v0/{path}'
                got = exchange(peer.proxy_port, 'POST', whole)
                assert got.status == 500 and 'path does not have enough components' in got.json()['Message'], (path, got)
        for path, location in (('/api/v0//pin/add?arg=x', '/api/v0/pin/add?arg=x'), ('/api/v0/x/../pin/add', '/api/v0/pin/add'), ('/api/v0/%2e%2e/v0/id', '/api/v0/id')):
                got = exchange(peer.proxy_port, 'POST', path)
                assert got.status == 301 and got.header('Location') == location, (path, got)
        got = exchange(peer.proxy_port, 'POST', f'http://h/api/v0/pin/ls/{CID}')
        assert got.status == 200 and got.json() == {'Keys': {CID: {'Type': 'recursive'}}}, got


def browsers_are_asked_from_where(bench):
        kubo = bench.stand_in()  # allows none
        peer = bench.peer(kubo, proxy={}).start()
        for headers in ({'Origin': 'http://evil.example'}, {'Referer': 'http://evil.example/x'}, {'Origin': 'http://a', 'User-Agent': 'Mozilla/5.0'}):
                for path in (f'pin/add?arg={CID}', f'pin/rm?arg={CID}', 'pin/ls', 'repo/gc'):
                        got = peer.proxied(path, headers=headers)
                        assert got.status == 403 and got.body == b'403 - Forbidden\n', (headers, path, got)
        upload, body = multipart({'a': b'b'})
        assert peer.proxied('add', body, {**upload, 'Origin': 'http://evil.example'}).status == 403
        assert peer.get('/allocations').status == 204
        for method in 'GET', 'PUT', 'DELETE', 'PATCH', 'HEAD':
                got = peer.proxied(f'pin/add?arg={CID}', method=method)
                assert got.status == 405 and got.header('Allow') == 'OPTIONS, POST', (method, got)
        kubo.stop()  # nobody knows
        assert peer.proxied('pin/ls', headers={'Origin': 'http://127.0.0.1'}).status == 502
        assert peer.proxied('pin/ls').status == 200


def credentials_of_kubo_are_asked_for(bench):
        """Where Kubo asks for a token, so do the calls that the cluster answers: the daemon's own is not for everybody."""
        kubo = bench.stand_in('--authorization', 'bearer:secret')

        def with_token(config):
                config['ipfs_connector']['ipfshttp']['authorization'] = 'bearer:secret'

        peer = bench.peer(kubo, proxy={}, edit=with_token).start()
        for headers in {}, {'Authorization': 'Bearer wrong'}:
                for path in 'version', f'pin/add?arg={CID}', f'pin/rm?arg={CID}', 'pin/ls', 'repo/gc', 'repo/stat', f'pin/update?arg={CID}&arg={OTHER}':
                        got = peer.proxied(path, headers=headers)
                        assert got.status == 403 and b'Access Denied' in got.body, (path, headers, got)
        assert peer.get('/allocations').status == 204
        token = {'Authorization': 'Bearer secret'}
        assert peer.proxied(f'pin/add?arg={CID}', headers=token).json() == {'Pins': [CID]}
        assert peer.proxied('repo/stat', headers=token).status == 200
        assert peer.proxied('pin/ls', headers={**token, 'Origin': 'http://evil.example'}).status == 403
        kubo.stop()
        assert peer.proxied('pin/ls', headers=token).status == 502


# ---- what the cluster answers

def pins(bench):
        kubo = bench.stand_in()
        peer = bench.peer(kubo, proxy={}).start()
        got = peer.proxied(f'pin/add?arg={CID}&name=first')
        assert got.status == 200 and got.json() == {'Pins': [CID]} and got.header('Server').startswith('ipfs-cluster/ipfsproxy/'), got
        assert peer.proxied(f'pin/add/{OTHER}?recursive=false').json() == {'Pins': [OTHER]}
        peer.until(CID, 'pinned')
        assert kubo.pin_name(CID).endswith('first')
        keys = peer.proxied('pin/ls?names=true').json()['Keys']
        assert keys == {CID: {'Type': 'recursive', 'Name': 'first'}, OTHER: {'Type': 'direct', 'Name': ''}}, keys
        assert list(peer.proxied('pin/ls?type=direct').json()['Keys']) == [OTHER]
        assert peer.proxied('pin/ls?type=indirect').json() == {'Keys': {}}
        assert [l['Cid'] for l in peer.proxied('pin/ls?s=1&name=irs').lines()] == [CID]
        got = peer.proxied(f'pin/ls?type=nonsense')
        assert got.status == 500 and got.json()['Message'].startswith("invalid type 'nonsense'"), got
        got = peer.proxied(f'pin/rm?arg={CID}&recursive=false')
        assert got.json()['Message'] == f'{CID} is pinned recursively', got
        assert peer.proxied(f'pin/update?arg={CID}&arg={HELLO}').json() == {'Pins': [CID, HELLO]}
        assert set(peer.proxied('pin/ls').json()['Keys']) == {HELLO, OTHER}
        assert peer.proxied(f'pin/rm?arg={HELLO}&arg={OTHER}').json() == {'Pins': [HELLO, OTHER]}
        assert peer.proxied('pin/ls').json() == {'Keys': {}}
        got = peer.proxied(f'pin/add?arg={CID}&arg=junk')
        assert got.status == 500 and peer.get('/allocations').status == 204, got  # nothing of a bad request is done
        with connect(peer.proxy_port) as client:  # a body is nothing to it, and the connection goes on
                client.sendall(request('/api/v0/pin/ls', head='Expect: 100-continue\r\nContent-Length: 4\r\n'))
                assert until(client, b'\r\n\r\n') == b'HTTP/1.1 100 Continue\r\n\r\n'
                client.sendall(b'body' + request('/api/v0/pin/ls'))
                reader = Reader(client, PATIENCE)
                assert [read_response(reader, 'POST').status for _ in range(2)] == [200, 200]
        got = peer.proxied('pin/ls', body=b'x' * 100000)
        assert got.status == 413, got
        got = exchange(peer.proxy_port, 'POST', '', raw=request('/api/v0/pin/ls', head='Transfer-Encoding: chunked\r\n') + b'ZZ\r\n')
        assert got.status == 400, got
        # Whose path is empty for one and a call of the cluster for another is a request for neither.
        got = exchange(peer.proxy_port, 'POST', '', raw=request(f'http://h?/api/v0/repo/gc?x={CID}'))
        assert got.status == 400 and kubo.count('repo/gc') == 0, got
        assert peer.proxied('pin/ls').json() == {'Keys': {}} and peer.process.running()


def many_pins(bench):
        """A list that is longer than a buffer goes out as it is made."""
        peer = bench.peer(bench.stand_in('--pins', '3000'), proxy={})
        from ipfs_content import numbered
        lines = ''.join('{"cid":"%s","type":"pin","max_depth":-1}\n' % numbered(n) for n in range(3000))
        peer.offline('state', 'import', '--force', input=lines)
        peer.start()
        got = peer.proxied('pin/ls')
        assert got.framing == 'chunked' and len(got.json()['Keys']) == 3000
        assert len(peer.proxied('pin/ls?stream=true').lines()) == 3000
        got = exchange(peer.proxy_port, 'POST', '', raw=b'POST /api/v0/pin/ls?stream=true HTTP/1.0\r\n\r\n')
        assert got.framing == 'until close' and len(got.lines()) == 3000
        client = connect(peer.proxy_port)  # one that reads nothing, and goes
        client.sendall(request('/api/v0/pin/ls') * 20)
        time.sleep(0.1)
        client.close()
        assert peer.proxied('pin/ls').status == 200


def uploads(bench):
        kubo = bench.stand_in()
        peer = bench.peer(kubo, proxy={}).start()
        headers, body = multipart({'hello.txt': b'hello cluster\n'})
        got = peer.proxied('add?pin-name=greeting', body, headers)
        assert got.status == 200 and got.lines() == [{'Name': 'hello.txt', 'Hash': HELLO, 'Size': '22'}] and not got.trailers, got
        pin = peer.get(f'/allocations/{HELLO}').json()
        assert pin['name'] == 'greeting', pin
        log = exchange(kubo.port, 'GET', '/control').json()['log']
        assert [l for l in log if l.startswith('add?')] == ['add?pin=false'], log
        headers, body = multipart({'d': None, 'd/a': b'a', 'd/b': b'b', 'e': b'e'})
        lines = {l['Name']: l['Hash'] for l in peer.proxied('add?replication-min=-1&replication-max=-1', body, headers).lines()}
        assert {l['cid'] for l in peer.get('/allocations').lines()} == {HELLO, lines['d'], lines['e']}
        got = peer.proxied('add?silent=true&cid-version=1', *multipart({'x': b'silent'})[::-1])
        assert got.status == 200 and not got.body and len(peer.get('/allocations').lines()) == 4, got
        for path in ('add?pin=false', 'add?only-hash=true', 'add?n'):
                assert peer.proxied(path, *multipart({'x': path.encode()})[::-1]).status == 200
        assert len(peer.get('/allocations').lines()) == 4


def uploads_that_fail_pin_nothing(bench):
        kubo = bench.stand_in()
        peer = bench.peer(kubo, proxy={}).start()
        headers, body = multipart({'a': b'1', 'b': b'2'})
        got = peer.proxied('add?replication-min=x', body, headers)
        assert got.status == 500 and got.json()['Message'] == 'error parsing options:parameter replication-min invalid', got
        got = peer.proxied('add?replication-min=5&replication-max=5', body, headers)  # the first line was told already
        assert got.status == 200 and len(got.lines()) == 1 and 'X-Stream-Error' in got.trailers, got
        headers, body = multipart({'a': b'1'})
        got = peer.proxied('add?replication-min=5&replication-max=5', body, headers)
        assert got.status == 500 and got.json()['Type'] == 'error', got
        for fault in ({'kind': 'status', 'message': 'no'}, {'kind': 'trailer', 'after': 1, 'message': 'too late'}, {'kind': 'cut', 'after': 1}, {'kind': 'garbage'}):
                kind = fault.pop('kind')
                kubo.fault('add', kind, **fault)
                got = peer.proxied('add', body, headers)
                assert got.status >= 500 or got.trailers.get('X-Stream-Error') == 'too late', (kind, got)
        kubo.fault('add')
        with connect(peer.proxy_port) as client:  # one that the client breaks off
                client.sendall(request('/api/v0/add', head=f'Content-Type: {headers["Content-Type"]}\r\nContent-Length: 1000\r\n', body=body))
        assert peer.get('/allocations').status == 204
        assert peer.proxied('add', body, headers).status == 200
        assert len(peer.get('/allocations').lines()) == 1


def the_repositories_of_all_peers(bench):
        """The sizes are sums over the peers that answer; all else is of the Kubo behind this proxy."""
        kubos = [bench.stand_in('--repo-size', str(10 ** n), '--storage-max', str(7 * 10 ** n)) for n in (3, 4, 5)]
        peers = bench.cluster(3, kubos, proxy={})
        for peer in peers:
                peer.launch()
        for peer in peers:
                peer.ready()
        for path in 'repo/stat', 'repo/stat?size-only=true':
                got = peers[0].proxied(path).json()
                assert (got['RepoSize'] // 1000, got['StorageMax']) == (111, 777000), (path, got)  # and a folder each
        assert set(peers[0].proxied('repo/stat').json()) == {'RepoSize', 'StorageMax', 'NumObjects', 'RepoPath', 'Version'}
        kubos[2].stop()
        assert peers[0].proxied('repo/stat').json()['StorageMax'] == 77000
        peers[1].kill()
        eventually(lambda: peers[0].proxied('repo/stat').json()['StorageMax'] == 7000, 'who is gone is left out')


def the_repository(bench):
        kubo = bench.stand_in()
        peer = bench.peer(kubo, proxy={}).start()
        kubo.add({'x': b'garbage'}, pin='false')
        assert set(peer.proxied('repo/stat').json()) == {'RepoSize', 'StorageMax', 'NumObjects', 'RepoPath', 'Version'}
        got = peer.proxied('repo/stat?size-only=true').json()
        assert got['StorageMax'] == 10000000000, got
        got = peer.proxied('repo/gc')
        assert got.status == 200 and got.framing == 'chunked' and all(l['Key']['/'] for l in got.lines()) and got.lines(), got
        kubo.stop()
        assert peer.proxied('repo/stat').status == 500


# ---- time

def answer_each(kubo, n, answer):
        """The next N questions, each on a connection of its own."""
        for _ in range(n):
                server = kubo.accept()
                until(server, b'\r\n\r\n')
                server.sendall(answer)
                server.close()


def a_kubo_that_says_nothing(bench):
        """What the cluster knows by itself is told all the same, if not at once; but not before Kubo has said whether it lets everybody in."""
        peer, kubo = scripted(bench, extract_headers_ttl='0s')
        for headers in {}, {'Origin': 'http://127.0.0.1'}, {'Authorization': 'Bearer x'}:
                for path in f'pin/add?arg={CID}', 'pin/ls':
                        asking = threading.Thread(target=lambda: answer_each(kubo, 2, b''))
                        asking.start()
                        got = peer.proxied(path, headers=headers)
                        asking.join()
                        assert got.status == 502 and 'cannot be asked whether this client may do that' in got.json()['Message'], (path, headers, got)
        assert peer.get('/allocations').status == 204
        for answer in b'HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n', EMPTY:
                asking = threading.Thread(target=lambda: answer_each(kubo, 2, answer))
                asking.start()
                got = peer.proxied('pin/ls')
                asking.join()
                assert got.status == (200 if answer == EMPTY else 502), got
        for _ in range(2):  # nobody accepts
                assert peer.proxied('pin/ls').json() == {'Keys': {}}


def slow_heads_and_idle_clients_are_cut(bench):
        peer = bench.peer(bench.stand_in(), proxy={'read_header_timeout': '1s', 'idle_timeout': '1s'}).start()
        slow, idle, none = connect(peer.proxy_port), connect(peer.proxy_port), connect(peer.proxy_port)
        slow.sendall(b'POST /x HTTP/1.1\r\n')
        idle.sendall(request('/api/v0/pin/ls'))
        reader = Reader(idle, PATIENCE)
        assert read_response(reader, 'POST').status == 200
        for client in slow, idle, none:
                assert ended(client)


def limits_on_time(bench):
        peer, kubo = scripted(bench, write_timeout='1s')
        client = connect(peer.proxy_port)
        client.sendall(request())
        server = kubo.accept()
        assert ended(client)
        until(server, b'\r\n\r\n')
        assert ended(server)


def a_stop_lets_requests_end(bench):
        peer, kubo = scripted(bench)
        busy, idle = connect(peer.proxy_port), connect(peer.proxy_port)
        busy.sendall(request())
        idle.sendall(request('/api/v0/pin/ls', 'GET'))
        assert read_response(Reader(idle, PATIENCE), 'GET').status == 405
        server = kubo.accept()
        until(server, b'\r\n\r\n')
        peer.process.popen.send_signal(signal.SIGTERM)
        assert ended(idle)
        eventually(lambda: not listening(peer.proxy_port), 'the proxy stops listening')
        server.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
        got = rest(busy)
        assert got.endswith(b'Connection: close\r\n\r\nok'), got
        assert peer.process.stop() == 0


def the_socket_of_systemd(bench):
        peer = bench.peer(proxy={})
        with socket.create_server(('127.0.0.1', 0)) as inherited:
                shell = 'exec 3<&"$FD"; LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=proxy exec "$0" daemon'
                process = subprocess.Popen(['bash', '-c', shell, bench.service], pass_fds=[inherited.fileno()], stdin=subprocess.DEVNULL,
                                           stderr=subprocess.DEVNULL, env={**os.environ, **peer.environment(), 'FD': str(inherited.fileno())})
                try:
                        assert exchange(inherited.getsockname()[1], 'POST', '/api/v0/pin/ls').json() == {'Keys': {}}
                        assert not listening(peer.proxy_port)
                finally:
                        process.terminate()
                        assert process.wait(PATIENCE) == 0


def listening(port):
        with contextlib.suppress(OSError):
                connect(port).close()
                return True
        return False


def no_section_no_proxy(bench):
        peer = bench.peer().start()
        assert not listening(peer.proxy_port)


run(bytes_are_handed_on_as_they_are, bodies_of_each_kind, an_answer_until_close, an_old_client, both_at_the_same_time, go_on_and_hints, an_early_answer,
    a_request_that_is_answered_too_early, one_request_after_the_other, a_whole_url, kubo_down, kubo_breaks_off, a_body_that_breaks_is_not_whole, a_client_that_goes,
    a_client_that_only_listens, an_idle_connection_that_kubo_closed, other_roads_to_kubo, smuggling_is_refused, bad_chunks_are_refused,
    paths_that_pretend, browsers_are_asked_from_where, credentials_of_kubo_are_asked_for, pins, many_pins, uploads, uploads_that_fail_pin_nothing, the_repository,
    the_repositories_of_all_peers,
    a_kubo_that_says_nothing, slow_heads_and_idle_clients_are_cut, limits_on_time, a_stop_lets_requests_end, the_socket_of_systemd, no_section_no_proxy)
