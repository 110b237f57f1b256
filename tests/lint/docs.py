#!/usr/bin/env python3
"""docs.py ROOT BUILD [PROGRAM...]: what the pages say is what the programs do.

service.json(5), against the table in daemon/config (settings.py) and the file that `init` writes:
  each setting stands below its section with what is allowed, its default and its variable, and no other does;
  each key of the file of 2017 is told of.
org.ipfs.Cluster(5), against the XML in dbus/, the table of actions and that of errors: the same members, signatures, actions.
RUNNING AS A SERVICE of ipfs-cluster-service(8): each unit is told of.
The page of each program, against its --help:
  each command and option of the help is in the page; none is in the page alone;
  help goes to standard output with status 0, a bad option ends with status 1, and is told of.
EXIT STATUS of each page, against the sources: the same numbers.
All pages, where groff is there: no warning, no line beyond 80 columns.
"""
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from xml.etree import ElementTree

import settings
import tree

SYSEXITS = {'EX_SOFTWARE': 70, 'EX_IOERR': 74, 'EX_TEMPFAIL': 75, 'EX_CONFIG': 78, 'EXIT_FAILURE': 1, 'EXIT_SUCCESS': 0}
NAMED_STATUS = re.compile(r'\b(EX_[A-Z]+|EXIT_(?:FAILURE|SUCCESS))\b')
DEFINED_STATUS = re.compile(r'#define (?:\w*EXIT_\w+|STATUS_\w+) +(\d+)\b')
FAILED_WITH = re.compile(r'_fail\(\w+, (\d+)\)')
# Where the exit statuses of a program are.
STATUS_SOURCES = {
        'ipfs-cluster-service': ('daemon/*.[ch]', 'daemon/offline/*.[ch]', 'daemon/consensus/*.[ch]', 'daemon/cluster/*.[ch]'),
        'ipfs-cluster-ctl': ('ctl/*.[ch]', 'ctl/backend/*.[ch]', 'daemon/types/error.c'),
}
OPTION = re.compile(r'(?<![\w-])--?[a-z][a-z-]*')
COMMAND = re.compile(r'^ {3,5}([a-z][a-z-]*)(?:, [a-z]+)?(?:  |$)', re.M)
DEPTH = 3  # of commands
COLUMNS = 80


def run(program, *arguments, **options):
        return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL, **options)


# ---- pages

def page(root, name):
        found = [p for p in glob.glob(os.path.join(root, 'man', name + '*')) if os.path.isfile(p)]
        return (os.path.relpath(found[0], root), tree.read('/', found[0])) if found else (f'man/{name}', None)


def plain(line):
        """A line of the source without its macro, fonts and quotes."""
        line = re.sub(r'\\f.|\\e', '', line).replace('\\-', '-')
        return re.sub(r'^\.[A-Z]+ ', '', line).replace('"', '')


def chapters(text, macro, title=''):
        """(title, lines) of each part of the page that begins with .SH or with MACRO."""
        lines = []
        for line in text.splitlines():
                if line.startswith(('.SH', macro)):
                        yield title, lines
                        title, lines = plain(line), []
                else:
                        lines.append(line)
        yield title, lines


def chapter(text, title):
        return next((lines for name, lines in chapters(text, '.SH') if name == title), [])


def tags(lines):
        """(tag, the first line below it) of each .TP."""
        for at, line in enumerate(lines[:-1]):
                if line == '.TP':
                        yield plain(lines[at + 1]), plain(lines[at + 2]) if at + 2 < len(lines) else ''


# ---- service.json(5)

def settings_told(root):
        name, text = page(root, 'service.json')
        if not text:
                yield f'{name}: not there'
                return
        told = {(section, tag): below for section, lines in chapters(text, '.SS') for tag, below in tags(lines)}
        known = {(s.section, s.key): settings.summary(s) for s in settings.settings(root)}
        sections = {section for section, _ in known}

        for (section, key), summary in known.items():
                below = told.get((section, key))
                if below is None:
                        yield f'{name}: does not tell of {section}.{key}'
                elif below != summary:
                        yield f'{name}: {section}.{key}: has "{below}", expected "{summary}"'
        for section, key in told:
                if section in sections and (section, key) not in known and re.fullmatch(r'[a-z0-9_]+', key):
                        yield f'{name}: {section}.{key} is no setting'

        flat = {word for tag, _ in tags(chapter(text, 'THE FILE OF 2017')) for word in re.findall(r'\w+', tag)}
        for key in sorted(flat ^ settings.flat_keys(root)):
                yield f'{name}: THE FILE OF 2017: {key} is {"no key of it" if key in flat else "missing"}'


def leaves(value, path=''):
        for key, inner in value.items():
                name = f'{path}.{key}'.lstrip('.')
                if isinstance(inner, dict) and inner and name not in ('informer.tags.tags',):
                        yield from leaves(inner, name)
                else:
                        yield name


def settings_written(root, service):
        """That settings.py reads the table rightly: what `init` writes is what has a preset."""
        with tempfile.TemporaryDirectory() as folder:
                done = run(service, 'init', env={'PATH': os.defpath, 'IPFS_CLUSTER_PATH': folder, 'HOME': folder})
                if done.returncode:
                        yield f'{service} init: status {done.returncode}: {done.stderr.strip()}'
                        return
                with open(os.path.join(folder, 'service.json'), encoding='utf-8') as f:
                        written = set(leaves(json.load(f)))
        known = {f'{s.section}.{s.key}' for s in settings.settings(root)}
        for path in sorted(written - known):
                yield f'{settings.TABLE}: init writes {path}, which was not found in the table'


# ---- org.ipfs.Cluster(5)

BUS_PAGE = 'org.ipfs.Cluster'
BUS_CHAPTERS = (('org.ipfs.Cluster', 'property', 'PROPERTIES'), ('org.ipfs.Cluster', 'method', 'METHODS'), ('org.ipfs.Cluster', 'signal', 'SIGNALS'),
                ('org.ipfs.Cluster.Peer', 'property', 'PROPERTIES OF A PEER'), ('org.ipfs.Cluster.Peer', 'method', 'METHODS OF A PEER'))
ACTION = re.compile(r'#define (BUS_ACTION_\w+) "([^"]+)"')
METHOD = re.compile(r'\{ BUS_(PEER_)?INTERFACE,\s*"(\w+)",\s*(\w+),')
BUS_ERROR = re.compile(r'\[ERROR_\w+\] = \{ \w+, \d+, \w+, "(\w+)"')


def signature(member):
        """What the page has for a member: Pin (s cid, a{sv} options) -> a{sv} pin."""
        if member.tag == 'property':
                return f'{member.get("name")} {member.get("type")}'
        ways = [[], []]
        for arg in member.findall('arg'):
                ways[arg.get('direction') == 'out'].append(f'{arg.get("type")} {arg.get("name")}')
        return f'{member.get("name")} ({", ".join(ways[0])})' + (' -> ' + ', '.join(ways[1]) if ways[1] else '')


def bus_actions(root):
        """(interface, method): what the page says of who may call it."""
        names = dict(ACTION.findall(tree.read(root, 'dbus/names.h')))
        for is_peer, method, action in METHOD.findall(tree.read(root, 'dbus/manager-object.c')):
                yield (BUS_PAGE + ('.Peer' if is_peer else ''), method), f'Action {names[action]}.' if action in names else 'Everybody.'


def bus_members(root, interface, kind):
        parsed = ElementTree.parse(os.path.join(root, 'dbus', interface + '.xml'))
        found = [i for i in parsed.getroot().findall('interface') if i.get('name') == interface]
        return [member for i in found for member in i.findall(kind)]


def bus_told(root):
        name, text = page(root, BUS_PAGE + '.')
        if not text:
                yield f'{name}: not there'
                return
        actions = dict(bus_actions(root))
        for interface, kind, title in BUS_CHAPTERS:
                told = dict(tags(chapter(text, title)))
                known = {signature(m): actions.get((interface, m.get('name'))) for m in bus_members(root, interface, kind)}
                for tag in sorted(told.keys() ^ known.keys()):
                        yield f'{name}: {title}: {tag} is {"not in the XML" if tag in told else "missing"}'
                for tag, action in known.items():
                        if kind == 'method' and tag in told and told[tag] != action:
                                yield f'{name}: {tag}: has "{told[tag]}", expected "{action}"'
        told = {tag for tag, _ in tags(chapter(text, 'ERRORS'))}
        for error in sorted(told ^ (set(BUS_ERROR.findall(tree.read(root, 'daemon/types/error.c'))) - {'None'})):
                yield f'{name}: ERRORS: {error} is {"no error" if error in told else "missing"}'


# ---- the units

def units_told(root):
        name, text = page(root, 'ipfs-cluster-service.')
        told = {tag for tags_ in tags(chapter(text or '', 'RUNNING AS A SERVICE')) for tag in re.findall(r'[\w.@-]+', tags_[0])}
        for path in glob.glob(os.path.join(root, 'units', '*.service*')) + glob.glob(os.path.join(root, 'units', '*.socket*')):
                unit = os.path.basename(path).removesuffix('.in')
                if unit not in told and '.user.' not in unit:
                        yield f'{name}: RUNNING AS A SERVICE: {unit} is missing'


# ---- the programs

def helps(program, *command):
        """(command, its help) of a program and of all its commands."""
        done = run(program, *command, '--help')
        yield command, done
        after = done.stdout.partition('COMMANDS:')[2].partition('\n\n')[0]
        for name in COMMAND.findall(after) if len(command) < DEPTH else []:
                if name not in ('help', 'h') and name not in command:
                        yield from helps(program, *command, name)


def options_of(text):
        """All names of all options of a help text."""
        for line in text.partition('OPTIONS:\n')[2].splitlines():
                left = re.match(r' {3}(-.*?)(?:  |$)', line)
                yield from OPTION.findall(left[1]) if left else []


def told_alone(program, name, text, known):
        """Commands and options that the page has and the help has not. Hidden options are known to the program."""
        commands = {command for command, _ in known}
        helped = {option for _, done in known for option in options_of(done.stdout)}
        for tag, _ in tags(text.splitlines()):
                for option in set(OPTION.findall(tag)) - helped if tag.startswith('-') else []:
                        refused = [c for c in commands if 'not defined' in run(program, *c, option + '=x', '--help').stdout]
                        if len(refused) == len(commands):
                                yield f'{name}: {option} is no option of the program'
        for tag, _ in tags(chapter(text, 'COMMANDS')):
                words = tuple(re.match(r'(?:(?!-)[a-z -]*)?', tag)[0].split())
                if words and words[0] not in ('help', 'commands') and words not in commands and words[:2] not in commands:
                        yield f'{name}: {" ".join(words)} is no command of the program'


def program_page(root, program):
        base = os.path.basename(program)
        name, text = page(root, base + '.')
        if not text:
                yield f'{name}: not there'
                return
        known = list(helps(program))
        tagged = [tag for tag, _ in tags(text.splitlines())]
        commands = [tag for tag, _ in tags(chapter(text, 'COMMANDS'))]

        for command, done in known:
                words = ' '.join((base,) + command)
                if done.returncode or not done.stdout or done.stderr:
                        yield f'{words} --help: status {done.returncode}, {len(done.stderr)} bytes on standard error'
                for option in sorted(set(options_of(done.stdout))):
                        if not any(option in OPTION.findall(tag) for tag in tagged):
                                yield f'{name}: does not tell of {option} of {words}'
                if not any(tuple(tag.split()[:len(command)]) == command for tag in commands):
                        yield f'{name}: does not tell of {words}'
        yield from told_alone(program, name, text, known)

        done = run(program, '--no-such-option')
        if done.returncode != 1 or not done.stdout + done.stderr:
                yield f'{base} --no-such-option: status {done.returncode}'


def statuses(root, base):
        told = {0}
        for pattern in STATUS_SOURCES[base]:
                for path in glob.glob(os.path.join(root, pattern)):
                        text = tree.read('/', path)
                        told |= {SYSEXITS.get(word, word) for word in NAMED_STATUS.findall(text)}
                        told |= {int(n) for n in DEFINED_STATUS.findall(text) + FAILED_WITH.findall(text) if int(n) < 256}
        return told


def status_told(root, base):
        name, text = page(root, base + '.')
        in_page = {int(tag) for tag, _ in tags(chapter(text or '', 'EXIT STATUS')) if tag.isdigit()}
        for status in sorted(in_page ^ statuses(root, base), key=str):
                yield f'{name}: EXIT STATUS: {status} is {"not in the sources" if status in in_page else "missing"}'


# ---- form

def form(root):
        for path in sorted(glob.glob(os.path.join(root, 'man', '*.[1-8]'))) if shutil.which('groff') else []:
                name = os.path.relpath(path, root)
                done = run('groff', '-ww', '-man', '-Tutf8', '-P-c', '-P-b', '-P-u', path, env={**os.environ, 'LC_ALL': 'C.UTF-8'})
                yield from (f'{name}: {line}' for line in done.stderr.splitlines())
                yield from (f'{name}: wider than {COLUMNS}: {line}' for line in done.stdout.splitlines() if len(line) > COLUMNS)


def main():
        root, programs = os.path.abspath(sys.argv[1]), sys.argv[3:]
        bad = [*settings_told(root), *bus_told(root), *units_told(root), *form(root)]
        for base in STATUS_SOURCES:
                bad += status_told(root, base)
        for program in programs:
                bad += program_page(root, program)
                if os.path.basename(program) == 'ipfs-cluster-service':
                        bad += settings_written(root, program)
        tree.report(bad, f'{len(programs)} programs and their pages')


main()
