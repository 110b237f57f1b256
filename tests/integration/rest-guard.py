#!/usr/bin/env python3
"""What stands before the REST API, from outside: TLS with curl, gnutls-cli and ipfs-cluster-ctl, credentials and tokens,
heads of every size, addresses, the log of requests, and configurations that stop the start."""
import base64
import contextlib
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from busctl import PrivateBus  # noqa: E402
from cluster_test import PATIENCE, Reader, Skip, connect, eventually, exchange, free_ports, read_response, run  # noqa: E402
from ipfs_content import numbered  # noqa: E402

CTL = os.environ['IPFS_CLUSTER_TEST_CTL']
EX_CONFIG = 78
ALICE = {'Authorization': 'Basic ' + base64.b64encode(b'alice:secret1').decode()}
USERS = {'basic_auth_credentials': {'alice': 'secret1', 'bob': 'pw2'}}


def command(*words, status=0, env=None, **options):
        done = subprocess.run(words, env={**os.environ, 'TZ': 'UTC', **(env or {})}, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=PATIENCE * 2, **options)
        assert done.returncode == status, f'{words}: status {done.returncode}\n{done.stdout}{done.stderr}'
        return done


class Certificates:
        """An authority (ca.pem) and certificates by it, each NAME.pem and NAME.key."""

        def __init__(self, bench):
                if not shutil.which('certtool'):
                        raise Skip('certtool (gnutls-bin) is not there')
                self.folder = os.path.join(bench.folder, 'certificates')
                os.mkdir(self.folder)
                self.key('ca')
                self.template('ca', 'cn = "test authority"\nca\ncert_signing_key\nexpiration_days = 2\n')
                self.certtool('--generate-self-signed', '--load-privkey', 'ca.key', '--template', 'ca.cfg', '--outfile', 'ca.pem')

        def path(self, name):
                return os.path.join(self.folder, name)

        def certtool(self, *words):
                command('certtool', *words, cwd=self.folder)

        def key(self, name):
                self.certtool('--generate-privkey', '--key-type', 'ecdsa', '--curve', 'secp256r1', '--outfile', f'{name}.key')

        def template(self, name, text):
                with open(self.path(f'{name}.cfg'), 'w', encoding='utf-8') as f:
                        f.write(text)

        def make(self, name, address='127.0.0.1'):
                self.key(name)
                self.template(name, f'cn = "{name}"\nip_address = "{address}"\ntls_www_server\nsigning_key\nexpiration_days = 1\n')
                self.certtool('--generate-certificate', '--load-privkey', f'{name}.key', '--load-ca-certificate', 'ca.pem',
                              '--load-ca-privkey', 'ca.key', '--template', f'{name}.cfg', '--outfile', f'{name}.pem')
                return {'ssl_cert_file': self.path(f'{name}.pem'), 'ssl_key_file': self.path(f'{name}.key')}


def peer_with(bench, env=None, **restapi):
        return bench.peer(edit=lambda c: c['api']['restapi'].update(restapi), env=env)


@contextlib.contextmanager
def tls(peer, context):
        with context.wrap_socket(connect(peer.port), server_hostname='127.0.0.1') as connection:
                yield connection


def ask(connection, method, path, headers=(), body=b''):
        lines = [f'{method} {path} HTTP/1.1', 'Host: x', *(f'{k}: {v}' for k, v in dict(headers).items())]
        if body or method == 'POST':
                lines.append(f'Content-Length: {len(body)}')
        connection.sendall('\r\n'.join(lines).encode() + b'\r\n\r\n' + body)
        return read_response(Reader(connection, PATIENCE), method)


# ---- TLS

def speaks_tls(bench):
        certificates = Certificates(bench)
        peer = peer_with(bench, **certificates.make('good')).start()
        ca = certificates.path('ca.pem')
        curl = ('curl', '-sS', '--cacert', ca)
        url = f'https://127.0.0.1:{peer.port}'
        assert command(*curl, f'{url}/version').stdout == '{"version":"1.1.6"}\n'
        assert peer.peer_id in command(*curl, '--tlsv1.2', '--tls-max', '1.2', f'{url}/id').stdout
        command(*curl, '-XPOST', f'{url}/pins/{numbered(1)}')
        eventually(lambda: '"status":"pinned"' in command(*curl, f'{url}/pins/{numbered(1)}').stdout, 'it is pinned')
        assert str(numbered(1)) in command(*curl, f'{url}/allocations').stdout
        command('curl', '-sS', f'{url}/version', status=60)  # whom nobody knows
        command(*curl, '--tls-max', '1.1', f'{url}/version', status=35)
        done = command('gnutls-cli', '--x509cafile', ca, '-p', str(peer.port), '127.0.0.1')
        assert 'The certificate is trusted' in done.stdout and 'Handshake was completed' in done.stdout, done
        peer.stop()


def takes_uploads_over_tls(bench):
        """Whose answer goes out while they come in."""
        certificates = Certificates(bench)
        peer = peer_with(bench, **certificates.make('good'), **USERS).start()
        upload = os.path.join(bench.folder, 'upload')
        with open(upload, 'wb') as f:
                f.write(os.urandom(3 << 20))
        curl = ('curl', '-sS', '--cacert', certificates.path('ca.pem'), '-F', f'file=@{upload}')
        url = f'https://127.0.0.1:{peer.port}/add?progress=true'
        added = json.loads(command(*curl, '-u', 'alice:secret1', url).stdout.splitlines()[-1])
        assert added['name'] == 'upload', added
        done = command(*curl, '-w', '%{http_code}', url)
        assert done.stdout.endswith('401'), done
        assert added['cid'] in command('curl', '-sS', '--cacert', certificates.path('ca.pem'), '-u', 'bob:pw2',
                                       f'https://127.0.0.1:{peer.port}/allocations').stdout
        peer.stop()


def answers_many_at_once_over_tls(bench):
        certificates = Certificates(bench)
        peer = peer_with(bench, **certificates.make('good')).start()
        context = ssl.create_default_context(cafile=certificates.path('ca.pem'))
        body = b''.join(b'{"cid":"%s","type":"pin","max_depth":-1}\n' % str(numbered(n)).encode() for n in range(5000))
        failed = []

        def client(n):
                try:
                        with tls(peer, context) as connection:
                                for _ in range(20):
                                        assert ask(connection, 'GET', '/version').json() == {'version': '1.1.6'}
                                if n == 0:
                                        assert ask(connection, 'POST', '/allocations', body=body).json() == {'imported': 5000}
                                response = ask(connection, 'GET', '/allocations')
                                assert response.status in (200, 204) and response.complete, response
                except Exception as e:
                        failed.append(e)

        threads = [threading.Thread(target=client, args=[n]) for n in range(12)]
        for thread in threads:
                thread.start()
        for thread in threads:
                thread.join(PATIENCE)
        assert not failed, failed
        with tls(peer, context) as connection:
                assert len(ask(connection, 'GET', '/allocations').lines()) == 5000
        peer.stop()


def takes_no_plain_http_beside_tls(bench):
        peer = peer_with(bench, read_header_timeout='300ms', **Certificates(bench).make('good')).start()
        for sent in (b'GET /version HTTP/1.1\r\nHost: x\r\n\r\n', b'\x16\x03\x01\x00\x05hello', b'\x00' * 100, b''):
                with connect(peer.port) as connection:
                        connection.sendall(sent)
                        got = b''
                        with contextlib.suppress(ConnectionResetError):
                                got = Reader(connection, PATIENCE).rest()
                        assert b'HTTP' not in got, got
        peer.stop()


def ctl_speaks_tls(bench):
        certificates = Certificates(bench)
        peer = peer_with(bench, **certificates.make('good'), **USERS).start()
        dead, = free_ports(1)
        host = ('--host', f'/ip4/127.0.0.1/tcp/{peer.port}')
        trust = {'SSL_CERT_FILE': certificates.path('ca.pem')}
        alice = ('--basic-auth', 'alice:secret1')

        assert command(CTL, *host, *alice, 'version', env=trust).stdout == '1.1.6\n'
        assert command(CTL, *host, '--https', 'version', env={**trust, 'CLUSTER_CREDENTIALS': 'bob:pw2'}).stdout == '1.1.6\n'
        assert command(CTL, *host, *alice, '--no-check-certificate', 'version').stdout == '1.1.6\n'
        assert command(CTL, '--host', f'/ip4/127.0.0.1/tcp/{dead},/ip4/127.0.0.1/tcp/{peer.port}/https', *alice, 'version', env=trust).stdout == '1.1.6\n'
        assert command(CTL, '--host', f'/dns4/localhost/tcp/{peer.port}', *alice, '--no-check-certificate', 'id').stdout.startswith(peer.peer_id)

        done = command(CTL, *host, *alice, 'version', status=1)  # whom nobody knows
        assert 'Code: 0' in done.stdout and 'certificate' in done.stdout, done
        done = command(CTL, '--host', f'/dns4/localhost/tcp/{peer.port}', *alice, 'version', status=1, env=trust)  # another name
        assert 'Code: 0' in done.stdout and 'certificate' in done.stdout, done
        done = command(CTL, *host, *alice, '--force-http', 'version', status=1)
        assert 'Code: 0' in done.stdout, done
        # An answer is an answer: the next host is not asked.
        both = ('--host', f'/ip4/127.0.0.1/tcp/{peer.port},/ip4/127.0.0.1/tcp/{dead}')
        done = command(CTL, *both, '--basic-auth', 'alice:wrong', 'version', status=2, env=trust)
        assert 'Code: 401' in done.stdout and 'access denied' in done.stdout, done
        done = command(CTL, *host, '--https', 'version', status=2, env=trust)
        assert 'no auth provided' in done.stdout, done
        peer.stop()


# ---- who asks

def lets_in_who_may(bench):
        peer = peer_with(bench, **USERS)
        peer.launch()
        eventually(lambda: quiet(lambda: peer.get('/health').status == 204), 'the API answers')
        target = f'/pins/{numbered(1)}'
        for headers in ({}, {'Authorization': 'Basic ' + base64.b64encode(b'alice:wrong').decode()}, {'Authorization': 'Bearer x.y.z'},
                        {'X-Forwarded-User': 'alice'}):
                for method, path in (('POST', target), ('DELETE', target), ('GET', '/id'), ('POST', '/allocations'), ('GET', '/nosuch'), ('PUT', '/id')):
                        response = peer.request(method, path, headers=headers)
                        assert response.status == 401 and response.json()['code'] == 401, (headers, response)
        assert peer.get(target, headers=ALICE).json()['peer_map'][peer.peer_id]['status'] == 'unpinned'  # nothing was done

        token = peer.post('/token', headers=ALICE).json()['token']
        bearer = {'Authorization': f'Bearer {token}'}
        assert peer.post(target, headers=bearer).status == 200
        assert peer.get(target, headers=bearer).status == 200
        assert peer.post('/token', headers=bearer).json()['token'] == token
        peer.process.stop()
        # A token is worth nothing when the password is another one.
        peer.edit(lambda c: c['api']['restapi'].update(basic_auth_credentials={'alice': 'changed', 'bob': 'pw2'}))
        peer.launch()
        eventually(lambda: quiet(lambda: peer.get('/health').status == 204), 'the API answers')
        assert peer.get('/version', headers=bearer).status == 401
        peer.process.stop()


def quiet(question):
        with contextlib.suppress(OSError, EOFError):
                return question()
        return False


def reads_no_body_of_a_stranger(bench):
        """The answer comes at once; what was announced is not waited for."""
        peer = peer_with(bench, **USERS).start()
        with connect(peer.port) as connection:
                connection.sendall(b'POST /allocations HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n' + b'x' * 1000)
                response = read_response(Reader(connection, PATIENCE), 'POST')
        assert response.status == 401 and response.header('Connection') == 'close', response
        with connect(peer.port) as connection:
                connection.sendall(b'POST /allocations HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1000000000\r\n\r\n')
                seen = Reader(connection, PATIENCE).until(b'\r\n')
        assert seen == b'HTTP/1.1 401 Unauthorized', seen
        peer.stop()


def takes_users_from_a_credential(bench):
        folder = os.path.join(bench.folder, 'credentials')
        os.mkdir(folder)
        with open(os.path.join(folder, 'CLUSTER_RESTAPI_BASICAUTHCREDENTIALS'), 'w', encoding='utf-8') as f:
                f.write('carol:from systemd\n')
        peer = bench.peer()
        peer.launch(env={'CREDENTIALS_DIRECTORY': folder})
        eventually(lambda: quiet(lambda: peer.get('/health').status == 204), 'the API answers')
        assert peer.get('/version').status == 401
        assert exchange(peer.port, 'GET', '/version',
                        {'Authorization': 'Basic ' + base64.b64encode(b'carol:from systemd').decode()}).status == 200
        assert 'from systemd' not in peer.process.text()
        peer.process.stop()


# ---- limits

def refuses_floods_of_headers(bench):
        peer = peer_with(bench, read_header_timeout='500ms', max_header_bytes=8192).start()

        def answer(head, method='GET'):
                with connect(peer.port) as connection:
                        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                                connection.sendall(head)
                        return read_response(Reader(connection, PATIENCE), method)

        def head(*lines):
                return '\r\n'.join(['GET /version HTTP/1.1', 'Host: x', *lines]).encode() + b'\r\n\r\n'

        assert answer(head(*(f'X-{n}: y' for n in range(200)))).status == 200
        assert answer(head('X: ' + 'y' * 11000)).status == 200  # 8192, and 4096 more as the Go program
        assert answer(head('X: ' + 'y' * 13000)).status == 431
        for many in (1000, 5000):
                assert answer(head(*(f'X-{n}: y' for n in range(many)))).status == 431, many
        assert answer(f'GET /{"y" * 13000} HTTP/1.1\r\nHost: x\r\n\r\n'.encode()).status in (414, 431)
        for line in ('Bad header: x', 'Content-Length: 1\r\nContent-Length: 2', 'Host: y'):
                assert answer(head(line)).status == 400, line
        # Heads that never end, all at once: each is cut, and the others are served meanwhile.
        slow = [connect(peer.port) for _ in range(100)]
        end = time.monotonic() + PATIENCE
        while slow and time.monotonic() < end:
                for connection in list(slow):
                        try:
                                connection.sendall(b'X' if connection not in slow[:1] else b'GET / HTTP/1.1\r\nX: ')
                        except (BrokenPipeError, ConnectionResetError):
                                connection.close()
                                slow.remove(connection)
                assert peer.get('/version').status == 200
        assert not slow, f'{len(slow)} clients still drip'
        peer.stop()


def ends_what_takes_too_long(bench):
        peer = peer_with(bench, read_timeout='400ms', idle_timeout='300ms').start()
        with connect(peer.port) as connection:  # a body that drips
                connection.sendall(b'POST /allocations HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n')
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                        end = time.monotonic() + PATIENCE
                        while time.monotonic() < end:
                                connection.sendall(b' ')
                                time.sleep(0.02)
                        raise AssertionError('the body still drips')
        with connect(peer.port) as connection:  # no further request
                assert ask(connection, 'GET', '/version').status == 200
                assert Reader(connection, PATIENCE).rest() == b''
        peer.stop()


# ---- where, and what is told of it

def listens_at_several_addresses(bench):
        ports = free_ports(2)
        path = os.path.join(bench.folder, 'api.socket')
        addresses = [f'/ip4/127.0.0.1/tcp/{ports[0]}', f'/unix{path}', f'/dns4/localhost/tcp/{ports[1]}']
        if socket.has_ipv6:
                with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as s:
                        s.bind(('::1', 0))
                        addresses.append(f'/ip6/::1/tcp/{s.getsockname()[1]}')
        peer = peer_with(bench, http_listen_multiaddress=addresses)
        peer.port = ports[0]
        peer.start()
        for where in (ports[0], path, ports[1]):
                assert exchange(where, 'GET', '/version').status == 200, where
        for address in addresses:
                assert command(CTL, '--host', address, 'version').stdout == '1.1.6\n', address
        if len(addresses) == 4:
                with socket.create_connection(('::1', int(addresses[3].rsplit('/', 1)[1])), PATIENCE) as connection:
                        assert ask(connection, 'GET', '/version').status == 200
        response = exchange(path, 'POST', '/pins/recover/')
        assert response.status == 307 and response.header('Location') == '/pins/recover', response
        peer.stop()


def warns_of_an_open_door(bench):
        """An address that others reach, without credentials, or with them but without TLS."""
        open_, clear = 'takes requests from whoever reaches it', 'passwords cross the network as they are'
        for n, (address, users, said) in enumerate((('/ip4/0.0.0.0', {}, open_), ('/ip4/0.0.0.0', USERS, clear),
                                                    ('/ip4/127.0.0.1', {}, None), ('/ip4/127.0.0.1', USERS, None))):
                peer = bench.peer(name=f'peer-{n}')
                peer.edit(lambda c: c['api']['restapi'].update(http_listen_multiaddress=f'{address}/tcp/{peer.port}', **users))
                peer.start()
                peer.stop()
                log = peer.process.text()
                assert (open_ in log) == (said == open_) and (clear in log) == (said == clear), (address, said, log)


def logs_requests(bench):
        path = os.path.join(bench.folder, 'requests')
        peer = peer_with(bench, http_log_file=path, headers={'X-Frame-Options': ['DENY']}, **USERS)
        peer.launch()
        eventually(lambda: quiet(lambda: peer.get('/health').status == 204), 'the API answers')
        assert peer.get('/version', headers=ALICE).header('X-Frame-Options') == 'DENY'
        assert peer.get('/version').status == 401
        os.rename(path, path + '.1')

        def is_made_anew():
                peer.get('/id', headers=ALICE)
                return os.path.exists(path)

        eventually(is_made_anew, 'the log is made anew')
        peer.process.stop()
        with open(path + '.1', encoding='utf-8') as f:
                lines = f.read().splitlines()
        assert any('"GET /version HTTP/1.1" 200 20' in l and l.startswith('127.0.0.1 - alice [') for l in lines), lines
        assert any('"GET /version HTTP/1.1" 401 56' in l and l.startswith('127.0.0.1 - - [') for l in lines), lines
        assert 'secret1' not in '\n'.join(lines)


# ---- a reload

def authorization(user, password):
        return {'Authorization': 'Basic ' + base64.b64encode(f'{user}:{password}'.encode()).decode()}


def reload_takes_it_over(bench):
        bus = PrivateBus(bench)
        certificates = Certificates(bench)
        peer = peer_with(bench, **certificates.make('one'), **USERS)
        peer.start(env=bus.env)
        eventually(bus.is_owned, 'the name is owned')
        context = ssl.create_default_context(cafile=certificates.path('ca.pem'))

        def shown():
                """The name in the certificate that a new connection gets."""
                with tls(peer, context) as connection:
                        return dict(pair for rdn in connection.getpeercert()['subject'] for pair in rdn)['commonName']

        with tls(peer, context) as old, tls(peer, context) as waiting:
                assert ask(old, 'GET', '/version', ALICE).status == 200
                waiting.sendall(b'POST /allocations HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n' + b'%s: %s\r\n\r\n' % tuple(
                        x.encode() for x in next(iter(ALICE.items()))))
                assert shown() == 'one'
                two = certificates.make('two')
                for of in ('pem', 'key'):
                        shutil.copyfile(certificates.path(f'two.{of}'), certificates.path(f'one.{of}'))
                assert bus.call('Reload') == []  # the same names, other files
                assert shown() == 'two'
                peer.edit(lambda c: c['api']['restapi'].update(basic_auth_credentials={'carol': 'new'}, headers={'X-New': ['yes']},
                                                               http_log_file=os.path.join(bench.folder, 'requests'), **two))
                assert bus.call('Reload') == []
                waiting.sendall(b'\n')
                response = read_response(Reader(waiting, PATIENCE), 'POST')  # who was let in is answered
                assert response.status == 200 and response.header('X-New') is None, response
                assert ask(old, 'GET', '/version', ALICE).status == 401  # but not the next time
                response = ask(old, 'GET', '/version', authorization('carol', 'new'))
                assert response.status == 200 and response.header('X-New') == 'yes', response
        assert shown() == 'two'

        # What is wrong changes nothing.
        with open(certificates.path('two.key'), 'w', encoding='utf-8') as f:
                f.write('junk')
        peer.edit(lambda c: c['api']['restapi'].update(basic_auth_credentials={'dave': 'x'}))
        assert bus.call('Reload').startswith('api.restapi.ssl_key_file: '), bus.call('Reload')
        with tls(peer, context) as connection:
                assert ask(connection, 'GET', '/version', authorization('carol', 'new')).status == 200
                assert ask(connection, 'GET', '/version', authorization('dave', 'x')).status == 401
        assert shown() == 'two'
        # Without TLS, for those that come from now on.
        peer.edit(lambda c: c['api']['restapi'].update(ssl_cert_file='', ssl_key_file='', basic_auth_credentials=None))
        assert bus.call('Reload') == []
        assert peer.get('/version').status == 200
        with open(os.path.join(bench.folder, 'requests'), encoding='utf-8') as f:
                assert '- carol [' in f.read()
        peer.stop()
        bus.stop()


# ---- what stops the start

def wrong_settings_stop_the_start(bench):
        certificates = Certificates(bench)
        good, other = certificates.make('good'), certificates.make('other')
        with open(certificates.path('junk'), 'w', encoding='utf-8') as f:
                f.write('junk\n')
        junk = certificates.path('junk')
        creating, loading = 'error creating REST API component: api.restapi.', 'error loading configurations: api.restapi.'
        cases = [
                ({**good, 'ssl_cert_file': 'nowhere.pem'}, creating + 'ssl_cert_file: cannot read '),
                ({**good, 'ssl_key_file': '/nowhere.key'}, creating + 'ssl_key_file: cannot read /nowhere.key: No such file or directory'),
                ({**good, 'ssl_cert_file': junk}, creating + f'ssl_cert_file: {junk} is not allowed, expected a certificate in PEM form'),
                ({**good, 'ssl_key_file': junk}, creating + f'ssl_key_file: {junk} is not allowed, expected a private key'),
                ({**good, 'ssl_key_file': other['ssl_key_file']}, creating + f'ssl_key_file: {other["ssl_key_file"]} is not allowed, expected the key of the certificate'),
                ({'ssl_cert_file': good['ssl_cert_file']}, loading + 'ssl_key_file: nothing is not allowed beside api.restapi.ssl_cert_file'),
                ({'http_log_file': '/dev/full'}, creating + 'http_log_file: /dev/full is no file that can be written without waiting: expected a regular file'),
                ({'http_log_file': '/nowhere/log'}, creating + 'http_log_file: cannot write /nowhere/log: No such file or directory'),
                ({'headers': {'Content-Length': ['5']}}, loading + 'headers: {"Content-Length":["5"]} is not allowed, expected names of HTTP headers'),
                ({'headers': {'X': ['a\r\nY: b']}}, loading + 'headers: '),
                ({'basic_auth_credentials': {}}, loading + 'basic_auth_credentials: the value is not allowed'),
                ({'cors_max_age': '-1s'}, loading + 'cors_max_age: "-1s" is not allowed'),
        ]
        peer = bench.peer()
        plain = {}
        peer.edit(lambda c: plain.update(c['api']['restapi']))
        for restapi, words in cases:
                peer.edit(lambda c: c['api'].update(restapi={**plain, **restapi}))
                _, err = peer.offline('daemon', status=EX_CONFIG)
                assert words in err, (restapi, err)


run(speaks_tls, takes_uploads_over_tls, answers_many_at_once_over_tls, takes_no_plain_http_beside_tls, ctl_speaks_tls, lets_in_who_may,
    reads_no_body_of_a_stranger, takes_users_from_a_credential, refuses_floods_of_headers, ends_what_takes_too_long,
    listens_at_several_addresses, warns_of_an_open_door, logs_requests, reload_takes_it_over, wrong_settings_stop_the_start)
