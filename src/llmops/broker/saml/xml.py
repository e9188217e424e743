"""The only XML parser: UTF-8, no DTD, no entities, no network, bounded in size, depth and width.

Messages, decrypted assertions and metadata all come through `parse`, and the signature library is handed the
same `parser()`, so nobody ever reads a message with other rules than those under which it was checked.
"""

from collections.abc import Iterable
from itertools import chain, islice

from lxml import etree

from llmops.errors import Failure, SamlMalformed

MESSAGE_LIMIT_BYTES = 256 * 1024
METADATA_LIMIT_BYTES = 5 * 1024 * 1024
DEPTH_LIMIT = 40
ELEMENT_LIMIT = 10_000
ATTRIBUTE_LIMIT = 64
NAMESPACE_LIMIT = 64
"""Declarations in scope at one element, its ancestors' counted. Identity providers have about ten."""


def parser() -> etree.XMLParser:
    """A fresh parser with the one set of rules: making one takes a microsecond, sharing one takes a lock."""
    return etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        recover=False,
    )


def parse(
    document: bytes,
    *,
    limit_bytes: int = MESSAGE_LIMIT_BYTES,
    allow_comments: bool = False,
    failure: type[Failure] = SamlMalformed,
) -> etree._Element:
    """The root element of one XML document.

    `allow_comments` is for metadata, where real files carry comments and processing instructions; a message
    that has one is refused, because a comment inside a value is what splits it for careless readers.
    Raises: `failure`; its `problem` is too_large, encoding, doctype, not_xml, comment, too_deep or too_wide.
    Source: OWASP XML External Entity Prevention; SAML-02, SAML-04; CVE-2017-11427.
    """
    if len(document) > limit_bytes:
        raise failure(problem="too_large", seen=len(document), expected=limit_bytes)
    try:
        document.decode("utf-8")
        root = etree.fromstring(document, parser())
    except UnicodeDecodeError:
        raise failure(problem="encoding", expected="UTF-8") from None
    except etree.XMLSyntaxError as error:
        raise failure(problem="not_xml", seen=error.msg) from None
    declared = root.getroottree().docinfo
    if (declared.encoding or "UTF-8").upper() not in ("UTF-8", "UTF8"):
        raise failure(problem="encoding", seen=declared.encoding, expected="UTF-8")
    if declared.internalDTD is not None or declared.externalDTD is not None or declared.doctype:
        raise failure(problem="doctype")
    if not allow_comments and (root.getprevious() is not None or root.getnext() is not None):
        raise failure(problem="comment")
    _bound(root, allow_comments, failure)
    _bound_namespaces(root, failure)
    return root


def _bound(root: etree._Element, allow_comments: bool, failure: type[Failure]) -> None:
    """Walk the tree level by level and refuse one that is too deep, too wide, or holds more than elements."""
    count = 0
    depth = 0
    level: Iterable[etree._Element] = [root]
    while level := list(islice(chain.from_iterable(level) if depth else level, ELEMENT_LIMIT - count + 1)):
        depth += 1
        count += len(level)
        if depth > DEPTH_LIMIT:
            raise failure(problem="too_deep", expected=DEPTH_LIMIT)
        if count > ELEMENT_LIMIT:
            raise failure(problem="too_wide", expected=ELEMENT_LIMIT)
        for node in level:
            if isinstance(node.tag, str):
                if len(node.keys()) > ATTRIBUTE_LIMIT:
                    raise failure(problem="too_wide", expected=ATTRIBUTE_LIMIT)
            elif not allow_comments or isinstance(node, etree._Entity):
                raise failure(problem="comment")


def _bound_namespaces(root: etree._Element, failure: type[Failure]) -> None:
    """Refuse what would hold up canonicalization, which looks through all namespaces in scope at every element.

    38 times 60 declarations, one element in the other, took it 0.4 s; there may be many beside each other.
    """
    in_scope = 0
    for event, _ in etree.iterwalk(root, events=("start-ns", "end-ns")):
        in_scope += 1 if event == "start-ns" else -1
        if in_scope > NAMESPACE_LIMIT:
            raise failure(problem="too_wide", seen="namespaces", expected=NAMESPACE_LIMIT)


def text(element: etree._Element) -> str:
    """The whole text of a value element, which must not contain elements.

    Raises: SamlMalformed. Source: SAML-04, never "the first text node"; CVE-2017-11427, CVE-2022-39299.
    """
    if len(element):
        raise SamlMalformed(problem="value_with_elements", seen=element.tag)
    return element.text or ""
