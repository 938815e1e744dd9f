"""Runs before anything is unpacked: say which Pythons this file is for, to one that it is not for.

Only syntax that every Python understands, the oldest as well.
"""

import sys

VERSIONS = ()  # put in when the file is made
REFUSAL = """\
Error: this file needs Python {wanted}, and this is {here} ({path})
Hint: name the Python before it, such as `python{first} {file}`, or install the wheel"""


def _check(version):
    if version in VERSIONS:
        return
    names = [".".join(map(str, each)) for each in VERSIONS]
    wanted = ", ".join(names[:-1]) + " or " + names[-1]
    here = ".".join(map(str, version))
    sys.exit(REFUSAL.format(wanted=wanted, here=here, path=sys.executable, first=names[0], file=sys.argv[0]))


_check(tuple(sys.version_info[:2]))
