#!/usr/bin/env python3
"""shapes.py DIR > kfake/src/net/shapes.txt

Writes the wire shape of every request from Apache Kafka's own message definitions: DIR is the folder `common/message`
of a kafka-clients jar. A line is an API: its key, its name, the first flexible version (or -), its fields.

  1 2 4 8 16   a fixed number of bytes          s   a string      b   bytes or records
  [ … ]        an array of structs              [x] an array of x ( … ) a struct      (? … ) one that may be null
  @A-B @A+     only in these versions           #T  tagged field T
"""
import json, pathlib, re, sys

FIXED = {"bool": 1, "int8": 1, "int16": 2, "uint16": 2, "int32": 4, "uint32": 4, "float64": 8, "int64": 8, "uuid": 16}


def load(path):
    lines = [re.sub(r"^\s*//.*$", "", line) for line in path.read_text().splitlines()]
    return json.loads(re.sub(r"(?m)\s//[^\"]*$", "", "\n".join(lines)))


def kind(name, structs, field):
    if name.startswith("[]"):
        inner = kind(name[2:], structs, field)
        return f"[{inner.removeprefix('(').removeprefix('?')[:-1]}]" if inner.startswith("(") else f"[{inner}]"
    if name in FIXED:
        return str(FIXED[name])
    if name == "string":
        return "s"
    if name in ("bytes", "records"):
        return "b"
    fields = field.get("fields") or structs[name]
    opening = "(? " if "nullableVersions" in field else "( "
    return opening + " ".join(shape(f, structs) for f in fields) + " )"


def shape(field, structs):
    out = kind(field["type"], structs, field)
    versions = field.get("taggedVersions", field["versions"])
    if "tag" in field:
        out += f"#{field['tag']}"
    return out if versions == "0+" else f"{out}@{versions}"


def main(folder):
    requests = []
    for path in pathlib.Path(folder).glob("*Request.json"):
        message = load(path)
        if message.get("type") == "request" and message["validVersions"] != "none":
            requests.append(message)
    for m in sorted(requests, key=lambda m: m["apiKey"]):
        structs = {s["name"]: s["fields"] for s in m.get("commonStructs", [])}
        flexible = m["flexibleVersions"].rstrip("+").replace("none", "-")
        fields = " ".join(shape(f, structs) for f in m["fields"])
        print(m["apiKey"], m["name"].removesuffix("Request"), flexible, fields)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
