#!/usr/bin/env python3
"""Every recorded exchange of the REST API that belongs here is replayed against a running peer and a Kubo (a real one
where there is one, else the stand-in) and has to come back equal: tests/lib/golden.py says how, tests/golden/DIFFERENCES
what is left out or answered otherwise, file by file.

Four replays, each on a fresh peer, in the order of the numbers, since each request finds what the earlier ones left:
  rest-crdt            the values as they are stored
  rest, 001 to 299     a raft peer: routes, methods, CORS; what the recorded program stored there held left-overs of
                       earlier pins (see DIFFERENCES), so that stored values are those of rest-crdt
  rest, 300 to 351     with credentials, tokens, a header of the configuration, and another time zone
  rest, 600 to 641     with Kubo down, and up again
What was recorded of POST /add takes a real Kubo: tests/kubo/add-golden.py.
Some recordings are not there (every fifth number); what they changed is done by BEFORE.
"""
import itertools
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import golden  # noqa: E402
from cluster_test import Response, eventually, exchange, run  # noqa: E402
from ipfs_content import Store  # noqa: E402

HELLO = 'QmccvEeJ1S95baJ6brLwNCKc6uq89vpVEoUGcEXc5FHhaX'
FOLDER = 'QmRts8w5U2zCFTDSf4PHzP5sJEkwbHKUS7c9jD95f8DG6a'
MIDDLE = 'QmPi7Vd62ugDxr7LKRotUxsxb1EMnf5Kn77brWuZ18XeZb'
# CIDs that no Kubo here has: pinning them does not end.
NOWHERE = ('QmP63DkAFEnDYNjDYBpyNDfttu1fvUw99x1brscPzpqmmq', 'bafybeiguqxqqn5otkpouzawrdqt2pk3wtvhxbm4kbzd5iekxnhrnnquoma',
           'bafkreidon73zkcrwdb5iafqtijxildoonbwnpv7dyd6ef3qdgads2jc4su')
ITEMS = 8
UNDER_WAY = '/pins?local=true&filter=pinning,pin_queued,unpinning,unpin_queued'
RAFT_LEFTOVERS = 'name metadata origins shard_size expire_at max_depth mode replication_factor_min replication_factor_max allocations'


def item(n):
        return str(Store().file(b'golden item %d\n' % n, 1))


# What the recordings that are not there did, before the one with this number.
BEFORE = {
        30: [('POST', f'/pins/{HELLO}')],
        45: [('POST', f'/pins/ipfs/{FOLDER}/a.txt?name=bypath')],
        50: [('POST', f'/pins/{item(5)}')],
        60: [('POST', f'/pins/ipfs/{MIDDLE}?mode=direct')],
        150: [('POST', f'/pins/ipfs/{item(6)}?replication-min=x')],
        170: [('kubo pin/rm', item(5)), ('POST', f'/pins/{item(5)}/sync')],
        172: [('kubo pin/rm', item(5)), ('POST', f'/pins/{item(5)}/sync')],
}
# The options are tried on one item, which is unpinned after each; a question whether it was pinned comes first.
OPTIONS = range(120, 154)


class Replay:
        def __init__(self, bench, group, table, env=None, **restapi):
                self.table = table
                self.kubo = bench.kubo()
                self.fill()
                self.recordings = golden.recordings(group)
                first = self.recordings[0].raw['response']['body']

                def edit(config):
                        config['cluster'].update(peername=golden.parsed(first, 'application/json')[0]['peername'])
                        config['api']['restapi'].update(restapi)

                self.peer = bench.peer(self.kubo, edit=edit, env=env)
                self.pairs = self.substitutions(golden.parsed(first, 'application/json')[0])
                self.peer.start()
                self.complaints = []

        def fill(self):
                self.kubo.add({'hello.txt': b'hello cluster\n'}, pin='false')
                tree = {'dir': None, 'dir/a.txt': b'file a\n', 'dir/b.txt': b'file b\n', 'dir/sub': None, 'dir/sub/c.txt': b'file c\n'}
                assert self.kubo.add(tree, pin='false')['dir'] == FOLDER
                import random
                assert self.kubo.add({'mid.bin': random.Random(1).randbytes(700000)}, pin='false')['mid.bin'] == MIDDLE
                for n in range(1, ITEMS + 1):
                        cid = self.kubo.add({f'{n}': b'golden item %d\n' % n}, pin='false', **{'cid-version': '1', 'raw-leaves': 'true'})
                        assert list(cid.values()) == [item(n)]

        def substitutions(self, recorded):
                """The recorded peer's identity and ports, from its own answer to GET /id, and ours."""
                port = recorded['addresses'][0].split('/')[4]
                swarm = recorded['ipfs']['addresses'][0].split('/')[4]
                mine = self.kubo.call('id').json()['Addresses'][0].split('/')[4]
                return [(recorded['id'], self.peer.peer_id), (recorded['ipfs']['id'], self.kubo.peer_id),
                        (f'/tcp/{port}/', f'/tcp/{self.peer.peer_port}/'), (f'/tcp/{swarm}/', f'/tcp/{mine}/'),
                        (f'127.0.0.1:{int(port) - 2}', f'127.0.0.1:{self.peer.port}'),
                        (f'127.0.0.1:{int(swarm) - 1}', f'127.0.0.1:{self.kubo.port}')]

        def settle(self):
                """What the recorder waited for: no pin under way, but for those that cannot end."""
                def settled():
                        waiting = {l['cid']: l['peer_map'][self.peer.peer_id]['status'] for l in self.peer.get(UNDER_WAY).lines()}
                        return all(c in NOWHERE and s == 'pinning' for c, s in waiting.items())
                eventually(settled, 'pins settle')

        def prepare(self, number):
                for kind, what in BEFORE.get(number, []):
                        if kind.startswith('kubo '):
                                self.kubo.call(kind[5:], arg=what)
                        else:
                                self.peer.request(kind, what)
                if number in BEFORE:
                        self.settle()

        def send(self, request):
                version, path, method = request.get('version', 'HTTP/1.1'), request['path'], request['method']
                raw = None
                if version != 'HTTP/1.1':
                        raw = f'{method} {path} {version}\r\nHost: 127.0.0.1\r\n\r\n'.encode()
                return exchange(self.peer.port, method, path, request.get('headers', {}), request.get('body', ''), raw=raw)

        def one(self, recording, after):
                rules = golden.differences_of(recording.name, self.table)
                self.prepare(recording.number)
                if any(r.action == 'left-out' for r in rules):
                        return
                request, response = recording.substituted(self.pairs)
                try:
                        got = self.send(request)
                except (OSError, EOFError) as e:
                        self.complaints.append(f'{recording.name}: no answer: {e!r}')
                        return
                if not any(r.action == 'sent' for r in rules):
                        self.complaints += [f'{recording.name}: {c}' for c in golden.compare(response, got, rules)]
                if request['method'] in ('POST', 'DELETE'):
                        self.settle()
                if recording.number in OPTIONS and not (after and after.number == recording.number + 1 and 'was-it-pinned' in after.name):
                        self.peer.delete(f'/pins/{item(6)}')
                        self.settle()

        def all(self, low, high):
                chosen = [r for r in self.recordings if low <= r.number <= high and r.raw.get('request')]
                for recording, after in itertools.zip_longest(chosen, chosen[1:]):
                        self.one(recording, after)
                return len(chosen)

        def finish(self):
                assert not self.complaints, f'{len(self.complaints)} differences:\n' + '\n'.join(self.complaints)


def rest_crdt(bench):
        replay = Replay(bench, 'rest-crdt', golden.differences())
        replay.all(1, 299)
        replay.finish()


def rest_raft(bench):
        table = golden.differences()
        table.append(golden.Difference('rest/*', 'mask-pins', RAFT_LEFTOVERS, 'left-overs of earlier pins'))
        replay = Replay(bench, 'rest', table)
        replay.all(1, 298)
        replay.finish()


def rest_auth(bench):
        table = golden.differences()
        replay = Replay(bench, 'rest', table, {'CLUSTER_RESTAPI_BASICAUTHCREDENTIALS': 'alice:secret1,bob:pw2', 'TZ': 'Europe/Berlin'},
                        headers={'X-Custom': ['yes']})
        replay.settle = lambda: None
        replay.all(300, 347)
        alice = {'Authorization': 'Basic YWxpY2U6c2VjcmV0MQ=='}
        assert replay.peer.post(f'/pins/{HELLO}?expire-at=2030-06-01T00:00:00Z', headers=alice).status == 200
        eventually(lambda: '"pinned"' in replay.peer.get(f'/pins/{HELLO}', headers=alice).body.decode(), 'it is pinned')
        replay.all(349, 351)
        replay.finish()


def method_matrix(bench):
        """Each method on each path; answers by the status alone."""
        matrix = next(r for r in golden.recordings('rest') if r.number == 299)
        rules = golden.differences_of(matrix.name, golden.differences())
        cells = {tuple(r.arguments.split()[:2]): int(r.arguments.split()[2]) for r in rules if r.action == 'cell'}
        peer = bench.peer(bench.kubo()).start()
        complaints = []
        for path, methods in matrix.raw['matrix'].items():
                for method, status in methods.items():
                        wanted = cells.get((path, method), status)
                        if isinstance(wanted, int):
                                got = peer.request(method, path).status
                                if got != wanted:
                                        complaints.append(f'{method} {path}: {got}, recorded {status}')
        assert not complaints, '\n'.join(complaints)


def rest_kubo_down(bench):
        replay = Replay(bench, 'rest', golden.differences())
        for n in (1, 2):
                replay.peer.pin(item(n))
        replay.kubo.process.kill()
        BEFORE[618] = [('POST', f'/pins/{item(3)}')]
        try:
                replay.settle = lambda: None
                replay.all(600, 636)
                replay.kubo.start()
                replay.peer.until(item(3), 'pinned')
                replay.all(637, 641)
        finally:
                del BEFORE[618]
        replay.finish()


def every_difference_is_one(bench):
        """A rule that no recording meets is out of date."""
        table = golden.differences()
        names = [r.name for g in ('rest', 'rest-crdt') for r in golden.recordings(g)]
        for name in names:
                golden.differences_of(name, table)
        unused = [d.pattern for d in table if not d.used and d.pattern.startswith(('rest/', 'rest-crdt/'))]
        assert not unused, f'no such recording: {unused}'


def played_back(recording):
        """The recorded response as if it had just come in."""
        recorded, response = recording.raw['response'], Response(b'')
        response.status, response.reason = recorded['status'], recorded['reason']
        response.headers = [(k, v) for k, vs in recorded['headers'].items() for v in (vs if isinstance(vs, list) else [vs])]
        response.framing, response.trailers = recorded['framing'], recorded.get('trailers') or {}
        response.body = recorded.get('body', '').encode()
        return response


def recordings_of_exchanges():
        return [r for g in ('rest', 'rest-crdt') for r in golden.recordings(g)
                if r.raw.get('response') and r.raw['response']['status'] and not r.raw['response'].get('body_truncated')]


def a_recording_equals_itself(bench):
        for recording in recordings_of_exchanges():
                complaints = list(golden.compare(recording.raw['response'], played_back(recording), []))
                assert not complaints, f'{recording.name}: {complaints}'


def a_changed_answer_is_found(bench):
        def change_status(r):
                r.status += 1

        def change_type(r):
                r.headers = [(k, 'text/plain' if k == 'Content-Type' else v) for k, v in r.headers] + [('Vary', 'X')]

        def change_framing(r):
                r.framing = 'else'

        def change_trailers(r):
                r.trailers = {**r.trailers, 'X-Stream-Error': 'something'}

        def change_body(r):
                r.body = r.body.replace(b'"cid":"', b'"cid":"x').replace(b'"code":4', b'"code":5').replace(b'"version":"', b'"version":"0')

        def add_key(r):
                r.body = r.body.replace(b'{"', b'{"new":1,"', 1)

        for change in (change_status, change_type, change_framing, change_trailers, change_body, add_key):
                found = 0
                for recording in recordings_of_exchanges():
                        got = played_back(recording)
                        before = (got.status, got.headers, got.framing, dict(got.trailers), got.body)
                        change(got)
                        if (got.status, got.headers, got.framing, dict(got.trailers), got.body) != before:
                                found += 1
                                assert list(golden.compare(recording.raw['response'], got, [])), f'{recording.name}: {change.__name__}'
                assert found > 50, change.__name__


if __name__ == '__main__':
        run(a_recording_equals_itself, a_changed_answer_is_found, every_difference_is_one, rest_crdt, rest_raft, rest_auth, method_matrix,
            rest_kubo_down)
