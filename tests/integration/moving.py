#!/usr/bin/env python3
"""Moving from the Go program: the chapter of the README as it is written, `state import` from an API, and what comes of
the files of the Go program. Its API is stood in for by recordings; with IPFS_CLUSTER_TEST_ORIGINAL=<ipfs-cluster-service
v1.1.6> and a real Kubo the chapter is tried with the program itself."""
import base64
import contextlib
import glob
import http.server
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from cluster_test import PATIENCE, SOURCE, Process, Skip, eventually, exchange, free_ports, run  # noqa: E402

GOLDEN = os.path.join(SOURCE, 'tests', 'golden')
SECRET = 'c' * 64
N_MANY = 100000
RESIDENT_MAX_KB = 48 * 1024
CTL = os.environ.get('IPFS_CLUSTER_TEST_CTL', '')


def recording(name):
        with open(glob.glob(os.path.join(GOLDEN, name + '*.json'))[0], encoding='utf-8') as f:
                return json.load(f)['response']


LIST = recording('rest/070-')


def pins_of(text):
        return {pin['cid']: pin for pin in map(json.loads, text.splitlines())}


class Original:
        """GET /allocations as it was recorded: the same bytes but for the date. END: what comes instead of the rest."""

        def __init__(self, recorded, credentials=None, end=None, tls=None):
                original = self

                class Handler(http.server.BaseHTTPRequestHandler):
                        def do_GET(self):
                                given = self.headers.get('Authorization', '')
                                refused = credentials and given != 'Basic ' + base64.b64encode(credentials.encode()).decode()
                                original.answer(self.wfile, self.path, recording('rest/300-') if refused else recorded, end)
                                self.close_connection = True

                        def log_message(self, *_):
                                pass

                self.server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
                if tls:
                        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                        context.load_cert_chain(tls)
                        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
                self.port = self.server.server_port
                self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
                self.thread.start()

        @staticmethod
        def answer(to, path, recorded, end):
                assert path in ('/allocations', '/allocations?filter=all'), path
                body = recorded['body'] if isinstance(recorded['body'], list) else [recorded['body']]
                head = ''.join(f'{k}: {v}\r\n' for k, vs in recorded['headers'].items() for v in (vs if isinstance(vs, list) else [vs]))
                to.write(f'HTTP/1.1 {recorded["status"]} {recorded["reason"]}\r\n{head}\r\n'.encode())
                if recorded['framing'] != 'chunked':
                        to.write(recorded['body'].encode())
                        return
                for part in body:
                        for line in part.splitlines(True) if len(body) == 1 else [part]:
                                data = line.encode()
                                to.write(b'%x\r\n%s\r\n' % (len(data), data))
                trailers = ''.join(f'{k}: {v}\r\n' for k, v in recorded['trailers'].items())
                to.write(end if end is not None else f'0\r\n{trailers}\r\n'.encode())

        def stop(self):
                self.server.shutdown()
                self.server.server_close()

        @property
        def url(self):
                return f'http://127.0.0.1:{self.port}'


# ---- state import URL

def imports_what_the_api_tells(bench):
        original, peer = Original(LIST), bench.peer()
        wanted = pins_of(LIST['body'])
        out, _ = peer.offline('state', 'import', '--dry-run', original.url)
        assert out == f'{len(wanted)} pins read: {len(wanted)} would be added, 0 changed, 0 removed, 0 stay as they are\n', out
        assert not os.path.exists(os.path.join(peer.folder, 'raft'))
        peer.offline('state', 'import', '--force', original.url + '/allocations')
        assert pins_of(peer.offline('state', 'export')[0]) == wanted
        # The recorded crdt cluster, beside what is there.
        other = recording('rest-crdt/070-')
        second = Original(other)
        peer.offline('state', 'import', '--force', '--merge', second.url)
        assert pins_of(peer.offline('state', 'export')[0]) == {**wanted, **pins_of(other['body'])}
        for server in (original, second):
                server.stop()


def takes_an_empty_list_as_one(bench):
        peer = bench.peer()
        original = Original(recording('rest/072-'))
        assert '0 pins read' in peer.offline('state', 'import', '--dry-run', original.url)[0]
        original.stop()


def a_list_that_breaks_off_imports_nothing(bench):
        peer = bench.peer()
        whole = Original(LIST)
        peer.offline('state', 'import', '--force', whole.url)
        whole.stop()
        before = peer.offline('state', 'export')[0]
        for end, words in ((b'0\r\nX-Stream-Error: context canceled\r\n\r\n', 'the other peer broke its list off: context canceled'),
                           (b'', '127.0.0.1:'), (b'5\r\n{"ci', '127.0.0.1:'), (b'3\r\n{x\n\r\n0\r\nX-Stream-Error: \r\n\r\n', 'pin 11: '), (b'zz\r\n', '127.0.0.1:')):
                original = Original(LIST, end=end)
                for more in ([], ['--merge'], ['--dry-run']):
                        _, err = peer.offline('state', 'import', '--force', *more, original.url, status=1)
                        assert err.startswith('error importing state: ' + words), (end, err)
                original.stop()
                assert peer.offline('state', 'export')[0] == before
        assert not glob.glob(os.path.join(peer.folder, '*.new')), os.listdir(peer.folder)


def tells_a_trailer_that_is_missing(bench):
        peer = bench.peer()
        original = Original(LIST, end=b'0\r\n\r\n')
        assert 'without the trailer X-Stream-Error' in peer.offline('state', 'import', '--force', original.url)[1]
        original.stop()


def gives_credentials(bench):
        peer = bench.peer()
        original = Original(LIST, credentials='user:pass word')
        _, err = peer.offline('state', 'import', '--dry-run', original.url, status=1)
        assert err == ('error importing state: the other peer answers with status 401: unauthorized: no auth provided, '
                       'expected its list of pins\n'), err
        peer.offline('state', 'import', '--dry-run', '--basic-auth', 'user:pass word', original.url)
        peer.offline('state', 'import', '--dry-run', original.url.replace('//', '//user:pass%20word@'))
        peer.env['CLUSTER_CREDENTIALS'] = 'user:pass word'
        peer.offline('state', 'import', '--dry-run', original.url)
        original.stop()


def checks_the_certificate(bench):
        if not shutil.which('openssl'):
                raise Skip('there is no openssl to make a certificate')
        pem = os.path.join(bench.folder, 'pem')
        subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=127.0.0.1',
                        '-days', '2', '-keyout', pem, '-out', pem + '.crt'], check=True, capture_output=True)
        with open(pem, 'a', encoding='utf-8') as f, open(pem + '.crt', encoding='utf-8') as certificate:
                f.write(certificate.read())
        peer, original = bench.peer(), Original(LIST, tls=pem)
        url = original.url.replace('http:', 'https:')
        _, err = peer.offline('state', 'import', '--dry-run', url, status=1)
        assert 'certificate' in err.lower(), err
        assert ' pins read' in peer.offline('state', 'import', '--dry-run', '--no-check-certificate', url)[0]
        original.stop()


def needs_little_memory_for_a_long_list(bench):
        def body():
                line = LIST['body'].splitlines()[-1]
                cid = json.loads(line)['cid']
                for at in range(0, N_MANY, 1000):
                        yield ''.join(line.replace(cid, f'f01551220{n:064x}') + '\n' for n in range(at, at + 1000))

        peer = bench.peer()
        original = Original({**LIST, 'body': list(body())})
        process = Process(bench, 'import', peer.command('state', 'import', '--force', original.url), peer.environment())
        most = 0
        while process.running():
                with contextlib.suppress(OSError, TypeError), open(f'/proc/{process.popen.pid}/status', encoding='utf-8') as f:
                        most = max(most, int(re.search(r'^VmHWM:\s+(\d+)', f.read(), re.M)[1]))
                time.sleep(0.01)
        original.stop()
        assert process.popen.returncode == 0, process.text()
        assert f'{N_MANY} pins were read' in process.text()
        if not is_sanitized(bench.service):
                assert 0 < most < RESIDENT_MAX_KB, most


def is_sanitized(program):
        with open(program, 'rb') as f:
                return b'__asan_init' in f.read()


def a_member_that_imports_is_alone_until_others_join_again(bench):
        peers, original = bench.cluster(2), Original(LIST)
        for peer in peers:
                peer.launch()
        for peer in peers:
                peer.ready()
        for peer in peers:
                peer.stop()
        peers[0].offline('state', 'import', '--force', original.url)
        original.stop()
        peers[0].start()
        assert [p['id'] for p in peers[0].get('/peers').lines()] == [peers[0].peer_id]
        peers[1].offline('state', 'cleanup', '--force')
        peers[1].edit(lambda c: c['consensus']['raft'].update(init_peerset=[]))
        peers[1].start('--bootstrap', peers[0].address())
        eventually(lambda: set(pins_of(peers[1].get('/allocations').body.decode())) == set(pins_of(LIST['body'])), 'it has the pins')


# ---- exports of older releases

OLD = ('{"cid":{"/":"QmccvEeJ1S95baJ6brLwNCKc6uq89vpVEoUGcEXc5FHhaX"},"type":2,"allocations":[],"max_depth":-1,"reference":null,'
       '"replication_factor_min":-1,"replication_factor_max":-1,"name":"of 0.10","shard_size":0,"user_allocations":null,"metadata":null}',
       '{"cid":{"/":"bafkreiakniykocnzomwmu3lcktxdv3647n3p7giju6rqnd4qvgmxv4iz5y"},"name":"of 0.13","mode":"direct","max_depth":0,'
       '"type":"pin","allocations":null,"expire_at":"0001-01-01T00:00:00Z","pin_update":null,"reference":null,"timestamp":"2020-08-01T10:00:00Z"}',
       '{"replication_factor_min":2,"replication_factor_max":3,"name":"of 0.14","mode":"recursive","shard_size":0,"user_allocations":[],'
       '"expire_at":"1970-01-01T00:00:00Z","metadata":{"a":"b"},"pin_update":null,"origins":null,"cid":{"/":"QmP63DkAFEnDYNjDYBpyNDfttu1fvUw99x1brscPzpqmmq"},'
       '"type":"pin","allocations":["12D3KooWEeA2KYBcMpzQuNExHJRt4bBBmtJ7YYvgv3NnuVFQqkzM"],"max_depth":-1,"reference":null}')


def reads_exports_of_older_releases(bench):
        peer = bench.peer()
        peer.offline('state', 'import', '--force', input=''.join(OLD))  # without a newline between them
        pins = pins_of(peer.offline('state', 'export')[0])
        assert {p['name']: (p['type'], p['mode'], p['max_depth']) for p in pins.values()} == {
                'of 0.10': ('pin', 'recursive', -1), 'of 0.13': ('pin', 'direct', 0), 'of 0.14': ('pin', 'recursive', -1)}, pins
        last = pins['QmP63DkAFEnDYNjDYBpyNDfttu1fvUw99x1brscPzpqmmq']
        assert last['expire_at'] == '0001-01-01T00:00:00Z' and last['metadata'] == {'a': 'b'} and len(last['allocations']) == 1, last


# ---- the files of the Go program

def taken(bench, peer, change=None, config=None):
        """What `state export` says of a service.json, beside the identity of PEER: (status, words)."""
        if config is None:
                with open(os.path.join(GOLDEN, 'service', 'init-raft.service.json'), encoding='utf-8') as f:
                        config = f.read()
        config = json.loads(config.replace('<64 hex digits>', SECRET))
        if change:
                change(config)
        with open(os.path.join(peer.folder, 'service.json'), 'w', encoding='utf-8') as f:
                json.dump(config, f)
        done = subprocess.run(peer.command('state', 'export'), env={**os.environ, **peer.environment()}, capture_output=True, text=True, timeout=PATIENCE)
        return done.returncode, done.stderr


def configurations_are_taken_or_refused_by_name(bench):
        peer = bench.peer()
        for path in sorted(glob.glob(os.path.join(GOLDEN, 'service', '*.service.json'))):
                with open(path, encoding='utf-8') as f:
                        text = f.read()
                status, words = taken(bench, peer, config=text)
                if '"crdt"' in text:
                        assert status == 78 and 'consensus.crdt is not offered' in words, (path, words)
                        status, words = taken(bench, peer, config=text.replace('"crdt": {', '"raft": {'))
                if '"source"' in text:
                        assert status == 78 and 'source: a configuration from a URL' in words, (path, words)
                else:
                        assert status == 0, (path, words)
        for change, named in ((lambda c: c['api']['restapi'].update(libp2p_listen_multiaddress='/ip4/0.0.0.0/tcp/9099'), 'api.restapi.libp2p_listen_multiaddress'),
                              (lambda c: c['observations']['tracing'].update(enable_tracing=True), 'observations.tracing.enable_tracing'),
                              (lambda c: c['cluster'].update(replication_factor_min=3, replication_factor_max=2), 'cluster.replication_factor_min')):
                status, words = taken(bench, peer, change)
                assert status == 78 and named in words, (named, words)


def settings_without_effect_are_named(bench):
        peer = bench.peer(edit=lambda c: (c.update(frob={'a': {}}), c['cluster'].update(frobnicate=True), c.update(datastore={'pebble': {}})))
        peer.start()
        line = next(l for l in peer.process.text().splitlines() if 'kept, but not used by this program' in l)
        assert all(name in line for name in ('cluster.frobnicate', 'frob', 'datastore.pebble', 'cluster.connection_manager')), line


# ---- the chapter of the README

def chapter():
        """The blocks of commands of the chapter, one text each."""
        with open(os.path.join(SOURCE, 'README.md'), encoding='utf-8') as f:
                text = re.search(r'^## Moving from the Go program\n(.*?)^## ', f.read(), re.M | re.S)[1]
        return [re.sub(r'^    ', '', block, flags=re.M) for block in re.findall(r'(?:^    .*\n)+', text, re.M)]


class Host:
        """A home, in which the commands of the chapter run as they are typed, but for the names of REPLACED."""

        def __init__(self, bench, name):
                self.bench, self.name, self.home = bench, name, os.path.join(bench.folder, name)
                os.makedirs(self.home, exist_ok=True)
                self.cwd, self.replaced, self.process = self.home, {}, None
                programs = os.path.join(bench.folder, 'bin')
                os.makedirs(programs, exist_ok=True)
                for program in (bench.service, CTL):
                        with contextlib.suppress(FileExistsError):
                                os.symlink(program, os.path.join(programs, os.path.basename(program)))
                self.env = {**os.environ, 'HOME': self.home, 'PATH': programs + os.pathsep + os.environ['PATH'], 'TZ': 'UTC'}

        def type(self, commands, status=0):
                """Run a block; what it writes. A daemon goes on by itself."""
                for old, new in self.replaced.items():
                        commands = commands.replace(old, new)
                if re.search(r'^ipfs-cluster-service daemon', commands, re.M):
                        commands, last = re.match(r'(.*?)(^ipfs-cluster-service daemon.*\n)$', commands, re.M | re.S).groups()
                        self.run(commands, status)
                        self.process = Process(self.bench, self.name, ['/bin/bash', '-c', 'exec ' + last], self.env, cwd=self.cwd)
                        return ''
                return self.run(commands, status)

        def run(self, commands, status):
                """As in one terminal: the folder and the environment stay."""
                after = os.path.join(self.bench.folder, self.name + '.after')
                done = subprocess.run(['/bin/bash', '-e', '-c', commands + f'\nenv -0 >{after}'], env=self.env, cwd=self.cwd,
                                      capture_output=True, text=True, timeout=4 * PATIENCE)
                assert done.returncode == status, f'{commands}\n{done.stdout}{done.stderr}'
                with open(after, encoding='utf-8') as f:
                        self.env = dict(pair.split('=', 1) for pair in f.read().split('\0') if pair)
                self.cwd = self.env['PWD']
                return done.stdout + done.stderr


def go_folder(host, kubo, consensus, identity, ids):
        """~/.ipfs-cluster of the Go program: a recorded service.json, with ports that are free here."""
        folder = os.path.join(host.home, '.ipfs-cluster')
        os.makedirs(folder, mode=0o700)
        name = {'raft': 'init-raft', 'crdt': 'init-crdt-pebble'}[consensus]
        with open(os.path.join(GOLDEN, 'service', name + '.service.json'), encoding='utf-8') as f:
                config = json.loads(f.read().replace('<64 hex digits>', SECRET))
        swarm, proxy, rest, pinsvc = free_ports(4)
        config['cluster']['listen_multiaddress'] = [f'/ip4/127.0.0.1/tcp/{swarm}', f'/ip4/127.0.0.1/udp/{swarm}/quic']
        config['cluster']['mdns_interval'] = '0s'
        if consensus == 'raft':
                config['consensus']['raft']['init_peerset'] = ids
        config['api']['restapi']['http_listen_multiaddress'] = f'/ip4/127.0.0.1/tcp/{rest}'
        config['api']['pinsvcapi']['http_listen_multiaddress'] = f'/ip4/127.0.0.1/tcp/{pinsvc}'
        config['api']['ipfsproxy'].update(listen_multiaddress=f'/ip4/127.0.0.1/tcp/{proxy}', node_multiaddress=kubo.multiaddr)
        config['ipfs_connector']['ipfshttp']['node_multiaddress'] = kubo.multiaddr
        for file, text in ('service.json', json.dumps(config, indent=2)), ('identity.json', identity):
                with open(os.path.join(folder, file), 'w', encoding='utf-8') as f:
                        f.write(text)
        return config, swarm, rest


def identity_of_a_peer(bench, name):
        folder = os.path.join(bench.folder, f'{name}.identity')
        subprocess.run([bench.service, '-c', folder, 'init'], check=True, capture_output=True, timeout=PATIENCE)
        with open(os.path.join(folder, 'identity.json'), encoding='utf-8') as f:
                text = f.read()
        return text, json.loads(text)['id']


def until_it_answers(host, port):
        def answers():
                assert host.process.running(), host.process.text()
                with contextlib.suppress(OSError, EOFError):
                        return exchange(port, 'GET', '/health').status == 204
                return False
        eventually(answers, 'the API answers')


def peers_of(port):
        return {line['id'] for line in exchange(port, 'GET', '/peers').lines() if not line['error']}


def follow_the_chapter(bench, consensus, n_hosts):
        if not CTL:
                raise Skip('IPFS_CLUSTER_TEST_CTL does not name the client')
        import_block, aside, start, who, others, add, look = chapter()
        hosts = [Host(bench, f'host{n}') for n in range(n_hosts)]
        identities = [identity_of_a_peer(bench, host.name) for host in hosts]
        ids = [peer_id for _, peer_id in identities]
        # Of what was recorded, each host holds one pin alone.
        body = LIST['body'].splitlines(True)
        for n in range(2):
                body[n] = body[n].replace('12D3KooWReg3WXssJ4JYe8rHEnckW8bN45v6ixbLJLcyn2VpYgrt', ids[n % n_hosts])
        body = ''.join(body)
        original = Original({**LIST, 'body': body})
        config, swarm, port = go_folder(hosts[0], bench.stand_in(), consensus, identities[0][0], ids)

        hosts[0].replaced = {'127.0.0.1:9094': f'127.0.0.1:{original.port}'}
        told = hosts[0].type(import_block)
        assert '10 pins read: 10 would be added, 0 changed, 0 removed, 0 stay as they are' in told and 'successfully imported' in told, told
        original.stop()
        if n_hosts > 1:
                hosts[0].type(aside)
        hosts[0].type(start)
        until_it_answers(hosts[0], port)
        hosts[0].replaced = {'ipfs-cluster-ctl ': f'ipfs-cluster-ctl --host /ip4/127.0.0.1/tcp/{port} ', '127.0.0.1:9094': f'127.0.0.1:{port}'}
        assert f'{swarm}/p2p/{ids[0]}' in hosts[0].type(who)
        for host, (identity, _) in list(zip(hosts, identities))[1:]:
                *_, other_port = go_folder(host, bench.stand_in(), consensus, identity, ids)
                host.replaced = {'/ip4/10.0.0.1/tcp/9096/p2p/12D3KooW…': f'/ip4/127.0.0.1/tcp/{swarm}/p2p/{ids[0]}'}
                host.type(others)
                until_it_answers(host, other_port)
        eventually(lambda: peers_of(port) == set(ids), 'all are peers')
        if n_hosts > 1:
                assert '"imported":10' in hosts[0].type(add)

        eventually(lambda: len(exchange(port, 'GET', '/pins?filter=pinned').lines()) == 10, 'all is pinned')
        assert pins_of(exchange(port, 'GET', '/allocations').body.decode()) == pins_of(body)  # who holds what, too
        told = hosts[0].type(look)
        assert all(cid in told for cid in pins_of(body)) and 'ERROR' not in told, told
        assert exchange(port, 'GET', '/id').json()['peername'] == config['cluster']['peername']
        assert 'service.json: kept, but not used by this program: ' in hosts[0].process.text()
        for host in reversed(hosts):
                assert host.process.stop() == 0, host.process.text()


def as_the_readme_says_from_raft(bench):
        follow_the_chapter(bench, 'raft', 1)


def as_the_readme_says_from_crdt(bench):
        follow_the_chapter(bench, 'crdt', 1)


def as_the_readme_says_with_peers_from_raft(bench):
        follow_the_chapter(bench, 'raft', 3)


def as_the_readme_says_with_peers_from_crdt(bench):
        follow_the_chapter(bench, 'crdt', 2)


def from_the_program_itself(bench, consensus):
        program = os.environ.get('IPFS_CLUSTER_TEST_ORIGINAL')
        if not program:
                raise Skip('IPFS_CLUSTER_TEST_ORIGINAL does not name the Go program')
        import_block, _, start, _, _, _, look = chapter()
        kubo, host = bench.real_kubo(), Host(bench, 'first')
        contents = {f'file{n}': f'moving {n}'.encode() for n in range(20)}
        cids = kubo.add(contents, pin='false')
        swarm, port, proxy, pinsvc = free_ports(4)
        subprocess.run([program, 'init', '--consensus', consensus], env=host.env, check=True, capture_output=True)
        path = os.path.join(host.home, '.ipfs-cluster', 'service.json')
        with open(path, encoding='utf-8') as f:
                config = json.load(f)
        config['cluster'].update(listen_multiaddress=[f'/ip4/127.0.0.1/tcp/{swarm}'], mdns_interval='0s')
        config['api']['restapi']['http_listen_multiaddress'] = f'/ip4/127.0.0.1/tcp/{port}'
        config['api']['pinsvcapi']['http_listen_multiaddress'] = f'/ip4/127.0.0.1/tcp/{pinsvc}'
        config['api']['ipfsproxy'].update(listen_multiaddress=f'/ip4/127.0.0.1/tcp/{proxy}', node_multiaddress=kubo.multiaddr)
        config['ipfs_connector']['ipfshttp']['node_multiaddress'] = kubo.multiaddr
        with open(path, 'w', encoding='utf-8') as f:
                json.dump(config, f, indent=2)
        host.process = Process(bench, 'original', [program, 'daemon'], host.env)
        until_it_answers(host, port)
        for n, cid in enumerate(cids.values()):
                path = f'/pins/{cid}?name=pin{n}&meta-n={n}&replication-min=1&replication-max=1'
                eventually(lambda p=path: exchange(port, 'POST', p).status == 200, 'the Go program knows of room for a pin')
        eventually(lambda: len(exchange(port, 'GET', '/pins?filter=pinned').lines()) == len(cids), 'the Go program has pinned them')
        before = exchange(port, 'GET', '/allocations').lines()
        peer_id = exchange(port, 'GET', '/id').json()['id']

        host.replaced = {'127.0.0.1:9094': f'127.0.0.1:{port}', 'ipfs-cluster-ctl ': f'ipfs-cluster-ctl --host /ip4/127.0.0.1/tcp/{port} '}
        assert f'{len(cids)} pins read: {len(cids)} would be added' in host.type(import_block)
        host.process.stop()
        host.type(start)
        until_it_answers(host, port)
        told = host.type(look)
        assert all(cid in told for cid in cids.values()), told
        assert exchange(port, 'GET', '/id').json()['id'] == peer_id
        assert {p['cid']: p for p in exchange(port, 'GET', '/allocations').lines()} == {p['cid']: p for p in before}
        eventually(lambda: len(exchange(port, 'GET', '/pins?filter=pinned').lines()) == len(cids), 'they are pinned')
        assert host.process.stop() == 0
        print(*(f'# {line}' for line in host.process.text().splitlines()[:2]), sep='\n')


def from_the_program_itself_with_crdt(bench):
        from_the_program_itself(bench, 'crdt')


def from_the_program_itself_with_raft(bench):
        from_the_program_itself(bench, 'raft')


run(imports_what_the_api_tells, takes_an_empty_list_as_one, a_list_that_breaks_off_imports_nothing, tells_a_trailer_that_is_missing,
    gives_credentials, checks_the_certificate, needs_little_memory_for_a_long_list, a_member_that_imports_is_alone_until_others_join_again,
    reads_exports_of_older_releases, configurations_are_taken_or_refused_by_name, settings_without_effect_are_named, as_the_readme_says_from_raft,
    as_the_readme_says_from_crdt, as_the_readme_says_with_peers_from_raft, as_the_readme_says_with_peers_from_crdt, from_the_program_itself_with_crdt, from_the_program_itself_with_raft)
