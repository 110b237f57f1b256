#!/usr/bin/env python3
"""The JavaScript client of Kubo (kubo-rpc-client, from npm) through the proxy to a real Kubo."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from cluster_test import run  # noqa: E402
from npm import install, play  # noqa: E402

PACKAGE = 'kubo-rpc-client@7.1.0'
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
        folder = install(bench, PACKAGE)
        peer = bench.peer(bench.real_kubo(), proxy={}).start()
        told = play(folder, PROGRAM, f'http://127.0.0.1:{peer.proxy_port}/api/v0')
        assert told['first'] == [[told['cid'], 'recursive']] and told['removed'] == 0, told
        assert told['content'] == 'from js' and told['version'], told
        assert told['size'] > 0 and told['error'] == 'pin is not part of the pinset', told
        pins = {l['cid']: l['name'] for l in peer.get('/allocations').lines()}
        assert pins == {told['cid']: 'js', told['folder']: '', told['block']: '', told['dag']: ''}, pins
        for cid in pins:
                peer.until(cid, 'pinned')


run(client_of_javascript)
