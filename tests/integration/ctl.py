#!/usr/bin/env python3
"""ipfs-cluster-ctl where no recording tells: refusals, streams that break, terminals, signals."""
import base64
import json
import os
import pty
import resource
import shutil
import signal
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from cluster_test import Skip, eventually, run  # noqa: E402
from scripted_peer import ScriptedPeer  # noqa: E402

PROGRAM = os.environ['IPFS_CLUSTER_TEST_CTL']
CID = 'QmccvEeJ1S95baJ6brLwNCKc6uq89vpVEoUGcEXc5FHhaX'
PEER = '12D3KooWEeA2KYBcMpzQuNExHJRt4bBBmtJ7YYvgv3NnuVFQqkzM'
PIN_REQUEST = {'request': f'POST /pins/ipfs/{CID}?*', 'status': 200, 'body': json.dumps(
        {'cid': CID, 'type': 'pin', 'replication_factor_min': -1, 'replication_factor_max': -1, 'max_depth': -1})}
VERSION = {'request': 'GET /version', 'status': 200, 'body': '{"version":"1.1.6"}\n'}
TIMEOUT = 60
DATA_LIMIT = 12 * 1024 * 1024


def status(word, **more):
        body = {'cid': CID, 'peer_map': {PEER: {'peername': 'b', 'status': word, 'timestamp': '2026-11-22T15:38:07Z'}}}
        return {'request': f'GET /pins/{CID}?local=false', 'status': 200, 'body': json.dumps(body), **more}


def environment(**more):
        return {'TZ': 'UTC', 'DBUS_SYSTEM_BUS_ADDRESS': 'unix:path=/nonexistent', **{k: v for k, v in os.environ.items() if k.endswith('SAN_OPTIONS')}, **more}


def ctl(*words, **options):
        options = {'env': environment(), 'stdin': subprocess.DEVNULL, 'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE,
                   'timeout': TIMEOUT, 'text': True, **options}
        return subprocess.run([PROGRAM, *words], **options)


def ask(exchanges, *words, **options):
        """The finished command, after the peer has seen what it should."""
        peer = ScriptedPeer({'exchanges': exchanges})
        done = ctl('--host', f'/ip4/127.0.0.1/tcp/{peer.port}', *words, **options)
        problems = peer.close()
        assert not problems, problems
        return done


def shows(done, code, out='', err=''):
        assert (done.returncode, done.stdout, done.stderr) == (code, out, err), done


def refuses_with_words(bench):
        for words, said in (
                (['--secret', 'aa', 'id'], '--secret is not offered'),
                (['--timeout', '-1', 'id'], '-1 is no number of seconds'),
                (['--enc', 'xml', 'id'], 'unsupported encoding'),
                (['add', '--wait', 'x'], 'lstat x: no such file or directory'),
                (['--host', f'/ip4/127.0.0.1/tcp/1/p2p/{PEER}', 'id'], 'not offered over libp2p'),
                (['--host', '/ip4/127.0.0.1/udp/1', 'id'], 'no HTTP address'),
        ):
                done = ctl(*words)
                assert done.returncode == 1 and said in done.stderr and not done.stdout, (words, done)
        for words, said in (
                (['id', '--frob'], 'Incorrect Usage: flag provided but not defined: -frob\n'),
                (['status', CID, '--frob'], 'Incorrect Usage: flag provided but not defined: -frob\n'),
                (['pin', '--frob', 'ls'], 'Incorrect Usage. flag provided but not defined: -frob\n'),
                (['pin', 'add', '--wl', 'x', CID], 'Incorrect Usage: invalid value "x" for flag -wl: parse error\n'),
                (['--host'], 'Incorrect Usage. flag needs an argument: -host\n'),
        ):
                done = ctl(*words)
                assert done.returncode == 1 and done.stdout.startswith(said), (words, done)


def help_is_found(bench):
        for words in (['help', 'frob'], ['frob'], ['pin', 'help', 'frob'], ['peers', 'frob']):
                shows(ctl(*words), 3, err="No help topic for 'frob'\n")
        leaf = ctl('pin', 'add', '--help')
        for words in (['pin', 'help', 'add'], ['pin', 'add', '-h'], ['pin', 'add', CID, '--help']):
                shows(ctl(*words), 0, out=leaf.stdout)
        shows(ctl('help'), 0, out=ctl('--help').stdout)
        assert 'ipfs add' in ctl('add', '--help').stdout


def other_roads_to_the_same_peer(bench):
        peer = ScriptedPeer({'exchanges': [VERSION] * 3})
        for host in (f'127.0.0.1:{peer.port}', f'localhost:{peer.port}', f'/ip4/127.0.0.1/tcp/1,/ip4/127.0.0.1/tcp/{peer.port}'):
                shows(ctl('--host', host, 'version'), 0, '1.1.6\n')
        assert not peer.close()


def kept_calls_of_the_first_release(bench):
        item = status('pinned')['body']
        line = f'{CID}:\n    > b                    : PINNED | 2026-11-22T15:38:07Z | Attempts: 0 | Priority: false\n'
        shows(ask([{'request': 'POST /pins/sync', 'status': 200, 'body': f'[{item},{item}]\n'}], 'sync'), 0, line * 2)
        shows(ask([{'request': f'POST /pins/{CID}/sync', 'status': 200, 'body': item}], 'sync', CID), 0, line)
        body = json.dumps({'id': PEER, 'error': 'none yet'})
        done = ask([{'request': 'POST /peers', 'status': 200, 'body': body}], 'peers', 'add', f'/ip4/1.2.3.4/tcp/9096/ipfs/{PEER}')
        shows(done, 0, f'{PEER} | ERROR: none yet\n')


def broken_stream_shows_what_came(bench):
        item = json.dumps({'id': PEER, 'error': 'x'}) + '\n'
        broken = {'request': 'GET /peers', 'status': 200, 'body': item, 'trailer': 'it broke'}
        shows(ask([broken], 'peers', 'ls'), 2, f'{PEER} | ERROR: x\nAn error occurred:\n  Code: 500\n  Message: it broke\n')
        done = ask([broken], '--enc=json', 'peers', 'ls')
        assert done.returncode == 2 and done.stdout.endswith('}\n{\n    "code": 500,\n    "message": "it broke"\n}\n'), done


def a_long_list_takes_no_memory(bench):
        with open(PROGRAM, 'rb') as f:
                if b'__asan_init' in f.read():
                        raise Skip('a sanitizer takes more than the limit')
        items = 60000
        body = ''.join(json.dumps({'id': PEER, 'error': f'{i} ' + 'x' * 400}) + '\n' for i in range(items))
        assert len(body) > 2 * DATA_LIMIT
        done = ask([{'request': 'GET /peers', 'status': 200, 'body': body}], 'peers', 'ls',
                   preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (DATA_LIMIT, DATA_LIMIT)))
        assert done.returncode == 0 and done.stdout.count('\n') == items, (done.returncode, done.stderr)


def credentials(bench):
        wanted = [{**VERSION, 'authorization': 'alice:a:b'}]
        shows(ask(wanted, '-f', '--basic-auth', 'alice:a:b', 'version'), 0, '1.1.6\n')
        shows(ask(wanted, '-f', 'version', env=environment(CLUSTER_CREDENTIALS='alice:a:b')), 0, '1.1.6\n')
        done = ask(wanted, '-f', '-d', '--basic-auth', 'alice:a:b', 'version')
        assert 'GET: http' in done.stderr and base64.b64encode(b'alice:a:b').decode() not in done.stderr, done


def certificate(bench):
        """A PEM file with a self-signed certificate for localhost and its key."""
        if not shutil.which('openssl'):
                raise Skip('no openssl to make a certificate')
        key, path = os.path.join(bench.folder, 'key.pem'), os.path.join(bench.folder, 'peer.pem')
        subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days',
                        '1', '-subj', '/CN=localhost', '-keyout', key, '-out', path], check=True, capture_output=True)
        with open(path, 'a', encoding='ascii') as f, open(key, encoding='ascii') as g:
                f.write(g.read())
        return path


def https(bench):
        peer = ScriptedPeer({'exchanges': [{**VERSION, 'authorization': 'al:pw'}, VERSION, VERSION], 'tls': certificate(bench)})
        host = ['--no-check-certificate', '--host', f'/dns4/localhost/tcp/{peer.port}']
        shows(ctl(*host, '--basic-auth', 'al:pw', 'version'), 0, '1.1.6\n')
        shows(ctl(*host, '--https', 'version'), 0, '1.1.6\n')
        shows(ctl(*host[:-1], host[-1] + '/https', 'version'), 0, '1.1.6\n')
        done = ctl(*host[1:], '--https', 'version')
        assert done.returncode == 1 and 'tls: failed to verify certificate' in done.stdout, done
        assert not peer.close()


def a_silent_peer_is_left(bench):
        with socket.create_server(('127.0.0.1', 0)) as silent:
                port = silent.getsockname()[1]
                done = ctl('--host', f'127.0.0.1:{port}', '--timeout', '1', 'id')
        error = f'An error occurred:\n  Code: 0\n  Message: Get "http://127.0.0.1:{port}/id": context deadline exceeded\n'
        shows(done, 1, error)


def unwritable_output_is_an_error(bench):
        with open('/dev/full', 'w', encoding='ascii') as full:
                done = ctl('--version', stdout=full)
        assert done.returncode == 1 and 'error writing output' in done.stderr, done


def on_a_terminal(exchanges, *words):
        """(exit status, what the terminal was sent as stderr)."""
        peer = ScriptedPeer({'exchanges': exchanges})
        ours, theirs = pty.openpty()
        done = ctl('--host', f'127.0.0.1:{peer.port}', *words, stderr=theirs)
        os.close(theirs)
        shown = b''
        try:
                while data := os.read(ours, 4096):
                        shown += data
        except OSError:  # the other side is closed
                pass
        os.close(ours)
        assert not peer.close()
        return done.returncode, shown.decode()


def waiting_shows_progress_on_a_terminal_only(bench):
        exchanges = [PIN_REQUEST, status('pinning'), status('pinned')]
        code, shown = on_a_terminal(exchanges, 'pin', 'add', '--wait', CID)
        assert code == 0 and '\x1b[Kpinned on 0 of 1 peers, 1 s' in shown and shown.endswith('\r\x1b[K'), repr(shown)
        assert ask(exchanges, 'pin', 'add', '--wait', CID).stderr == ''


def a_signal_ends_the_wait(bench):
        peer = ScriptedPeer({'exchanges': [PIN_REQUEST, status('pinning', repeat=True)]})
        process = subprocess.Popen([PROGRAM, '--host', f'127.0.0.1:{peer.port}', 'pin', 'add', '-w', CID], env=environment(),
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        eventually(lambda: len(peer.happened) == 2, 'the status was asked for')
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=TIMEOUT)
        assert (process.returncode, out, err) == (125, '', 'error waiting for pin status: context canceled\n'), (out, err)
        peer.close()


run(refuses_with_words, help_is_found, other_roads_to_the_same_peer, kept_calls_of_the_first_release,
    broken_stream_shows_what_came, a_long_list_takes_no_memory, credentials, https, a_silent_peer_is_left, unwritable_output_is_an_error,
    waiting_shows_progress_on_a_terminal_only, a_signal_ends_the_wait)
