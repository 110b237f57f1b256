#!/usr/bin/env python3
"""ctl-golden.py PROGRAM FOLDER: ipfs-cluster-ctl says what the Go program said.

FOLDER/NAME.txt is a recording: the command, and its exit status, stdout and stderr. FOLDER/NAME.json, where the
command talks to a peer, holds what the peer answers, request by request; the requests must be the ones it lists,
in this order. Keys of the JSON:
  exchanges  [{request, status, body, trailer, type, authorization, repeat}]: "*" in a request stands for anything,
             "trailer" adds X-Stream-Error, "repeat" lets the last exchange happen again and again; in a body,
             @NSEC+N@ and @STAMP+N@ are the time in N seconds, as nanoseconds and as RFC 3339
  raw        bytes that are sent instead of HTTP
  files      {name: content} that the command writes
  replace    [[old, new, why]]: where the recorded output differs from what is expected here
Fractions of seconds are compared to the microsecond. Log lines of the Go program are not expected, but for the
requests and bodies that --debug tells. LEFT-OUT lists what is not replayed.
"""
import base64
import concurrent.futures
import datetime
import difflib
import http.server
import json
import os
import re
import shlex
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import time

LOG_LINE = re.compile(r'^\d{4}-\d\d-\d\dT[\d:.]+Z\t(ERROR|DEBUG)\t.*\n(\n(?=\Z))?', re.M)
TOLD = re.compile(r'\tDEBUG\tapiclient\t(?:\S+\t)?((?:GET|POST|DELETE|Response body): .*)$', re.M)
PORT = re.compile(r'/tcp/(\d+)')
WORKERS = 12
TIMEOUT = 60


def load(path):
        """(command, environment, exit status, stdout, stderr) of a recording."""
        with open(path, encoding='utf-8', newline='') as f:
                head, rest = f.read().split('=== stdout\n', 1)
        out, err = rest.split('\n=== stderr\n', 1)
        fields = [line.split(': ', 1) for line in head.splitlines()]
        env = dict(value.split('=', 1) for key, value in fields if key == 'env')
        fields = dict(fields)
        return shlex.split(fields['command'])[1:], env, int(fields['exit']), out, err.removesuffix('\n')


def at_time(match):
        when = time.time() + float(match[2])
        if match[1] == 'NSEC':
                return str(int(when * 10**9))
        stamp = datetime.datetime.fromtimestamp(when, datetime.timezone.utc)
        return stamp.isoformat().replace('+00:00', 'Z')


class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = 'HTTP/1.1'

        def answer(self):
                length = int(self.headers.get('Content-Length') or 0)
                self.rfile.read(length)
                exchange = self.server.next_exchange(f'{self.command} {self.path}')
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
                self.request.settimeout(TIMEOUT)
                self.request.recv(4096)
                self.request.sendall(self.server.raw)


class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

        def __init__(self, script):
                super().__init__(('127.0.0.1', 0), RawHandler if 'raw' in script else Handler)
                self.raw = script.get('raw', '').encode('latin-1')
                self.exchanges = list(script.get('exchanges', []))
                self.problems = []
                self.happened = set()

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

        def missing(self):
                return [f'never asked {e["request"]}' for e in self.exchanges if id(e) not in self.happened]


def closed_port():
        with socket.socket() as s:
                s.bind(('127.0.0.1', 0))
                return s.getsockname()[1]


def normal(text):
        return re.sub(r'(:\d\d)\.(\d{1,6})\d*', lambda m: (m[1] + '.' + m[2].rstrip('0')).rstrip('.'), text)


def expected(text, script):
        for old, new, _ in script.get('replace', []):
                text = text.replace(old, new)
        return text


def run(program, folder, name):
        """What is wrong with the case NAME."""
        args, env, status, out, err = load(os.path.join(folder, name + '.txt'))
        path = os.path.join(folder, name + '.json')
        script = {}
        if os.path.exists(path):
                with open(path, encoding='utf-8') as f:
                        script = json.load(f)
        answers = 'exchanges' in script or 'raw' in script
        server = Server(script)
        if answers:
                threading.Thread(target=server.serve_forever, daemon=True).start()
        port = str(server.server_address[1] if answers else closed_port())
        recorded = [m[1] for a in args for m in PORT.finditer(a)][:1]
        args = [PORT.sub('/tcp/' + port, a) for a in args]
        for old in recorded:
                out, err = (re.sub(rf'(127\.0\.0\.1|localhost):{old}\b', rf'\1:{port}', t) for t in (out, err))
        bad = []
        with tempfile.TemporaryDirectory() as work:
                done = subprocess.run([program, *args], cwd=work, env={'TZ': 'UTC', **sanitizer_options(), **env},
                                      stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT)
                for file, content in script.get('files', {}).items():
                        with open(os.path.join(work, file), encoding='utf-8') as f:
                                if f.read() != content:
                                        bad.append(f'{file} has other content')
        got_out, got_err = done.stdout.decode(errors='replace'), done.stderr.decode(errors='replace')
        bad += server.problems + (server.missing() if answers else [])
        if answers:
                server.shutdown()
        server.server_close()
        bad += compare('exit status', done.returncode, status)
        bad += compare('stdout', normal(got_out), normal(expected(out, script)))
        bad += compare('stderr', LOG_LINE.sub('', got_err), LOG_LINE.sub('', expected(err, script)))
        bad += [f'stderr does not tell {t!r}' for t in TOLD.findall(err) if t not in TOLD.findall(got_err)]
        return bad


def sanitizer_options():
        return {k: v for k, v in os.environ.items() if k.endswith('SAN_OPTIONS')}


def compare(what, got, wanted):
        if got == wanted:
                return []
        if isinstance(got, int):
                return [f'{what} is {got}, not {wanted}']
        lines = difflib.unified_diff(wanted.splitlines(), got.splitlines(), 'expected', 'got', lineterm='', n=1)
        return [f'{what}:', *map(ascii, lines)] + ([] if got[-1:] == wanted[-1:] else ['last byte differs'])


def port_80_is_open():
        with socket.socket() as s:
                return s.connect_ex(('127.0.0.1', 80)) == 0


def main():
        program, folder = os.path.abspath(sys.argv[1]), sys.argv[2]
        names = sorted(f.removesuffix('.txt') for f in os.listdir(folder) if f.endswith('.txt'))
        if len(sys.argv) > 3:
                names = [n for n in names if n in sys.argv[3:]]
        if port_80_is_open():
                names.remove('198-host-no-port')
        failed = 0
        print(f'1..{len(names)}')
        with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
                results = pool.map(lambda n: run(program, folder, n), names)
                for i, (name, bad) in enumerate(zip(names, results), 1):
                        print(f'{"not ok" if bad else "ok"} {i} - {name}')
                        for line in bad:
                                print('\n'.join('# ' + l for l in line.splitlines()))
                        failed += bool(bad)
        sys.exit(1 if failed else 0)


main()
