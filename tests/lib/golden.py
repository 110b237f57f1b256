"""golden.py: replay recorded exchanges and compare what comes back.

A recording is made comparable in three steps, each of them narrow:
  substitute  identities, ports and names of the recorded peer become those of the peer that is tested;
  mask        what differs at every run (VOLATILE, and times) becomes a word;
  differ      tests/golden/DIFFERENCES says, file by file and with reasons, what is not replayed and what is answered
              otherwise on purpose. Its head explains the form.
Equal then have to be: status, Content-Type, framing, trailers, the headers of COMPARED, and the parsed body.
"""
import fnmatch
import glob
import json
import os
import re

from cluster_test import SOURCE

FOLDER = os.path.join(SOURCE, 'tests', 'golden')
COMPARED = ('Trailer', 'Vary', 'Location', 'Access-Control-Allow-Origin', 'Access-Control-Allow-Credentials',
            'Access-Control-Expose-Headers', 'Access-Control-Allow-Methods', 'Access-Control-Allow-Headers', 'Access-Control-Max-Age',
            'Www-Authenticate', 'X-Custom')
# Keys whose values are different at every run: clocks, and what they are counted from.
VOLATILE = {'expire', 'received_at', 'triggered_at'}
TIME = re.compile(r'^(\d{4})-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$')
FIXED_YEARS = (1, 2030)  # the zero time, and from here on what a request asked for


class Recording:
        def __init__(self, path):
                self.name = os.path.relpath(path, FOLDER)[:-5]
                self.number = int(re.search(r'/(\d+)', self.name)[1])
                with open(path, encoding='utf-8') as f:
                        self.text = f.read()
                self.raw = json.loads(self.text)

        def substituted(self, pairs):
                """(request, response) with each (old, new) replaced."""
                text = self.text
                for old, new in pairs:
                        text = text.replace(old, new)
                recorded = json.loads(text)
                return recorded.get('request'), recorded.get('response')


def recordings(group):
        return [Recording(p) for p in sorted(glob.glob(os.path.join(FOLDER, group, '*.json')))]


# ---- differences

class Difference:
        def __init__(self, pattern, action, arguments, reason):
                self.pattern, self.action, self.arguments, self.reason, self.used = pattern, action, arguments, reason, False


def differences():
        path = os.path.join(FOLDER, 'DIFFERENCES')
        found, pattern = [], None
        with open(path, encoding='utf-8') as f:
                for n, line in enumerate(f, 1):
                        line = line.rstrip('\n')
                        if not line.strip() or line.startswith('#'):
                                continue
                        rule, _, reason = line.partition('  -- ')
                        if not line.startswith(' '):
                                pattern, _, rule = rule.partition(' ')
                        action, _, arguments = rule.strip().partition(' ')
                        assert reason.strip() or line.startswith(' '), f'DIFFERENCES:{n}: no reason'
                        if action:
                                found.append(Difference(pattern, action, arguments.strip(), reason.strip()))
        return found


def differences_of(name, table):
        out = [d for d in table if fnmatch.fnmatchcase(name, d.pattern)]
        for difference in out:
                difference.used = True
        return out


def places(value, path):
        """Each (container, key) that a dotted path leads to; * goes to all. The last key need not be there."""
        head, _, rest = path.partition('.')
        if isinstance(value, list):
                for one in value:
                        yield from places(one, path)
        elif isinstance(value, dict):
                for key in list(value) if head == '*' else [head]:
                        if not rest:
                                yield value, key
                        elif key in value:
                                yield from places(value[key], rest)


def assignments(text):
        """`a.b=JSON c=JSON…`: pairs of path and value."""
        at = 0
        while match := re.compile(r'\s*([\w.*:-]+)=').match(text, at):
                value, at = json.JSONDecoder().raw_decode(text, match.end())
                yield match[1], value


def cid_of(value):
        """The CID of an object, as the cluster writes it or as Kubo does."""
        return value.get('cid') or value.get('Cid')


def apply_to_body(difference, values):
        """A difference that changes the parsed body (a list of objects); what it becomes."""
        action, arguments = difference.action, difference.arguments
        if action == 'first':
                return values[:1]
        if action == 'body':
                return [json.loads(arguments)] if arguments else []
        if action == 'without':
                return [v for v in values if cid_of(v) != arguments]
        if action == 'without-result':
                return [{**v, 'results': [r for r in v['results'] if r['pin']['cid'] != arguments]} for v in values]
        if action == 'also':
                return values + [json.loads(arguments)]
        chosen = values
        if action == 'item':
                cid, _, arguments = arguments.partition(' ')
                chosen = [v for v in values if cid_of(v) == cid]
        if action in ('set', 'item'):
                for path, value in assignments(arguments):
                        for container, key in places(chosen, path):
                                container[key] = value
        return values


def mask_paths(values, paths):
        for path in paths:
                for container, key in places(values, path):
                        if key in container:
                                container[key] = '<any>'


# ---- masks

def masked(value, key=None):
        if key in VOLATILE:
                return f'<{key}>'
        if isinstance(value, dict):
                if value.get('name') == 'freespace' and 'weight' in value:
                        value = {**value, 'value': '<bytes>', 'weight': '<bytes>'}
                return {k: masked(v, k) for k, v in value.items()}
        if isinstance(value, list):
                return [masked(v) for v in value]
        match = TIME.match(value) if isinstance(value, str) else None
        if match and not (int(match[1]) == FIXED_YEARS[0] or int(match[1]) >= FIXED_YEARS[1]):
                return '<time with fraction>' if match[2] else '<time>'
        return value


def in_order(values):
        """Lists come in no order that means something: by CID or by ID; metric names by name."""
        if len(values) == 1 and isinstance(values[0], list) and all(isinstance(v, str) for v in values[0]):
                return [sorted(values[0])]
        return sorted(values, key=lambda v: str(cid_of(v) or v.get('id')) if isinstance(v, dict) else '') if len(values) > 1 else values


def parsed(body, content_type):
        """The JSON objects of a body, or its text as the only one."""
        if not body or not (content_type or '').startswith('application/json'):
                return [body] if body else []
        values, at, decoder = [], 0, json.JSONDecoder()
        body = body.strip()
        while at < len(body):
                value, at = decoder.raw_decode(body, at)
                values.append(value)
                at = re.compile(r'\s*').match(body, at).end()
        return values


# ---- comparing

def expected(response, rules):
        """What has to come back, after the differences: a dict like got_as()."""
        headers = {k.lower(): ', '.join(v) if isinstance(v, list) else v for k, v in response['headers'].items()}
        want = {'status': response['status'], 'type': headers.get('content-type'), 'framing': response['framing'],
                'trailers': response.get('trailers') or {}, 'headers': {h: headers.get(h.lower()) for h in COMPARED}}
        any_ = [r.arguments for r in rules if r.action == 'any']
        values = [] if 'body' in any_ else parsed(response.get('body', ''), want['type'])
        for rule in rules:
                if rule.action in ('status', 'framing', 'type'):
                        want[rule.action] = json.loads(rule.arguments)
                elif rule.action == 'trailers':
                        want['trailers'] = json.loads(rule.arguments)
                elif rule.action == 'header':
                        name, _, value = rule.arguments.partition(' ')
                        want['headers'][name] = json.loads(value)
                else:
                        values = apply_to_body(rule, values)
        return want, values


def compare(response, got, rules):
        """Complaints about GOT (a cluster_test.Response) against a recorded response."""
        want, values = expected(response, rules)
        have = {'status': got.status, 'type': got.header('Content-Type'), 'framing': got.framing, 'trailers': got.trailers,
                'headers': {h: got.header(h) for h in COMPARED}}
        any_ = [r.arguments for r in rules if r.action == 'any']
        for key, value in want.items():
                if key not in any_ and have[key] != value:
                        yield f'{key}: {have[key]!r}, recorded {value!r}'
        if 'body' in any_:
                return
        try:
                found = parsed(got.body.decode(), have['type'])
        except ValueError as e:
                yield f'body: no JSON ({e}): {got.body[:300]!r}'
                return
        for side in (values, found):
                for rule in rules:
                        if rule.action == 'mask':
                                mask_paths(side, rule.arguments.split())
                        elif rule.action == 'mask-pins':
                                mask_paths([v for v in side if isinstance(v, dict) and 'cid' in v], rule.arguments.split())
        yield from differing(in_order(masked(values)), in_order(masked(found)), 'body')


def differing(want, have, where):
        """The innermost places that differ, so that a complaint can be read."""
        if isinstance(want, dict) and isinstance(have, dict):
                for key in sorted(set(want) | set(have)):
                        if key not in have or key not in want:
                                yield f'{where}.{key}: {"missing, recorded " + repr(want[key]) if key in want else "not recorded: " + repr(have[key])}'
                        else:
                                yield from differing(want[key], have[key], f'{where}.{key}')
        elif isinstance(want, list) and isinstance(have, list) and len(want) == len(have):
                for n, (a, b) in enumerate(zip(want, have)):
                        yield from differing(a, b, f'{where}[{n}]')
        elif want != have or type(want) is not type(have):
                yield f'{where}: {have!r}, recorded {want!r}'
