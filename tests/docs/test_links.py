"""Links between the documents lead somewhere."""

from urllib.parse import urlsplit

import pytest

from tests.docs.markdown import REPOSITORY, anchors, documents, links


@pytest.mark.parametrize("document", documents(), ids=lambda one: str(one.relative_to(REPOSITORY)))
def test_local_links_lead_to_what_is_there(document):
    for link in links(document):
        parts = urlsplit(link)
        if parts.scheme:
            continue
        target = (document.parent / parts.path).resolve() if parts.path else document
        assert target.exists(), link
        assert target.is_relative_to(REPOSITORY), link
        assert not parts.fragment or parts.fragment in anchors(target), link


def test_every_document_can_be_found_from_the_readme():
    found, to_read = set(), [REPOSITORY / "README.md"]
    while to_read:
        document = to_read.pop()
        found.add(document)
        targets = {(document.parent / urlsplit(one).path).resolve() for one in links(document)}
        to_read += (targets & set(documents())) - found
    assert set(documents()) - found == set()
