#!/usr/bin/env python3
"""A real daemon is told to read its configuration again, over a private bus."""
import base64
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from busctl import NAME, PrivateBus  # noqa: E402
from cluster_test import eventually, run  # noqa: E402

LOG_PATH, LOG_INTERFACE = '/org/freedesktop/LogControl1', 'org.freedesktop.LogControl1'


class Running:
        def __init__(self, bench, env=None):
                self.bus = PrivateBus(bench)
                self.peer = bench.peer()
                self.peer.start(env=self.bus.env | (env or {}))
                eventually(self.bus.is_owned, 'the name is owned')

        def __enter__(self):
                return self

        def __exit__(self, *_):
                self.peer.stop()
                self.bus.stop()

        def reload(self):
                return self.bus.call('Reload')

        def level(self):
                done = self.bus.busctl('get-property', NAME, LOG_PATH, LOG_INTERFACE, 'LogLevel')
                return json.loads(done.stdout)['data']

        def until_logged(self, words):
                eventually(lambda: words in self.peer.process.text(), words)


def applies_what_it_can(bench):
        with Running(bench) as r:
                def change(config):
                        config['informer']['tags']['tags'] = {'color': 'red'}
                        config['cluster']['log_level'] = 'notice'
                        config['cluster']['peername'] = 'another'
                r.peer.edit(change)
                assert r.reload() == []
                assert r.level() == 'notice'
                eventually(lambda: 'tag:color' in r.peer.ok('GET', '/monitor/metrics'), 'the tag is told')
                assert r.peer.ok('GET', '/id')['peername'] != 'another'
                r.until_logged('applied: cluster.log_level, informer.tags.tags')
                r.until_logged('take effect at the next start: cluster.peername')


def tells_systemd(bench):
        with Running(bench) as r:
                assert r.reload() == []
                seen = r.peer.until_told(lambda line: line == 'READY=1')
                assert seen[0] == 'RELOADING=1' and seen[1].startswith('MONOTONIC_USEC=') and int(seen[1][15:]) > 0, seen
                r.peer.edit(lambda c: c.pop('cluster'))
                assert r.reload() != []
                assert 'RELOADING=1' in r.peer.until_told(lambda line: line == 'READY=1')


def wrong_file_changes_nothing(bench):
        with Running(bench) as r:
                def change(config):
                        config['informer']['tags']['tags'] = {'color': 'red'}
                        config['cluster']['log_level'] = 'debug'
                        config['ipfs_connector']['ipfshttp']['pin_timeout'] = 'soon'
                r.peer.edit(change)
                said = r.reload()
                assert said.startswith('ipfs_connector.ipfshttp.pin_timeout: "soon"'), said
                assert r.level() == 'info'
                assert 'tag:color' not in r.peer.ok('GET', '/monitor/metrics')
                with open(os.path.join(r.peer.folder, 'service.json'), 'w', encoding='utf-8') as f:
                        f.write('{')
                assert 'not valid JSON' in r.reload()
                os.unlink(os.path.join(r.peer.folder, 'service.json'))
                assert 'no such file' in r.reload()


def credentials_are_read_again(bench):
        folder = os.path.join(bench.folder, 'credentials')
        os.mkdir(folder)

        def put(text):
                with open(os.path.join(folder, 'CLUSTER_IPFSHTTP_AUTHORIZATION'), 'w', encoding='ascii') as f:
                        f.write(text)
        put('bearer:old\n')
        with Running(bench, {'CREDENTIALS_DIRECTORY': folder}) as r:
                put('wrong\n')
                assert r.reload().startswith('CLUSTER_IPFSHTTP_AUTHORIZATION')
                put('bearer:new\n')
                assert r.reload() == []
                r.until_logged('applied: ipfs_connector.ipfshttp.authorization')


def users_may_be_others(bench):
        def get(name, password):
                text = base64.b64encode(f'{name}:{password}'.encode()).decode()
                return r.peer.get('/version', headers={'Authorization': 'Basic ' + text}).status
        with Running(bench) as r:
                r.peer.edit(lambda c: c['api']['restapi'].update(basic_auth_credentials={'alice': 'one'}))
                assert get('alice', 'wrong') == 200  # nobody is asked for yet
                assert r.reload() == []
                assert (get('alice', 'one'), get('alice', 'two')) == (200, 401)
                r.peer.edit(lambda c: c['api']['restapi'].update(basic_auth_credentials={'alice': 'two', 'bob': 'three'}))
                assert r.reload() == []
                assert (get('alice', 'one'), get('alice', 'two'), get('bob', 'three')) == (401, 200, 200)
                assert 'two' not in r.peer.process.text()


run(applies_what_it_can, tells_systemd, wrong_file_changes_nothing, credentials_are_read_again,
    users_may_be_others)
