"""Headers of tus 1.0.0, as its specification has them."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from appliance.api import tus
from appliance.errors import UserError


def refusal(read: Any, **sent: str) -> UserError:
    with pytest.raises(UserError) as caught:
        read({name.replace("_", "-"): value for name, value in sent.items()})
    return caught.value


def test_the_version_is_asked_for() -> None:
    tus.check_version({"tus-resumable": "1.0.0"})
    for sent in ({}, {"tus_resumable": "0.2.2"}):
        error = refusal(tus.check_version, **sent)
        assert (error.status, error.field) == (412, "Tus-Resumable")


def test_numbers() -> None:
    assert tus.length({"upload-length": "100"}) == 100
    assert tus.offset({"upload-offset": "0"}) == 0
    for wrong in ("", "-1", "1.5", "1e3", "0x10", "٣", "9" * 17, "1 2"):
        assert refusal(tus.offset, upload_offset=wrong).field == "Upload-Offset"
    assert refusal(tus.length).field == "Upload-Length"
    assert refusal(tus.length, upload_defer_length="1").field == "Upload-Defer-Length"


def test_metadata() -> None:
    assert tus.metadata({}) == ("", {})
    text = "filename d29ybGRfZG9taW5hdGlvbl9wbGFuLnBkZg==,is_confidential"
    assert tus.metadata({"upload-metadata": text}) == (
        text,
        {"filename": "world_domination_plan.pdf", "is_confidential": ""},
    )
    _, pairs = tus.metadata({"upload-metadata": "filename w5xiLgBwbmc=, meeting_id bXRn"})
    assert pairs == {"filename": "Üb.png", "meeting_id": "mtg"}  # a NUL is dropped
    for wrong in ("a !", "a YQ==,a YQ==", ",", "ä YQ==", "a YQ== x", "x" * 5000):
        assert refusal(tus.metadata, upload_metadata=wrong).field == "Upload-Metadata"


def test_checksums() -> None:
    assert tus.checksum({}) is None
    found = tus.checksum({"upload-checksum": "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0="})
    assert found is not None
    hashed = found.begin()
    hashed.update(b"hello world")
    assert hashed.digest() == found.digest == hashlib.sha1(b"hello world").digest()
    for wrong in ("crc32 AAAA", "sha1", "sha1 !", "sha1 YQ==", "SHA1 Kq5sNclPz7QV2+lfQIuc6R7oRu0="):
        assert refusal(tus.checksum, upload_checksum=wrong).field == "Upload-Checksum"


def test_dates_are_those_of_http() -> None:
    assert tus.expires(1_403_695_696_000) == "Wed, 25 Jun 2014 11:28:16 GMT"
