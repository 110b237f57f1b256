"""settings.py: the table of service.json, as daemon/config/table.c has it."""
import re
from collections import namedtuple

import tree

TABLE = 'daemon/config/table.c'
FLAT = 'daemon/config/flat.c'

# preset and absent are None where the row has none; flags are names without CONFIG_.
Setting = namedtuple('Setting', 'section key kind rule preset absent flags variable')

WORD = re.compile(r'"((?:\\.|[^"\\])*)"|([A-Za-z_]\w*)|([(),{}&|.])|(\d+)')
ROWS = re.compile(r'static const ConfigRow (\w+)\[\] = \{(.*?)\n\};', re.S)
SECTION = re.compile(r'(SECTION|OPTIONAL)\(([^()]*)\)', re.S)


def source(root, name):
        text = tree.read(root, name).replace('\\\n', ' ')
        return re.sub(r'/\*.*?\*/', ' ', text, flags=re.S)


def spelled_out(rows, parameters, arguments):
        for parameter, argument in zip(parameters.split(','), arguments.split(','), strict=True):
                rows = re.sub(rf'\b{parameter.strip()}\b', lambda _, a=argument.strip(): a, rows)
        return rows


def expanded(text):
        """The tables, with the texts and rows that macros stand for put in."""
        body = text[text.index('static const ConfigRow'):]
        for name, parameters, rows in re.findall(r'#define (\w+_ROWS)\(([^()]*)\) (.*)', body):
                body = re.sub(rf'(?<!#define )\b{name}\(([^()]*)\)', lambda m, p=parameters, r=rows: spelled_out(r, p, m[1]), body)
        for name, value in re.findall(r'#define (\w+) ("[^"\n]*")', body):
                body = re.sub(rf'\b{name}\b(?! ")', value, body)
        return re.sub(r'#define .*', '', body)


def calls(body):
        """(name, arguments) of each OWN(…) and KEEP(…); an argument is the list of its words."""
        words = [m for m in WORD.finditer(body)]
        at = 0
        while at < len(words):
                if words[at][2] not in ('OWN', 'KEEP'):
                        at += 1
                        continue
                name, arguments, depth, at = words[at][2], [[]], 1, at + 2
                while depth:
                        word, at = words[at], at + 1
                        depth += {'(': 1, ')': -1}.get(word[3], 0)
                        if depth == 1 and word[3] == ',':
                                arguments.append([])
                        elif depth:
                                arguments[-1].append(word[0] if word[1] is None else '"' + word[1])
                yield name, arguments


def text_of(words):
        return ''.join(w[1:] for w in words if w.startswith('"')) if words and words[0] != 'NULL' else None


def rows(body):
        """(key, kind, rule, preset, {FLAGS, ABSENT, ROWS: words}) of each row."""
        for name, arguments in calls(body):
                key, kind, rule, *rest = arguments
                preset, *more = rest[1:] if name == 'OWN' else rest
                yield text_of(key), kind[0], rule[0], text_of(preset), {m[0]: m[2:-1] for m in more}


def variable(prefix, key):
        return prefix + key.replace('_', '').upper()


def settings_of(tables, name, section, prefix):
        for key, kind, rule, preset, more in rows(tables[name]):
                if 'ROWS' in more:
                        yield from settings_of(tables, more['ROWS'][0], f'{section}.{key}', variable(prefix, key) + '_')
                        continue
                flags = {w.removeprefix('CONFIG_') for w in more.get('FLAGS', []) if w.startswith('CONFIG_')}
                own = None if 'NO_VARIABLE' in flags else variable(prefix, key)
                yield Setting(section, key, kind, rule, preset, text_of(more.get('ABSENT', [])), flags, own)


def settings(root):
        body = expanded(source(root, TABLE))
        tables = dict(ROWS.findall(body))
        for match in SECTION.finditer(body):
                group, name, prefix, table, *_ = [w.strip() for w in match[2].split(',')]
                if not table.endswith('_rows'):
                        continue
                path = '.'.join(w.strip('"') for w in (group, name) if w != 'NULL')
                yield from settings_of(tables, table, path, 'CLUSTER_' + prefix.strip('"'))


def flat_keys(root):
        """The keys of the file of 2017."""
        return set(re.findall(r'\{ ROW\("(\w+)"', source(root, FLAT)))


# ---- how man/service.json.5 tells of one

PHRASES = {
        ('STRING', 'ANY'): 'string',
        ('STRING', 'FILLED'): 'string, not empty',
        ('STRING', 'LOG_LEVELS'): 'log levels, or empty',
        ('STRING', 'SECRET'): '64 hexadecimal digits, or empty',
        ('STRING', 'ADDRESS'): 'multiaddr',
        ('STRING', 'ENDPOINT'): 'multiaddr with tcp or unix',
        ('STRING', 'AUTHORIZATION'): 'bearer:TOKEN, basic:USER:PASSWORD, or empty',
        ('BOOL', 'ANY'): 'true or false',
        ('INT', 'ANY'): 'number',
        ('INT', 'POSITIVE'): 'number above 0',
        ('INT', 'NOT_NEGATIVE'): 'number, 0 or above',
        ('INT', 'HEADER_BYTES'): 'number, 4096 or above',
        ('DOUBLE', 'ANY'): 'decimal number',
        ('DOUBLE', 'FRACTION'): 'decimal number above 0 and below 1',
        ('DURATION', 'POSITIVE'): 'duration above 0',
        ('DURATION', 'NOT_NEGATIVE'): 'duration, 0 or above',
        ('DURATION', 'NOT_ZERO'): 'duration other than 0',
        ('STRINGS', 'ANY'): 'list of strings',
        ('STRINGS', 'FILLED'): 'list of strings, not empty',
        ('STRINGS', 'ADDRESS'): 'list of multiaddrs',
        ('STRINGS', 'PEERS'): 'list of peer IDs',
        ('STRINGS', 'TRUSTED_PEERS'): 'list of peer IDs or *',
        ('ONE_OR_MORE', 'ADDRESS'): 'multiaddrs',
        ('ONE_OR_MORE', 'ADDRESSES'): 'one or more multiaddrs',
        ('ONE_OR_MORE', 'ENDPOINTS'): 'one or more multiaddrs with tcp or unix',
        ('MAP', 'ANY'): 'names and values',
        ('MAP', 'FILLED'): 'names and values, at least one, or null',
        ('OBJECT', 'ANY'): 'object',
        ('OBJECT', 'HEADERS'): 'names of headers, each with a list of values',
        ('TYPE', 'ANY'): 'freespace or reposize',
}


def shown(preset):
        return {None: 'none', '': 'empty'}.get(preset, preset)


def summary(setting):
        """The line that the page has of a setting: what is allowed, the default, what else holds, the variable."""
        parts = [PHRASES[setting.kind, setting.rule], 'default ' + shown(setting.preset)]
        if 'ZERO_PRESET' in setting.flags:
                parts.append('0 is the default')
        if setting.absent is not None:
                parts.append('absent: ' + shown(setting.absent))
        if 'REQUIRED' in setting.flags:
                parts.append('required')
        if 'UNBUILT' in setting.flags:
                parts.append('refused')
        if 'LIVE' in setting.flags:
                parts.append('reload')
        return '; '.join(parts + [setting.variable or 'no variable']) + '.'
