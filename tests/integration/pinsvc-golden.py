#!/usr/bin/env python3
"""Every recorded exchange of the Pinning Service API is replayed against a running peer and has to come back equal:
tests/lib/golden.py says how, tests/golden/DIFFERENCES what is answered otherwise on purpose, file by file.

The recorded program takes the CID for the id of a request; ids are words without a meaning, so that those that are
answered here stand in for it: in what is asked, and, the other way round, in what is told. Results that the recorded
program told in no order are compared without one.
"""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import golden  # noqa: E402
from cluster_test import eventually, run  # noqa: E402

NOWHERE = 'QmP63DkAFEnDYNjDYBpyNDfttu1fvUw99x1brscPzpqmmq'  # no Kubo here has it
# What a recording that is not there did, before the one with this number.
BEFORE = {43: ('POST', '/pins', {'cid': 'bafkreif4jwfbjye4egybg2r5qbomucba6u4s5ziht4xn6ovgi42jlg5smi', 'name': 'n' * 255})}


def sorted_results(body):
        """BODY, with its results by CID."""
        try:
                told = json.loads(body)
        except ValueError:
                return body
        if isinstance(told, dict) and 'results' in told:
                told['results'].sort(key=lambda r: r['pin']['cid'])
                return json.dumps(told)
        return body


class Replay:
        def __init__(self, bench, **section):
                self.peer = bench.peer(bench.stand_in(), pinsvc=section).start()
                self.peer.kubo.fault('pin/add', 'hang', cid=NOWHERE, times=1000)
                self.table, self.ids, self.complaints = golden.differences(), {}, []

        def ask(self, method, path, body=b'', headers=()):
                for cid, own in self.ids.items():
                        path = path.replace(f'/pins/{cid}', f'/pins/{own}')
                got = self.peer.remote(method, path, body, headers)
                if got.status == 202 and got.body:
                        self.ids[got.json()['pin']['cid']] = got.json()['requestid']
                for cid, own in self.ids.items():
                        got.body = got.body.replace(own.encode(), cid.encode())
                got.body = sorted_results(got.body.decode()).encode()
                return got

        def settle(self):
                """What the recorder waited for: no request under way, but for the one that cannot end."""
                def settled():
                        told = self.peer.remote('GET', '/pins?status=queued,pinning').json()
                        return all(r['pin']['cid'] == NOWHERE and r['status'] == 'pinning' for r in told['results'])
                eventually(settled, 'pins settle')

        def one(self, recording):
                rules = golden.differences_of(recording.name, self.table)
                if recording.number in BEFORE:
                        assert self.ask(*BEFORE[recording.number]).status == 202
                        self.settle()
                request, response = recording.raw['request'], recording.raw['response']
                if 'body' in response:
                        response['body'] = sorted_results(response['body'])
                got = self.ask(request['method'], request['path'], request.get('body', ''), request.get('headers', {}))
                self.complaints += [f'{recording.name}: {c}' for c in golden.compare(response, got, rules)]
                if request['method'] in ('POST', 'DELETE') and recording.number > 10:
                        self.settle()

        def all(self, low, high):
                for recording in golden.recordings('pinsvc'):
                        if low <= recording.number <= high:
                                self.one(recording)
                assert not self.complaints, f'{len(self.complaints)} differences:\n' + '\n'.join(self.complaints)
                self.peer.kill()


def with_credentials(bench):
        Replay(bench, basic_auth_credentials={'alice': 'secret1'}).all(1, 6)


def open_to_all(bench):
        Replay(bench).all(20, 999)


def every_difference_is_one(bench):
        """A rule that no recording meets is out of date."""
        table = golden.differences()
        for recording in golden.recordings('pinsvc'):
                golden.differences_of(recording.name, table)
        unused = [d.pattern for d in table if not d.used and d.pattern.startswith('pinsvc/')]
        assert not unused, f'no such recording: {unused}'


if __name__ == '__main__':
        run(every_difference_is_one, with_credentials, open_to_all)
