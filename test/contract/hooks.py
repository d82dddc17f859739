"""What schemathesis needs to know beside docs/openapi.yaml.

Random identifiers, chats and file names would be refused at the door, so most cases get ones that exist. Which case
gets what derives from the case itself: the same seed makes the same requests.
"""

import os
import zlib

import schemathesis

KNOWN = {
    "identifier": os.environ["CONTRACT_IDENTIFIER"],
    "file": os.environ["CONTRACT_FILE"],
    "id": os.environ["CONTRACT_FILE"].partition(".")[0],
    "chat_id": os.environ["CONTRACT_CHAT"],
    "organization_id": os.environ["CONTRACT_ORGANIZATION"],
}

# Every answer may have these; all others belong to the contract of one.
ANY_ANSWER = {"content-type", "content-length", "transfer-encoding", "connection", "date"}


def some(value, of=4):
    """True for three of four values, always for the same ones."""
    return zlib.crc32(repr(value).encode("utf-8", "backslashreplace")) % of != 0


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    for name in path_parameters or {}:
        if name in KNOWN and some(path_parameters[name]):
            path_parameters[name] = KNOWN[name]
    return path_parameters


@schemathesis.hook
def map_query(context, query):
    if query and "chat_id" in query and some(query["chat_id"]):
        query["chat_id"] = KNOWN["chat_id"]
    return query


@schemathesis.hook
def map_body(context, body):
    if isinstance(body, dict) and "webhook_id" in body and some(body):
        body["organization_id"] = KNOWN["organization_id"]
    return body


@schemathesis.check
def no_other_headers(ctx, response, case):
    """An answer has no header that the document does not name."""
    responses = case.operation.definition.raw["responses"]
    described = responses.get(str(response.status_code))
    if described is None:
        return  # status_code_conformance tells
    while "$ref" in described:
        part = case.operation.schema.raw_schema
        for key in described["$ref"].split("/")[1:]:
            part = part[key]
        described = part
    known = ANY_ANSWER | {name.lower() for name in described.get("headers", {})}
    other = sorted(set(response.headers) - known)
    assert not other, f"headers that are not described: {', '.join(other)}"
