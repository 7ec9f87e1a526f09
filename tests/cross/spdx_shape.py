# SPDX-License-Identifier: ISC
"""The shape of an SPDX 2.3 document in JSON, as far as ours use it: the specification's required
fields, their types and words, and that every id leads somewhere. Not the whole schema."""

import re

TEXT = re.compile(r".+", re.S)
ID = re.compile(r"SPDXRef-[A-Za-z0-9.-]+")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
NAME = r"(NOASSERTION|NONE|(LicenseRef-)?[A-Za-z0-9.-]+\+?)"
SUM = rf"{NAME}( (AND|OR|WITH) {NAME})*"
LICENCE = re.compile(rf"({SUM}|({NAME}|\({SUM}\))( (AND|OR) ({NAME}|\({SUM}\)))*)")

CHECKSUM = {"algorithm": re.compile("SHA1|SHA256"), "checksumValue": re.compile("[0-9a-f]+")}
LENGTHS = {"SHA1": 40, "SHA256": 64}
PACKAGE = {"SPDXID": ID, "name": TEXT, "versionInfo": TEXT, "downloadLocation": TEXT,
           "filesAnalyzed": bool, "licenseConcluded": LICENCE, "licenseDeclared": LICENCE,
           "copyrightText": TEXT, "primaryPackagePurpose": re.compile("APPLICATION|LIBRARY")}
PACKAGE_MAY = {"comment": TEXT, "sourceInfo": TEXT, "externalRefs": list}
REFERENCE = {"referenceCategory": re.compile("PACKAGE-MANAGER"),
             "referenceType": re.compile("purl"),
             "referenceLocator": re.compile(r"pkg:deb/debian/[a-z0-9.+-]+@[^@? ]+\?arch=[a-z0-9]+")}
FILE = {"SPDXID": ID, "fileName": re.compile(r"\./.+"), "fileTypes": list, "checksums": list,
        "licenseConcluded": LICENCE, "copyrightText": TEXT}
RELATION = {"spdxElementId": ID, "relatedSpdxElement": ID, "relationshipType": re.compile(
    "DESCRIBES|CONTAINS|DEPENDS_ON|DYNAMIC_LINK|STATIC_LINK")}
EXTRACTED = {"licenseId": re.compile(r"LicenseRef-[A-Za-z0-9.-]+"), "name": TEXT,
             "extractedText": TEXT}
DOCUMENT = {"spdxVersion": re.compile("SPDX-2.3"), "dataLicense": re.compile("CC0-1.0"),
            "SPDXID": re.compile("SPDXRef-DOCUMENT"), "name": TEXT,
            "documentNamespace": re.compile(r"[a-z]+:[^#\s]+"), "creationInfo": dict,
            "packages": list, "files": list, "relationships": list}
CREATION = {"created": TIME, "creators": list}


def fields(where, thing, must, may=None):
    """What is wrong with one object."""
    if not isinstance(thing, dict):
        yield f"{where}: no object"
        return
    for name in sorted(set(must) - set(thing)):
        yield f"{where}: no {name}"
    for name, value in thing.items():
        rule = must.get(name, (may or {}).get(name))
        if rule is None:
            yield f"{where}: unknown field {name}"
        elif isinstance(rule, type):
            if not isinstance(value, rule):
                yield f"{where}.{name}: not a {rule.__name__}"
        elif not isinstance(value, str) or not rule.fullmatch(value):
            yield f"{where}.{name}: {value!r}"


def all_of(document, name, must, may=None):
    for i, thing in enumerate(document.get(name) or []):
        yield from fields(f"{name}[{i}]", thing, must, may)


def ids(document):
    known = ["SPDXRef-DOCUMENT"] + [thing.get("SPDXID") for name in ("packages", "files")
                                    for thing in document[name]]
    for known_id in sorted({i for i in known if known.count(i) > 1}, key=str):
        yield f"{known_id}: stands twice"
    for relation in document["relationships"]:
        for end in ("spdxElementId", "relatedSpdxElement"):
            if relation.get(end) not in known:
                yield f"relationship to {relation.get(end)}, which is nowhere"
    reached = {r.get("relatedSpdxElement") for r in document["relationships"]}
    for name in sorted(set(known[1:]) - reached, key=str):
        yield f"{name}: nothing leads to it"
    extracted = {e.get("licenseId") for e in document.get("hasExtractedLicensingInfos", [])}
    for package in document["packages"]:
        for ref in re.findall(r"LicenseRef-[A-Za-z0-9.-]+", str(package.get("licenseDeclared"))):
            if ref not in extracted:
                yield f"{ref}: nowhere explained"


def wrong(document):
    """Every fault, as text."""
    found = list(fields("document", document, DOCUMENT, {"hasExtractedLicensingInfos": list}))
    if found:
        return found
    found += fields("creationInfo", document["creationInfo"], CREATION)
    found += all_of(document, "packages", PACKAGE, PACKAGE_MAY)
    found += all_of(document, "files", FILE)
    found += all_of(document, "relationships", RELATION)
    found += all_of(document, "hasExtractedLicensingInfos", EXTRACTED)
    for package in document["packages"]:
        found += all_of(package, "externalRefs", REFERENCE)
    for file in document["files"]:
        found += all_of(file, "checksums", CHECKSUM)
        sums = {c.get("algorithm"): len(c.get("checksumValue", "")) for c in file["checksums"]}
        if sums != LENGTHS:
            found.append(f"{file.get('SPDXID')}: checksums {sums}")
    found += ids(document)
    return found
