#!/usr/bin/env python3
"""The stand-in answers as Kubo did when it was recorded, and fails in each way that it can be told to."""
import glob
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from cluster_test import SOURCE, eventually, exchange, run  # noqa: E402
from ipfs_content import numbered  # noqa: E402

GOLDEN = os.path.join(SOURCE, 'tests', 'golden', 'kubo')
HELLO = 'QmccvEeJ1S95baJ6brLwNCKc6uq89vpVEoUGcEXc5FHhaX'
FOLDER = 'QmRts8w5U2zCFTDSf4PHzP5sJEkwbHKUS7c9jD95f8DG6a'
MISSING = 'QmP63DkAFEnDYNjDYBpyNDfttu1fvUw99x1brscPzpqmmq'
FILES = {'hello.txt': b'hello cluster\n'}
TREE = {'dir': None, 'dir/a.txt': b'file a\n', 'dir/b.txt': b'file b\n', 'dir/sub': None, 'dir/sub/c.txt': b'file c\n'}

# What the replayed recordings find: pins in the order of the recordings, each of which may change them.
REPLAYED = '''
        003-version 007-pin-ls-empty 008-pin-ls-empty-stream 010-pin-ls-arg-not-pinned-direct
        011-pin-ls-arg-not-pinned-all 012-pin-ls-arg-path 013-pin-ls-arg-bad 015-pin-add 016-pin-add-no-progress
        017-pin-add-again 018-pin-add-direct 023-pin-add-name-256 025-pin-add-max-depth 026-pin-add-path 027-pin-add-bad
        028-pin-add-no-arg 030-pin-add-missing-timeout-noprogress 031-pin-add-missing-offline 032-pin-add-bad-bool
        033-pin-add-unknown-option 035-pin-add-missing-link 036-pin-ls-arg-pinned 037-pin-ls-arg-pinned-nostream
        038-pin-ls-arg-wrong-type 041-pin-ls-indirect 042-pin-ls-indirect-type 043-pin-ls-indirect-recursive
        050-pin-ls-direct-stream 053-pin-ls-two-args-one-missing 056-pin-rm-not-pinned 057-pin-rm-indirect 058-pin-rm-bad
        060-pin-rm-two 061-pin-rm-recursive-false 065-pin-update-from-not-pinned 067-pin-update-one-arg 077-resolve
        078-resolve-cid 080-resolve-bad 081-resolve-bare 084-resolve-trailing-slash 088-swarm-connect-refused 089-swarm-connect-bad 128-add
        131-add-no-body 132-add-not-multipart 136-http-put-405 137-http-head-405 139-http-unknown 142-http-root
        143-http-origin-403 144-http-referer-403'''.split()
COMPARED = ('Content-Type', 'Trailer', 'X-Chunked-Output')
BOTH_PINNED = '053-pin-ls-two-args-one-missing'


def recording(name):
        with open(os.path.join(GOLDEN, f'{name}.json'), encoding='utf-8') as f:
                return json.load(f)


def compare(name, request, wanted, got):
        assert got.status == wanted['status'], f'{name}: {got}'
        assert got.body.decode() == wanted['body'], f'{name}: {got.body} instead of {wanted["body"]}'
        assert got.framing == wanted['framing'], f'{name}: {got}'
        assert got.trailers == wanted.get('trailers', {}), f'{name}: {got.trailers}'
        for key in COMPARED:
                assert got.header(key) == wanted['headers'].get(key), f'{name}: {key} is {got.header(key)}'


def answers_as_recorded(bench):
        kubo = bench.stand_in('--strict')
        kubo.add(FILES, pin='false')
        kubo.add(TREE, pin='false')
        for name in REPLAYED:
                recorded = recording(name)
                request = recorded['request']
                if name == '050-pin-ls-direct-stream':
                        assert kubo.pin_type(FOLDER) == 'recursive'
                got = exchange(kubo.port, request['method'], request['path'], request.get('headers', {}), request.get('body', ''))
                compare(name, request, recorded['response'], got)


def every_recording_is_json(bench):
        for path in glob.glob(os.path.join(GOLDEN, '*.json')):
                assert recording(os.path.basename(path)[:-5])['response']['status'], path


def keeps_pins_and_names(bench):
        kubo = bench.stand_in()
        assert kubo.call('pin/add', arg=MISSING, name='a name').status == 200
        assert kubo.pin_type(MISSING) == 'recursive' and kubo.pin_name(MISSING) == 'a name'
        assert kubo.call('pin/rm', arg=MISSING).status == 200
        assert kubo.pin_type(MISSING) is None


def keeps_pins_over_a_restart(bench):
        state = os.path.join(bench.folder, 'state')
        kubo = bench.stand_in(state=state)
        kubo.add(FILES)
        kubo.call('pin/add', arg=MISSING, recursive='false')
        kubo.stop()
        kubo.start()
        assert kubo.pin_type(HELLO) == 'recursive' and kubo.pin_type(MISSING) == 'direct'
        assert kubo.call('cat', arg=HELLO).body == FILES['hello.txt']


def lists_many_pins(bench):
        kubo = bench.stand_in('--pins', '20000')
        assert kubo.pin_type(str(numbered(19999))) == 'recursive'
        assert kubo.call('pin/rm', arg=str(numbered(7))).status == 200
        found = {l['Cid'] for l in kubo.call('pin/ls', stream='true', type='recursive').lines()}
        assert len(found) == 20000 and str(numbered(8)) in found and str(numbered(7)) not in found


def fails_as_told(bench):
        kubo = bench.stand_in()

        def told(kind, **details):
                kubo.fault('pin/add', kind, **details)
                try:
                        return kubo.call('pin/add', arg=MISSING, progress='true')
                except (EOFError, OSError) as e:
                        return type(e).__name__

        assert told('status', status=500, message='disk full').json()['Message'] == 'disk full'
        assert told('deny').status == 403
        assert told('reset') == 'ConnectionResetError'
        assert told('cut') == 'EOFError'
        assert told('garbage').body.startswith(b'<html>')
        assert told('trailer', message='too late').trailers == {'X-Stream-Error': 'too late'}
        assert kubo.pin_type(MISSING) is None
        assert told('status', cid=HELLO).status == 200
        assert told('status', times=1).status == 500
        assert kubo.call('pin/add', arg=MISSING).status == 200


def hangs_and_stalls_until_the_client_leaves(bench):
        kubo = bench.stand_in()
        for kind in ('hang', 'stall'):
                kubo.fault('pin/add', kind, interval=0.01)
                before = kubo.count('pin/add')
                try:
                        exchange(kubo.port, 'POST', f'/api/v0/pin/add?arg={MISSING}&progress=true', timeout=0.3)
                except TimeoutError:
                        pass
                else:
                        raise AssertionError(f'{kind}: an answer')
                eventually(lambda: kubo.count('pin/add') == before + 1, 'the request was counted')
        kubo.fault('pin/add')
        assert kubo.call('pin/add', arg=MISSING).status == 200


def asks_for_its_credentials(bench):
        kubo = bench.stand_in('--authorization', 'basic:al:pw')
        for name in ('171-auth-none-id', '177-auth-basic-bad'):
                recorded = recording(name)
                request = recorded['request']
                got = exchange(kubo.port, request['method'], request['path'], request.get('headers', {}))
                compare(name, request, recorded['response'], got)
        right = recording('176-auth-basic-ok')['request']['headers']
        assert kubo.call('id', headers=right).status == 200


run(answers_as_recorded, every_recording_is_json, keeps_pins_and_names, keeps_pins_over_a_restart, lists_many_pins,
    fails_as_told, hangs_and_stalls_until_the_client_leaves, asks_for_its_credentials)
