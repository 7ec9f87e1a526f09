# SPDX-License-Identifier: ISC
"""INI files from dictionaries.

    config.write(path, {"link": {"interface": "link0", "mtu": 9000},
                        "channel 1": {"name": "files", "keep": True}})

Values: text as it is, numbers, True and False as yes and no, lists joined by ", ". None
leaves the key out, which makes it easy to take one away from a shared base.
"""

import os


def text(sections):
    lines = []
    for section, keys in sections.items():
        lines.append(f"[{section}]")
        for key, value in keys.items():
            if value is not None:
                lines.append(f"{key} = {_value(key, value)}")
        lines.append("")
    return "\n".join(lines)


def merge(base, changes):
    """@base with @changes on top, section by section; a section that is None goes."""
    result = {section: dict(keys) for section, keys in base.items()}
    for section, keys in changes.items():
        if keys is None:
            result.pop(section, None)
        else:
            result.setdefault(section, {}).update(keys)
    return result


def write(path, sections, mode=0o600):
    """Write the file (readable by its owner only unless told otherwise); its path."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), mode)
        file.write(text(sections))
    return path


def _value(key, value):
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(_value(key, item) for item in value)
    value = os.fspath(value) if isinstance(value, os.PathLike) else str(value)
    if "\n" in value:
        raise ValueError(f"{key}: a value is one line")
    return value
