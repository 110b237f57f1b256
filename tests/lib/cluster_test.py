"""cluster_test.py: what the tests in tests/integration and tests/kubo are written with: temporary folders, a Kubo
(real or stand-in), daemons, HTTP over raw sockets that shows its framing, and TAP.

A test program is a list of functions given to run(); each gets a Bench, which ends and removes all that it made,
and shows the logs of a test that failed.
"""
import contextlib
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.parse

LIB = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(LIB))
sys.path.insert(0, LIB)

PATIENCE = 30 * float(os.environ.get('IPFS_CLUSTER_TEST_PATIENCE', '1'))  # seconds, for what should be at once
LOG_SHOWN = 8000
STAND_IN_ID = '12D3KooWFAhJxa957WdJcufKtMjs9CRCR6eRkxjNSQK1oPtUDevv'  # as the recordings have it


class Skip(Exception):
        pass


# ---- HTTP over raw sockets

class Response:
        """status, reason, headers [(name, value)…], body, framing ("chunked", "content-length", "no body", "until
        close"), chunks (sizes), trailers {}, closed (the server ended the connection), raw."""

        def __init__(self, raw):
                self.raw, self.body, self.chunks, self.trailers = raw, b'', [], {}
                self.framing, self.closed, self.complete = 'no body', False, False

        def header(self, name, default=None):
                values = [v for k, v in self.headers if k.lower() == name.lower()]
                return ', '.join(values) if values else default

        def json(self):
                return json.loads(self.body)

        def lines(self):
                return [json.loads(l) for l in self.body.splitlines() if l.strip()]

        def __repr__(self):
                return f'{self.status} {self.reason} {self.headers} {self.framing} {self.trailers} {self.body[:2000]!r}'


class Reader:
        def __init__(self, connection, timeout):
                self.connection, self.buffer, self.seen, self.ended = connection, b'', bytearray(), False
                self.deadline = time.monotonic() + timeout  # of it all: a trickle is no answer either

        def fill(self):
                left = self.deadline - time.monotonic()
                if left <= 0:
                        raise TimeoutError
                self.connection.settimeout(left)
                data = b'' if self.ended else self.connection.recv(65536)
                self.ended = self.ended or not data
                self.buffer += data
                self.seen += data
                return bool(data)

        def until(self, mark):
                while mark not in self.buffer:
                        if not self.fill():
                                raise EOFError(f'connection ended within {self.buffer[-200:]!r}')
                out, _, self.buffer = self.buffer.partition(mark)
                return out

        def exactly(self, n):
                while len(self.buffer) < n:
                        if not self.fill():
                                raise EOFError(f'connection ended after {len(self.buffer)} of {n} bytes')
                out, self.buffer = self.buffer[:n], self.buffer[n:]
                return out

        def rest(self):
                while self.fill():
                        pass
                out, self.buffer = self.buffer, b''
                return out


def head_lines(text):
        pairs = (l.partition(':') for l in text.decode('latin-1').split('\r\n') if l)
        return [(k.strip(), v.strip()) for k, _, v in pairs]


def read_chunked(reader, response):
        while size := int(reader.until(b'\r\n').split(b';')[0], 16):
                response.body += reader.exactly(size)
                response.chunks.append(size)
                reader.exactly(2)
        tail = b''
        while line := reader.until(b'\r\n'):
                tail += line + b'\r\n'
        response.trailers = dict(head_lines(tail))


def read_response(reader, method):
        response = Response(b'')
        status, _, rest = reader.until(b'\r\n').decode('latin-1').partition(' ')[2].partition(' ')
        response.status, response.reason, lines = int(status), rest, b''
        while line := reader.until(b'\r\n'):
                lines += line + b'\r\n'
        response.headers = head_lines(lines)
        length = response.header('Content-Length')
        bodiless = method == 'HEAD' or response.status in (204, 304) or response.status < 200
        if response.status == 100:
                return read_response(reader, method)
        if bodiless:
                response.framing = 'no body'
        elif (response.header('Transfer-Encoding') or '').lower() == 'chunked':
                response.framing = 'chunked'
                read_chunked(reader, response)
        elif length is not None:
                response.framing = 'content-length'
                response.body = reader.exactly(int(length))
        else:
                response.framing = 'until close'
                response.body = reader.rest()
        response.complete = True
        return response


def connect(where, timeout=PATIENCE):
        """where: a port of 127.0.0.1, or the path of a Unix socket."""
        if isinstance(where, str):
                connection = socket.socket(socket.AF_UNIX)
                connection.settimeout(timeout)
                connection.connect(where)
                return connection
        return socket.create_connection(('127.0.0.1', where), timeout)


def exchange(where, method, path, headers=(), body=b'', timeout=PATIENCE, raw=None, linger=0.0):
        """One request, one response. RAW: these very bytes instead. LINGER: so long to see the server close."""
        if isinstance(body, str):
                body = body.encode()
        if raw is None:
                lines = [f'{method} {path} HTTP/1.1']
                given = dict(headers)
                if not any(k.lower() == 'host' for k in given):
                        lines.append(f'Host: 127.0.0.1:{where}' if isinstance(where, int) else 'Host: localhost')
                lines += [f'{k}: {v}' for k, vs in given.items() for v in (vs if isinstance(vs, list) else [vs])]
                if body or method in ('POST', 'PUT', 'PATCH'):
                        lines.append(f'Content-Length: {len(body)}')
                raw = '\r\n'.join(lines).encode() + b'\r\n\r\n' + body
        with connect(where, timeout) as connection:
                connection.sendall(raw)
                reader = Reader(connection, timeout)
                response = read_response(reader, method)
                response.closed = reader.ended or was_closed(connection, linger)
                response.raw = bytes(reader.seen)
        return response


def was_closed(connection, linger):
        if linger:
                connection.settimeout(linger)
                with contextlib.suppress(TimeoutError, ConnectionResetError):
                        return connection.recv(1) == b''
        return False


def multipart(files):
        """(headers, body) of an upload: {path: bytes, or None for a folder}."""
        boundary, body = 'BOUNDARYtest', b''
        for path, data in files.items():
                kind = 'application/x-directory' if data is None else 'application/octet-stream'
                body += (f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{urllib.parse.quote(path, safe="")}"'
                         f'\r\nContent-Type: {kind}\r\n\r\n').encode() + (data or b'') + b'\r\n'
        return {'Content-Type': f'multipart/form-data; boundary={boundary}'}, body + f'--{boundary}--\r\n'.encode()


# ---- waiting

def eventually(question, what, patience=PATIENCE, pause=0.02):
        """Ask until the answer is true, and return it. For what has no event to wait for."""
        end = time.monotonic() + patience
        while True:
                answer = question()
                if answer:
                        return answer
                if time.monotonic() > end:
                        raise AssertionError(f'waited {patience:g} s in vain: {what}')
                time.sleep(pause)
                pause = min(pause * 1.5, 0.5)


PORTS = range(10240, 32768)  # below those that the kernel gives to whoever connects
held_ports = []  # sockets whose names say so to other test programs, until this one ends


def is_bindable(port):
        with socket.socket() as s:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                        s.bind(('127.0.0.1', port))
                except OSError:
                        return False
        return True


def hold_port(port):
        holder = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
                holder.bind(f'\0ipfs-cluster-test-port-{port}')
        except OSError:
                holder.close()
                return False
        held_ports.append(holder)
        return is_bindable(port)


def free_ports(n):
        """Of this program alone until it ends, also while nobody listens: a peer that comes back finds its own."""
        ports = []
        for port in random.sample(PORTS, len(PORTS)):
                if len(ports) == n:
                        return ports
                if hold_port(port):
                        ports.append(port)
        raise AssertionError(f'{n} ports wanted of {PORTS}, {len(ports)} are free')


# ---- processes

class Process:
        """A program whose output goes to a file of the bench."""

        def __init__(self, bench, name, command, env=None, **options):
                self.bench, self.name = bench, name
                self.log = os.path.join(bench.folder, f'{name}.log')
                with open(self.log, 'ab') as log:
                        self.popen = subprocess.Popen(
                                command, env={**os.environ, **(env or {})}, stdout=options.pop('stdout', log), stderr=log,
                                stdin=options.pop('stdin', subprocess.DEVNULL), **options)
                bench.processes.append(self)

        def running(self):
                return self.popen.poll() is None

        def kill(self):
                """As by power: nothing is tidied up."""
                if self.running():
                        self.popen.kill()
                return self.popen.wait()

        def stop(self, patience=PATIENCE):
                """In order; the exit status."""
                if self.running():
                        self.popen.send_signal(signal.SIGTERM)
                try:
                        return self.popen.wait(patience)
                except subprocess.TimeoutExpired:
                        self.kill()
                        raise AssertionError(f'{self.name} did not end within {patience:g} s of SIGTERM') from None

        def text(self):
                with open(self.log, encoding='utf-8', errors='replace') as f:
                        return f.read()


class Kubo:
        """What the real and the stand-in Kubo have in common: port, peer_id, and the calls of the RPC API."""

        def call(self, command, body=b'', headers=(), **query):
                pairs = [(k, v) for k, vs in query.items() for v in (vs if isinstance(vs, list) else [vs])]
                path = f'/api/v0/{command}' + ('?' + urllib.parse.urlencode(pairs) if pairs else '')
                return exchange(self.port, 'POST', path, headers, body)

        def add(self, files, **query):
                """{path: bytes or None} to {path: CID}."""
                headers, body = multipart(files)
                response = self.call('add', body, headers, **query)
                assert response.status == 200, response
                return {l['Name']: l['Hash'] for l in response.lines()}

        def pin_type(self, cid):
                """recursive, direct, or None."""
                for kind in ('recursive', 'direct'):
                        if self.call('pin/ls', arg=cid, type=kind).status == 200:
                                return kind
                return None

        def pin_name(self, cid):
                return next(iter(self.call('pin/ls', arg=cid, names='true').json()['Keys'].values()))['Name']

        def ready(self):
                with contextlib.suppress(OSError, EOFError):
                        return self.call('id').status == 200
                return False

        @property
        def multiaddr(self):
                return f'/ip4/127.0.0.1/tcp/{self.port}'


class StandIn(Kubo):
        is_real = False

        def __init__(self, bench, *options, port=0, state=None):
                self.bench, self.options, self.port = bench, list(options), port
                if state:
                        self.options += ['--state', state]
                self.start()
                self.peer_id = STAND_IN_ID

        def start(self):
                command = [os.path.join(LIB, 'stand-in-kubo'), '--tied', '--port', str(self.port), *self.options]
                self.process = Process(self.bench, 'stand-in-kubo', command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
                line = self.process.popen.stdout.readline().decode().strip()
                assert line, f'the stand-in did not start: {self.process.text()}'
                self.port = int(line) if line.isdecimal() else line

        def stop(self):
                self.process.kill()

        def control(self, **told):
                return exchange(self.port, 'POST', '/control', body=json.dumps(told)).json()

        def fault(self, command, kind=None, **details):
                """Tell it to fail; without a kind, to work again."""
                return self.control(faults={command: {'fault': kind, **details} if kind else None})

        def count(self, command):
                return exchange(self.port, 'GET', '/control').json()['requests'].get(command, 0)


class RealKubo(Kubo):
        is_real = True

        def __init__(self, bench, offline=False):
                program = subprocess.run([os.path.join(LIB, 'kubo'), '--no-build'], capture_output=True, text=True)
                if program.returncode:
                        raise Skip(program.stderr.strip())
                self.bench, self.program = bench, program.stdout.strip()
                self.repo, self.offline = os.path.join(bench.folder, 'kubo'), offline
                self.env = {'IPFS_PATH': self.repo, 'IPFS_TELEMETRY': 'off'}
                self.port, self.swarm_port = free_ports(2)
                self.run('init', '--profile=test')
                self.run('config', 'Addresses.API', f'/ip4/127.0.0.1/tcp/{self.port}')
                self.run('config', '--json', 'Addresses.Swarm', f'["/ip4/127.0.0.1/tcp/{self.swarm_port}"]')
                self.run('config', '--json', 'AutoConf.Enabled', 'false')
                self.run('config', 'Routing.Type', 'dht')
                self.start()
                self.peer_id = self.call('id').json()['ID']

        def run(self, *arguments):
                return subprocess.run([self.program, *arguments], env={**os.environ, **self.env}, check=True,
                                      capture_output=True, text=True, timeout=60).stdout

        def start(self):
                options = ['--offline'] if self.offline else []
                self.process = Process(self.bench, 'kubo-daemon', [self.program, 'daemon', *options], self.env)
                eventually(self.ready, 'Kubo answers')

        def stop(self):
                self.process.stop()

        def kill(self):
                self.process.kill()


class Daemon:
        """One ipfs-cluster-service on 127.0.0.1: made by init, with ports of its own."""

        def __init__(self, bench, kubo, name='peer', edit=None, env=None, proxy=None, pinsvc=None):
                """PROXY, PINSVC: the sections api.ipfsproxy and api.pinsvcapi, without what is the same for all: there is none
                otherwise."""
                self.bench, self.kubo, self.name, self.env, self.proxy, self.pinsvc = bench, kubo, name, env or {}, proxy, pinsvc
                self.folder = os.path.join(bench.folder, name)
                self.port, self.peer_port, self.proxy_port, self.pinsvc_port = free_ports(4)
                self.offline('init')
                self.edit(lambda c: self.settle(c, name))
                if edit:
                        self.edit(edit)
                with open(os.path.join(self.folder, 'identity.json'), encoding='utf-8') as f:
                        self.peer_id = json.load(f)['id']
                self.process = None

        def settle(self, config, name):
                config['cluster'].update(peername=name, listen_multiaddress=f'/ip4/127.0.0.1/tcp/{self.peer_port}', mdns_interval='0s')
                pinsvc = config['api'].get('pinsvcapi', {})
                config['api'] = {'restapi': {**config['api']['restapi'], 'http_listen_multiaddress': f'/ip4/127.0.0.1/tcp/{self.port}'}}
                config['ipfs_connector']['ipfshttp']['node_multiaddress'] = self.kubo.multiaddr
                if self.proxy is not None:
                        config['api']['ipfsproxy'] = {'listen_multiaddress': f'/ip4/127.0.0.1/tcp/{self.proxy_port}',
                                                      'node_multiaddress': self.kubo.multiaddr, **self.proxy}
                if self.pinsvc is not None:
                        config['api']['pinsvcapi'] = {**pinsvc, 'http_listen_multiaddress': f'/ip4/127.0.0.1/tcp/{self.pinsvc_port}', **self.pinsvc}

        def edit(self, change):
                path = os.path.join(self.folder, 'service.json')
                with open(path, encoding='utf-8') as f:
                        config = json.load(f)
                change(config)
                with open(path, 'w', encoding='utf-8') as f:
                        json.dump(config, f, indent=2)

        def address(self):
                """Where other peers dial it."""
                return f'/ip4/127.0.0.1/tcp/{self.peer_port}/p2p/{self.peer_id}'

        def environment(self):
                return {**self.env, 'IPFS_CLUSTER_PATH': self.folder, 'HOME': self.bench.folder}

        def offline(self, *arguments, input='', status=0):
                """Run a verb that ends by itself; what it wrote on (standard output, standard error)."""
                done = subprocess.run([self.bench.service, *arguments], env={**os.environ, **self.environment()}, input=input,
                                      capture_output=True, text=True, timeout=PATIENCE * 4)
                assert done.returncode == status, f'{arguments}: status {done.returncode}\n{done.stdout}{done.stderr}'
                return done.stdout, done.stderr

        def command(self, *arguments):
                return [self.bench.service, *arguments]

        def launch(self, *arguments, env=None):
                """Start without waiting; ready() waits."""
                path = os.path.join(self.bench.folder, f'{self.name}.notify')
                with contextlib.suppress(FileNotFoundError):
                        os.unlink(path)
                self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                self.notify.bind(path)
                self.process = Process(self.bench, self.name, self.command('daemon', *arguments),
                                       {**self.environment(), 'NOTIFY_SOCKET': path, **(env or {})})

        def start(self, *arguments, env=None):
                self.launch(*arguments, env=env)
                self.ready()
                return self

        def ready(self, patience=PATIENCE):
                """Until the daemon tells the service manager that it serves, and that IPFS answers."""
                seen = self.until_told(lambda line: line == 'READY=1', patience)
                if not any(line.endswith('IPFS answers') for line in seen):
                        seen += self.until_told(lambda line: line.endswith('IPFS answers'), patience)
                return seen

        def until_told(self, wanted, patience=PATIENCE):
                """Until the service manager is told a line that is wanted; all the lines up to then."""
                end, seen = time.monotonic() + patience, []
                self.notify.settimeout(0.2)
                while time.monotonic() < end:
                        try:
                                lines = self.notify.recv(4096).decode().splitlines()
                        except TimeoutError:
                                assert self.process.running(), f'{self.name} ended with {self.process.popen.returncode}'
                                continue
                        seen += lines
                        if any(wanted(line) for line in lines):
                                return seen
                raise AssertionError(f'{self.name}: waited {patience:g} s in vain, was told {seen}')

        def serving(self):
                """Until the API answers, which it does before the daemon is ready."""
                def answers():
                        assert self.process.running(), f'{self.name} ended with {self.process.popen.returncode}'
                        with contextlib.suppress(OSError, EOFError):
                                return self.get('/health').status == 204
                        return False
                eventually(answers, 'the API answers')

        def stop(self):
                status = self.process.stop()
                assert status == 0, f'{self.name} ended with {status}'

        def kill(self):
                self.process.kill()

        # ---- REST

        def request(self, method, path, **options):
                return exchange(self.port, method, path, **options)

        def get(self, path, **options):
                return self.request('GET', path, **options)

        def post(self, path, **options):
                return self.request('POST', path, **options)

        def delete(self, path, **options):
                return self.request('DELETE', path, **options)

        def proxied(self, path, body=b'', headers=(), method='POST', **options):
                """A request to the proxy, below /api/v0/."""
                return exchange(self.proxy_port, method, f'/api/v0/{path}', headers, body, **options)

        def remote(self, method, path, body=b'', headers=(), **options):
                """A request to the pinning service; a BODY that is no text is sent as JSON."""
                if not isinstance(body, (str, bytes)):
                        body = json.dumps(body)
                return exchange(self.pinsvc_port, method, path, headers, body, **options)

        def ok(self, method, path, **options):
                """The JSON of an answer that has to be 200."""
                response = self.request(method, path, **options)
                assert response.status == 200, f'{method} {path}: {response}'
                return response.json()

        def status(self, cid):
                """{status, error, attempt_count, …} of a pin here."""
                return self.ok('GET', f'/pins/{cid}?local=true')['peer_map'][self.peer_id]

        def until(self, cid, *statuses, patience=PATIENCE):
                last = {}

                def reached():
                        last.update(self.status(cid))
                        return last['status'] in statuses

                eventually(reached, f'{cid} is {" or ".join(statuses)}', patience)
                return last

        def pin(self, cid, query=''):
                """Pin, and wait for it."""
                self.ok('POST', f'/pins/{cid}' + (f'?{query}' if query else ''))
                return self.until(cid, 'pinned')


# ---- running

class Bench:
        def __init__(self):
                self.folder = tempfile.mkdtemp(prefix='ipfs-cluster-test-')
                self.processes = []
                self.service = os.environ.get('IPFS_CLUSTER_TEST_SERVICE', '')

        def stand_in(self, *options, **more):
                return StandIn(self, *options, **more)

        def real_kubo(self, **options):
                return RealKubo(self, **options)

        def kubo(self):
                """A real Kubo if there is one, else the stand-in where what was not added is nowhere."""
                try:
                        return RealKubo(self)
                except Skip:
                        return StandIn(self, '--strict', state=os.path.join(self.folder, 'stand-in-kubo.state'))

        def peer(self, kubo=None, **options):
                if not self.service:
                        raise Skip('IPFS_CLUSTER_TEST_SERVICE does not name the daemon')
                return Daemon(self, kubo or self.stand_in(), **options)

        def cluster(self, n, kubos=None, **options):
                """N peers that know each other and are to start together: all in init_peerset, one secret."""
                peers = [self.peer(kubos[i] if kubos else None, name=f'peer{i}', **options) for i in range(n)]
                secret = 'c' * 64

                def join(config, me):
                        config['cluster'].update(secret=secret, peer_addresses=[
                                p.address() for p in peers if p is not me])
                        config['consensus']['raft']['init_peerset'] = [p.peer_id for p in peers]

                for peer in peers:
                        peer.edit(lambda config, me=peer: join(config, me))
                return peers

        def sanitizers(self):
                """What a sanitizer found in a process that ended otherwise well."""
                for process in self.processes:
                        found = re.search(r'(ERROR: \w+Sanitizer|runtime error:).*', process.text())
                        if found:
                                return f'{process.name}: {found[0]}'
                return None

        def logs(self):
                for name in sorted(os.listdir(self.folder)):
                        if name.endswith('.log'):
                                with open(os.path.join(self.folder, name), encoding='utf-8', errors='replace') as f:
                                        text = f.read()[-LOG_SHOWN:]
                                yield from [f'--- {name}', *text.splitlines()]

        def close(self):
                for process in self.processes:
                        process.kill()
                        for stream in (process.popen.stdin, process.popen.stdout):
                                if stream:
                                        stream.close()
                shutil.rmtree(self.folder, ignore_errors=True)


def comment(lines):
        for line in lines:
                print(f'# {line}', flush=True)


def run_one(number, test):
        name = test.__name__.replace('_', '-')
        bench = Bench()
        try:
                test(bench)
                found = bench.sanitizers()
                assert not found, found
                print(f'ok {number} {name}', flush=True)
                return True
        except Skip as e:
                print(f'ok {number} {name} # SKIP {e}', flush=True)
                return True
        except Exception:
                comment(traceback.format_exc().splitlines())
                comment(bench.logs())
                print(f'not ok {number} {name}', flush=True)
                return False
        finally:
                bench.close()


def run(*tests):
        """TAP of these tests; those named on the command line only, if any are."""
        wanted = [a for a in sys.argv[1:] if not a.startswith('-')]
        tests = [t for t in tests if not wanted or t.__name__.replace('_', '-') in wanted or t.__name__ in wanted]
        print(f'1..{len(tests)}', flush=True)
        results = [run_one(n, t) for n, t in enumerate(tests, 1)]
        sys.exit(0 if all(results) else 1)
