"""scripted_peer.py: an HTTP server that plays a peer for ipfs-cluster-ctl: it expects requests in an order and
answers each as it is told. A script is a dictionary:
  exchanges  [{request, status, body, trailer, type, authorization, repeat, form}]: "*" in a request stands for anything,
             "trailer" adds X-Stream-Error, "repeat" lets the last exchange happen again and again; in a body,
             @NSEC+N@ and @STAMP+N@ are the time in N seconds, as nanoseconds and as RFC 3339; "form" is what was
             uploaded, {name: content, or null for a folder}; "broken": an upload that ends in its middle
  raw        bytes that are sent instead of HTTP
  tls        a PEM file with certificate and key: HTTPS is spoken
"""
import base64
import datetime
import http.server
import re
import socketserver
import ssl
import threading
import time
import urllib.parse

PATIENCE = 60


def at_time(match):
        when = time.time() + float(match[2])
        if match[1] == 'NSEC':
                return str(int(when * 10**9))
        stamp = datetime.datetime.fromtimestamp(when, datetime.timezone.utc)
        return stamp.isoformat().replace('+00:00', 'Z')


def form_of(headers, body):
        """(name, content or None) of each part of an upload."""
        boundary = headers['Content-Type'].removeprefix('multipart/form-data; boundary=').encode()
        parts = body.split(b'--' + boundary)
        assert parts[0] == b'' and parts[-1] == b'--\r\n', body
        for part in parts[1:-1]:
                head, data = part.removeprefix(b'\r\n').split(b'\r\n\r\n', 1)
                name = urllib.parse.unquote_plus(re.search(rb'; name="file"; filename="([^"]*)"', head)[1].decode())
                yield name, None if b'application/x-directory' in head else data.removesuffix(b'\r\n').decode()


class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = 'HTTP/1.1'

        def answer(self):
                body, whole = self.read_body()
                exchange = self.server.next_exchange(f'{self.command} {self.path}')
                if whole == bool(exchange.get('broken')):
                        self.server.problems.append('an upload that came whole' if whole else 'an upload that broke off')
                if 'form' in exchange and list(form_of(self.headers, body)) != list(exchange['form'].items()):
                        self.server.problems.append(f'uploaded {dict(form_of(self.headers, body))}, not {exchange["form"]}')
                if not whole:
                        return
                wanted = exchange.get('authorization')
                given = self.headers.get('Authorization')
                if given != (wanted and 'Basic ' + base64.b64encode(wanted.encode()).decode()):
                        self.server.problems.append(f'Authorization is {given!r}')
                body = re.sub(r'@(NSEC|STAMP)([-+][\d.]+)@', at_time, exchange.get('body', '')).encode()
                self.send_response(exchange['status'])
                self.send_header('Content-Type', exchange.get('type', 'application/json'))
                if 'trailer' in exchange:
                        self.send_chunked(body, exchange['trailer'])
                else:
                        if exchange['status'] != 204:
                                self.send_header('Content-Length', str(len(body)))
                        self.end_headers()
                        self.wfile.write(body)

        def read_body(self):
                """(body, whether it came whole)."""
                if self.headers.get('Transfer-Encoding') != 'chunked':
                        return self.rfile.read(int(self.headers.get('Content-Length') or 0)), True
                body = b''
                while size := int(self.rfile.readline().split(b';')[0] or b'-1', 16):
                        if size < 0:
                                return body, False
                        body += self.rfile.read(size)
                        self.rfile.readline()
                self.rfile.readline()
                return body, True

        def send_chunked(self, body, trailer):
                self.send_header('Trailer', 'X-Stream-Error')
                self.send_header('Transfer-Encoding', 'chunked')
                self.end_headers()
                for n in range(0, len(body), 700):  # so that objects are cut anywhere
                        chunk = body[n:n + 700]
                        self.wfile.write(b'%x\r\n%s\r\n' % (len(chunk), chunk))
                self.wfile.write(b'0\r\nX-Stream-Error: %s\r\n\r\n' % trailer.encode())

        do_GET = do_POST = do_DELETE = answer

        def log_message(self, *args):
                pass


class RawHandler(socketserver.BaseRequestHandler):
        def handle(self):
                self.request.settimeout(PATIENCE)
                self.request.recv(4096)
                self.request.sendall(self.server.raw)


class ScriptedPeer(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

        def __init__(self, script):
                super().__init__(('127.0.0.1', 0), RawHandler if 'raw' in script else Handler)
                self.raw = script.get('raw', '').encode('latin-1')
                self.exchanges = list(script.get('exchanges', []))
                self.problems = []
                self.happened = set()
                self.port = self.server_address[1]
                if 'tls' in script:
                        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                        context.load_cert_chain(script['tls'])
                        self.socket = context.wrap_socket(self.socket, server_side=True)
                threading.Thread(target=self.serve_forever, daemon=True).start()

        def next_exchange(self, request):
                if not self.exchanges:
                        self.problems.append(f'unexpected: {request}')
                        return {'status': 599, 'body': ''}
                exchange = self.exchanges[0]
                if not exchange.get('repeat'):
                        self.exchanges.pop(0)
                self.happened.add(id(exchange))
                pattern = re.escape(exchange['request']).replace(r'\*', '.*')
                if not re.fullmatch(pattern, request):
                        self.problems.append(f'asked {request}\n     not {exchange["request"]}')
                return exchange

        def handle_error(self, *args):
                """A client that hangs up is the client's affair."""

        def missing(self):
                return [f'never asked {e["request"]}' for e in self.exchanges if id(e) not in self.happened]

        def close(self):
                """Answers what went wrong."""
                self.shutdown()
                self.server_close()
                return self.problems + self.missing()
