#!/usr/bin/env python3
"""The JavaScript client of Kubo (kubo-rpc-client, from npm) through the proxy to a real Kubo. Skipped with the reason where
there is no npm, or it cannot get the package."""
import json
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from cluster_test import Skip, run  # noqa: E402

PACKAGE = 'kubo-rpc-client@7.1.0'
INSTALL_SECONDS = 120
PROGRAM = '''
import { create } from 'kubo-rpc-client'
const client = create({ url: process.argv[2] })
const all = async source => { const out = []; for await (const one of source) out.push(one); return out }
const { cid } = await client.add('from js')
const told = { cid: cid.toString() }
told.first = (await all(client.pin.ls())).map(p => [p.cid.toString(), p.type])
await client.pin.rm(cid)
told.removed = (await all(client.pin.ls())).length
await client.pin.add(cid, { name: 'js' })
told.content = Buffer.concat(await all(client.cat(cid))).toString()
const files = Array.from({ length: 50 }, (_, i) => ({ path: `folder/${i}`, content: `content ${i}` }))
told.folder = (await all(client.addAll(files))).at(-1).cid.toString()
told.block = (await client.block.put(new TextEncoder().encode('a block'), { pin: true })).toString()
told.dag = (await client.dag.put({ a: [1, 2] }, { pin: true })).toString()
told.size = Number((await client.repo.stat()).repoSize)
await all(client.repo.gc())
told.version = (await client.version()).version
try { await client.pin.rm('QmP63DkAFEnDYNjDYBpyNDfttu1fvUw99x1brscPzpqmmq') } catch (e) { told.error = e.message }
console.log(JSON.stringify(told))
'''


def client_of_javascript(bench):
        if not shutil.which('npm') or not shutil.which('node'):
                raise Skip('there is no npm')
        folder = os.path.join(bench.folder, 'js')
        os.mkdir(folder)
        try:
                done = subprocess.run(['npm', 'install', '--no-audit', '--no-fund', '--ignore-scripts', '--prefix', folder, PACKAGE], cwd=folder,
                                      env={**os.environ, 'HOME': bench.folder}, capture_output=True, text=True, timeout=INSTALL_SECONDS)
        except subprocess.TimeoutExpired:
                raise Skip(f'npm did not get {PACKAGE} in {INSTALL_SECONDS} s') from None
        if done.returncode:
                raise Skip(f'npm cannot get {PACKAGE}: {done.stderr.strip().splitlines()[:1]}')
        peer = bench.peer(bench.real_kubo(), proxy={}).start()
        with open(os.path.join(folder, 'program.mjs'), 'w', encoding='utf-8') as f:
                f.write(PROGRAM)
        done = subprocess.run(['node', 'program.mjs', f'http://127.0.0.1:{peer.proxy_port}/api/v0'], cwd=folder, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert told['first'] == [[told['cid'], 'recursive']] and told['removed'] == 0, told
        assert told['content'] == 'from js' and told['version'], told
        assert told['size'] > 0 and told['error'] == 'pin is not part of the pinset', told
        pins = {l['cid']: l['name'] for l in peer.get('/allocations').lines()}
        assert pins == {told['cid']: 'js', told['folder']: '', told['block']: '', told['dag']: ''}, pins
        for cid in pins:
                peer.until(cid, 'pinned')


run(client_of_javascript)
