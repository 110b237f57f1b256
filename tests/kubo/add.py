#!/usr/bin/env python3
"""Content added through the cluster has the CIDs that `ipfs add` gives it, whatever its shape and the options, and is
pinned when all of it came, and only then."""
import os
import random
import select
import shutil
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from cluster_test import Reader, connect, eventually, multipart, read_response, run  # noqa: E402
from ipfs_content import CHUNK  # noqa: E402

CTL = os.environ['IPFS_CLUSTER_TEST_CTL']
LARGE = 300 * 1000 * 1000
OPTIONS = (
        [], ['--cid-version=1'], ['--raw-leaves'], ['--chunker=size-100000'], ['--chunker=rabin-16384-32768-65536'], ['--chunker=buzhash'],
        ['--hash=sha3-256', '--cid-version=1'], ['--hash=blake2b-256', '--cid-version=1'],
)


def data(n):
        return random.Random(n).randbytes(n)


def write(folder, files):
        for path, content in files.items():
                path = os.path.join(folder, path)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                if content is None:
                        os.makedirs(path)
                else:
                        with open(path, 'wb') as f:
                                f.write(content)


def ctl(peer, *words, status=0, **options):
        done = subprocess.run([CTL, '--host', f'/ip4/127.0.0.1/tcp/{peer.port}', 'add', *words], capture_output=True, text=True,
                              timeout=120, stdin=options.pop('stdin', subprocess.DEVNULL), **options)
        assert done.returncode == status, done
        return done.stdout


def same(kubo, peer, folder, name, *options):
        """What `ipfs add` says, and the cluster too: (CID, name) of everything; it is pinned. IPFS_PATH's daemon is asked by both."""
        trickle = [o.replace('--trickle', '--layout=trickle') for o in options]
        direct = kubo.run('--api', kubo.multiaddr, 'add', '-r', '--pin=false', '--progress=false', *options, os.path.join(folder, name))
        ours = ctl(peer, '-r', *trickle, name, cwd=folder)
        assert ours == direct, f'{name} {options}: {ours[:2000]} instead of {direct[:2000]}'
        root = ours.splitlines()[-1].split()[1]
        assert peer.ok('GET', f'/allocations/{root}')['cid'] == root
        return root


def shapes_of_files(bench):
        kubo = bench.real_kubo()
        peer = bench.peer(kubo).start()
        folder = os.path.join(bench.folder, 'content')
        sizes = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 174 * CHUNK, 174 * CHUNK + 1]
        write(folder, {f'{n}': data(n) for n in sizes})
        for n in sizes:
                same(kubo, peer, folder, f'{n}')
        for options in OPTIONS[1:]:
                same(kubo, peer, folder, f'{2 * CHUNK}', *options)
        same(kubo, peer, folder, f'{174 * CHUNK + 1}', '--trickle', '--chunker=size-4096')


def shapes_of_folders(bench):
        kubo = bench.real_kubo()
        peer = bench.peer(kubo).start()
        folder = os.path.join(bench.folder, 'content')
        write(folder, {f'many/{n:04}': b'file %d\n' % n for n in range(2000)})
        write(folder, {'deep/' + '/'.join(f'level{n}' for n in range(60)) + '/file': b'deep\n'})
        write(folder, {'mixed/empty': None, 'mixed/a file&"%+.txt': b'named\n', 'mixed/\u00e4\u4e16': b'in other letters\n', 'mixed/.hid': b'hidden\n',
                       'mixed/sub/empty': b'', 'mixed/sub/large': data(3 * CHUNK)})
        os.symlink('sub/large', os.path.join(folder, 'mixed/link'))
        os.symlink('/nowhere', os.path.join(folder, 'mixed/broken'))
        # So many long names that the folder is a sharded one (HAMT).
        write(folder, {f'big/{n:05}-{"x" * 200}': b'' for n in range(1500)})
        for name in ('many', 'deep', 'mixed', 'big'):
                same(kubo, peer, folder, name)
                same(kubo, peer, folder, name, '--cid-version=1')
        same(kubo, peer, folder, 'mixed', '--hidden')
        same(kubo, peer, folder, 'mixed', '--wrap-with-directory')
        same(kubo, peer, folder, 'mixed/link')
        peer.until(same(kubo, peer, folder, 'mixed'), 'pinned')


def a_large_file(bench):
        kubo = bench.real_kubo()
        peer = bench.peer(kubo).start()
        folder = os.path.join(bench.folder, 'content')
        write(folder, {'large': b''.join(data(1000000 + n) for n in range(LARGE // 1000000))})
        root = same(kubo, peer, folder, 'large')
        peer.until(root, 'pinned')
        with open(f'/proc/{peer.process.popen.pid}/status', encoding='ascii') as f:
                used = next(int(l.split()[1]) for l in f if l.startswith('VmHWM'))
        assert used < 100000 or 'san' in str(os.environ.keys()).lower(), f'{used} kB'
        with open(os.path.join(folder, 'large'), 'rb') as f:
                assert ctl(peer, '-Q', '-', stdin=f) == root + '\n'
        shutil.rmtree(folder)


def a_car(bench):
        """What was exported is imported as it is; a file's size is told."""
        kubo = bench.real_kubo()
        peer = bench.peer(kubo).start()
        folder = os.path.join(bench.folder, 'content')
        content = data(5 * CHUNK + 7)
        write(folder, {'d/file': content, 'd/other': b'x'})
        for name in ('d', 'd/file'):
                root = ctl(peer, '-r', '-Q', '--no-pin', name, cwd=folder).strip()
                car = os.path.join(folder, 'x.car')
                exported = kubo.call('dag/export', arg=root)
                write(folder, {'x.car': exported.body})
                headers, body = multipart({'x.car': exported.body})
                kubo.call('repo/gc')
                line, = peer.post('/add?format=car&name=from%20car', headers=headers, body=body).lines()
                assert line['cid'] == root and line['name'] == 'x.car' and line['bytes'] > len(content), line
                assert line.get('size') == (len(content) if name == 'd/file' else None), line
                assert peer.ok('GET', f'/allocations/{root}')['name'] == 'from car'
                peer.until(root, 'pinned')
                assert ctl(peer, '--format', 'car', '-Q', car) == root + '\n'
                assert kubo.pin_type(root) == 'recursive'
                peer.ok('DELETE', f'/pins/{root}')
                peer.until(root, 'unpinned')


def lines_come_while_the_upload_goes_on(bench):
        """Files are told when they are added: before the request has ended."""
        kubo = bench.real_kubo()
        peer = bench.peer(kubo).start()
        headers, body = multipart({f'{n}': data(2 * CHUNK + n) for n in range(30)})
        with connect(peer.port) as connection:
                head = f'POST /add HTTP/1.1\r\nHost: x\r\nContent-Type: {headers["Content-Type"]}\r\nContent-Length: {len(body)}\r\n\r\n'
                connection.sendall(head.encode() + body[:len(body) // 2])
                reader = Reader(connection, 30)
                assert b'"name":"0"' in reader.until(b'"name":"5"'), reader.seen
                connection.sendall(body[len(body) // 2:])
                assert b'"name":"28"' in reader.until(b'0\r\n\r\n')
        assert len(peer.get('/allocations').lines()) == 30


def a_client_that_goes_pins_nothing(bench):
        kubo = bench.real_kubo()
        peer = bench.peer(kubo).start()
        folder = os.path.join(bench.folder, 'content')
        write(folder, {f'd/{n}': data(10 * CHUNK + n) for n in range(20)})

        # Killed while it sends: its standard input has no end.
        process = subprocess.Popen([CTL, '--host', f'/ip4/127.0.0.1/tcp/{peer.port}', 'add', '-r', 'd', '-'], cwd=folder,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        process.stdout.readline()
        process.kill()
        process.wait()
        process.stdout.close()
        process.stdin.close()

        # Half of a request, and an end of sending, a reset, or silence.
        headers, body = multipart({f'{n}': data(3 * CHUNK + n) for n in range(20)})
        head = f'POST /add HTTP/1.1\r\nHost: x\r\nContent-Type: {headers["Content-Type"]}\r\nContent-Length: {len(body)}\r\n\r\n'
        for end in ('close', 'shutdown', 'reset'):
                connection = connect(peer.port)
                connection.sendall(head.encode() + body[:-100])
                if end == 'shutdown':
                        connection.shutdown(socket.SHUT_WR)
                        with_reset = connection.recv(1)
                        assert with_reset in (b'H', b''), with_reset
                elif end == 'reset':
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\1\0\0\0\0\0\0\0')
                connection.close()

        # A form that ends too soon, in a request that is whole.
        cut = peer.post('/add', headers=headers, body=body[:-4])
        assert cut.status == 200 and cut.trailers == {'X-Stream-Error': 'multipart: NextPart: EOF'}, cut
        eventually(lambda: peer.get('/allocations').status == 204, 'nothing is pinned')
        time.sleep(0.5)
        assert peer.get('/allocations').status == 204 and peer.get('/pins').status == 204


def post(peer, path, headers, body):
        """As a client that reads the answer while it sends, and sends no more when it is complete."""
        with connect(peer.port) as connection:
                head = f'POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {headers["Content-Type"]}\r\nContent-Length: {len(body)}\r\n\r\n'
                left, reader = memoryview(head.encode() + body), Reader(connection, 30)
                while left and b'\r\n0\r\n' not in reader.buffer and not reader.buffer.endswith(b'}\n'):
                        readable, writable, _ = select.select([connection], [connection], [], 30)
                        if readable and not reader.fill():
                                break
                        if writable:
                                try:
                                        left = left[connection.send(left[:65536]):]
                                except BrokenPipeError:
                                        break
                return read_response(reader, 'POST')


def kubo_that_fails_or_goes(bench):
        """An error in the middle comes with its words, and the upload is given up."""
        kubo = bench.real_kubo()
        peer = bench.peer(kubo).start()
        headers, body = multipart({'large': data(40 * 1000 * 1000)})
        for query, words in (('chunker=zz', 'unrecognized chunker option: zz'), ('nocopy=true&raw-leaves=true', 'filestore'), ('chunker=size-99999999', 'chunker')):
                refused = post(peer, f'/add?{query}', headers, body)
                assert refused.status == 200 and words in refused.trailers['X-Stream-Error'], refused
                refused = post(peer, f'/add?stream-channels=false&{query}', headers, body)
                assert refused.status == 500 and words in refused.json()['message'], refused

        with connect(peer.port) as connection:
                head = f'POST /add HTTP/1.1\r\nHost: x\r\nContent-Type: {headers["Content-Type"]}\r\nContent-Length: {len(body)}\r\n\r\n'
                connection.sendall(head.encode() + body[:20 * 1000 * 1000])
                kubo.kill()
                reader = Reader(connection, 30)
                answer = read_response(reader, 'POST')
        assert answer.status == 200 and 'IPFS request failed (add)' in answer.trailers['X-Stream-Error'], answer
        kubo.start()
        assert peer.get('/allocations').status == 204
        assert ctl(peer, '-Q', '-').startswith('Qm')


run(shapes_of_files, shapes_of_folders, a_large_file, a_car, lines_come_while_the_upload_goes_on, a_client_that_goes_pins_nothing,
    kubo_that_fails_or_goes)
