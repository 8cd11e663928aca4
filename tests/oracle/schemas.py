#!/usr/bin/env python3
"""schemas.py DIR > tests/differential/schemas.jsonl

Writes what the differential suite's codec needs of Apache Kafka's own message definitions: DIR is the folder
`common/message` of a kafka-clients jar. A line is a message that brokers take or send, as JSON: key, name, kind, valid
versions, first flexible version (null: none), fields. A field: n name, t type, v versions, and where it has them: u versions in
which it may be null, d default, g tag, w versions in which it is tagged, i ignorable, e what it identifies, f its fields,
x flexible versions of its own.
"""
import json, pathlib, re, sys


def load(path):
    lines = [re.sub(r"^\s*//.*$", "", line) for line in path.read_text().splitlines()]
    return json.loads(re.sub(r"(?m)\s//[^\"]*$", "", "\n".join(lines)))


def field(source, structs):
    name = source["type"].removeprefix("[]")
    # Kafka's own JSON has field names with a small first letter.
    out = {"n": source["name"][0].lower() + source["name"][1:], "t": source["type"], "v": source["versions"]}
    for short, key in (("u", "nullableVersions"), ("d", "default"), ("g", "tag"), ("w", "taggedVersions"),
                       ("i", "ignorable"), ("e", "entityType"), ("x", "flexibleVersions")):
        if key in source:
            out[short] = source[key]
    fields = source.get("fields") or structs.get(name)
    if fields:
        out["f"] = [field(f, structs) for f in fields]
    return out


def main(folder):
    messages = []
    for path in pathlib.Path(folder).glob("*.json"):
        message = load(path)
        if message.get("type") in ("request", "response") and message["validVersions"] != "none":
            messages.append(message)
    on_brokers = {m["apiKey"] for m in messages if "broker" in m.get("listeners", [])}
    for m in sorted(messages, key=lambda m: (m["apiKey"], m["type"])):
        if m["apiKey"] not in on_brokers:
            continue
        structs = {s["name"]: s["fields"] for s in m.get("commonStructs", [])}
        flexible = m["flexibleVersions"].rstrip("+")
        print(json.dumps({
            "key": m["apiKey"], "name": re.sub("(Request|Response)$", "", m["name"]), "kind": m["type"],
            "valid": m["validVersions"], "flexible": None if flexible == "none" else int(flexible),
            "fields": [field(f, structs) for f in m["fields"]]}, separators=(",", ":")))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
