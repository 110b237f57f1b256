#!/usr/bin/env python3
"""What was recorded of the IPFS proxy is sent again and has to come back equal: tests/lib/golden.py says how,
tests/golden/DIFFERENCES what is answered otherwise. It takes a real Kubo, of which most answers are."""
import base64
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import golden  # noqa: E402
from cluster_test import eventually, exchange, run  # noqa: E402
from ipfs_content import Cid  # noqa: E402

ITEMS = 30
KUBO_DOWN, CORS = range(133, 144), range(145, 149)
NEVER = {'QmP63DkAFEnDYNjDYBpyNDfttu1fvUw99x1brscPzpqmmq', 'bafybeifiwgot4lb4rujwb6idmv4powlal2bxi3hxyergrwggbv5y5wtcsa'}  # pinned
MIDDLE_HEAD = ('--BOUNDARYgolden\r\nContent-Disposition: form-data; name="file"; filename="mid.bin"\r\n'
               'Content-Type: application/octet-stream\r\n\r\n').encode()




def middle():
        return MIDDLE_HEAD + random.Random(1).randbytes(700000) + b'\r\n--BOUNDARYgolden--\r\n'


def fill(kubo):
        """The content that the recordings name."""
        kubo.add({'hello.txt': b'hello cluster\n'}, pin='false')
        tree = {'dir': None, 'dir/a.txt': b'file a\n', 'dir/b.txt': b'file b\n', 'dir/sub': None, 'dir/sub/c.txt': b'file c\n'}
        kubo.add(tree, pin='false')
        for n in range(1, ITEMS + 1):
                for text in (b'golden item %d\n', b'c item %d\n'):
                        kubo.add({f'{n}': text % n}, pin='false', **{'cid-version': '1', 'raw-leaves': 'true'})


def body_of(recording):
        request = recording.raw['request']
        if 'body_base64' in request:
                return base64.b64decode(request['body_base64'])
        if 'body_omitted' in request:
                body = middle()
                assert request['body_omitted'].startswith(f'{len(body)} bytes'), (recording.name, request['body_omitted'], len(body))
                return body
        return request.get('body', '').encode()


class Replay:
        def __init__(self, bench):
                self.kubo = bench.real_kubo()
                fill(self.kubo)
                self.peer = bench.peer(self.kubo, proxy={}).start()
                self.table, self.complaints = golden.differences(), []
                me = self.kubo.call('id').json()
                recorded = next(r for r in golden.recordings('proxy') if r.number == 101).raw['response']['body']
                them = golden.parsed(recorded, 'application/json')[0]
                self.pairs = [(them['ID'], me['ID']), (them['PublicKey'], me['PublicKey']), ('127.0.0.1/tcp/20001', f'127.0.0.1/tcp/{self.kubo.swarm_port}'),
                              ('127.0.0.1:20000', f'127.0.0.1:{self.kubo.port}')]

        def break_kubo(self):
                """What the recorder's Kubo had pinned: a block that is not what its CID says."""
                block = next(r for r in golden.recordings('proxy') if r.number == 91).raw['request']
                answer = self.kubo.call('block/put', block['body'].encode(), block['headers'], **{'cid-codec': 'dag-pb', 'pin': 'true'})
                assert answer.status == 200, answer

        def settle(self):
                def settled():
                        waiting = {l['cid'] for l in self.peer.get('/pins?filter=queued,pinning,unpinning').lines()}
                        return waiting <= NEVER
                eventually(settled, 'pins settle')

        def send(self, request, body):
                version, method, path = request.get('version', 'HTTP/1.1'), request['method'], request['path']
                raw = f'{method} {path} {version}\r\nHost: 127.0.0.1\r\n\r\n'.encode() if version != 'HTTP/1.1' else None
                return exchange(self.peer.proxy_port, method, path, request.get('headers', {}), body, raw=raw)

        def one(self, recording):
                rules = golden.differences_of(recording.name, self.table)
                if recording.number == 83:
                        self.break_kubo()
                if any(r.action == 'left-out' for r in rules):
                        return
                request, response = recording.substituted(self.pairs)
                try:
                        got = self.send(request, body_of(recording))
                except (OSError, EOFError) as e:
                        self.complaints.append(f'{recording.name}: no answer: {e!r}')
                        return
                if any(r.action == 'as-post' for r in rules):
                        if got.status != 405:
                                self.complaints.append(f'{recording.name}: {got.status}, and not 405')
                        got = self.send({**request, 'method': 'POST'}, body_of(recording))
                if not any(r.action == 'sent' for r in rules):
                        self.complaints += [f'{recording.name}: {c}' for c in golden.compare(response, got, rules)]
                if recording.number not in KUBO_DOWN:
                        self.settle()

        def all(self, numbers):
                for recording in golden.recordings('proxy'):
                        if recording.number in numbers:
                                self.one(recording)

        def finish(self):
                assert not self.complaints, f'{len(self.complaints)} differences:\n' + '\n'.join(self.complaints)


def proxy_is_as_recorded(bench):
        replay = Replay(bench)
        replay.all(range(1, 133))
        replay.kubo.kill()
        replay.all(KUBO_DOWN)
        replay.finish()


def cors_is_as_recorded(bench):
        replay = Replay(bench)
        replay.kubo.stop()
        replay.kubo.run('config', '--json', 'API.HTTPHeaders', '{"Access-Control-Allow-Origin":["http://ok.example"],'
                        '"Access-Control-Allow-Credentials":["true"],"X-Extra":["e"]}')
        replay.kubo.start()
        replay.all(CORS)
        replay.finish()


def every_difference_is_one(bench):
        """A rule that no recording meets is out of date."""
        table = golden.differences()
        for recording in golden.recordings('proxy'):
                golden.differences_of(recording.name, table)
        unused = [d.pattern for d in table if not d.used and d.pattern.startswith('proxy/')]
        assert not unused, f'no such recording: {unused}'


run(every_difference_is_one, proxy_is_as_recorded, cors_is_as_recorded)
