"""Questions that nobody waits for, from the order to the answer: real models, a real runner, real rows."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.ai.measures import word_error_rate
from appliance.ai.sound import to_wav
from appliance.jobs.registry import Registry
from appliance.questions.queued import add_question_jobs
from appliance.settings import AiSettings
from tests.support.ai_models import data_file, recording
from tests.support.ai_sounds import encoded, tone
from tests.support.api_server import Account, ApiServer, serving, settings_for
from tests.support.questions import ai_settings, ask_raw
from tests.support.waiting import wait_for

pytestmark = pytest.mark.slow

FOX = "the quick brown fox jumps over the lazy dog"


def bind(registry: Registry, services: Any) -> None:
    most = services.settings.ai.max_request_bytes
    add_question_jobs(registry, services.database, services.files, services.inference, most_bytes=most)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    settings = ai_settings(tmp_path_factory.mktemp("queue"), "moonshine-tiny-en", "emotion", "face-spoof")
    with serving(settings, fill=bind) as server:
        yield server


@pytest.fixture(scope="module")
def root(server: ApiServer) -> Account:
    return server.admin()


@pytest.fixture(scope="module")
def ann(server: ApiServer, root: Account) -> Account:
    return server.user("ann")


@pytest.fixture(scope="module")
def ben(server: ApiServer, root: Account) -> Account:
    return server.user("ben")


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def over(account: Account, path: str) -> Any:
    """The view, when the job is over."""
    return wait_for(lambda: (found := account.get(path).data)["finished_at"] and found, within_s=60)


def uploaded(account: Account, name: str, data: bytes, meeting_id: str = "") -> str:
    query = f"?name={name}" + (f"&meeting_id={meeting_id}" if meeting_id else "")
    reply = ask_raw(account, f"/media/upload{query}", data, "application/octet-stream")
    return str(reply.data["id"])


def test_a_submitted_question_is_answered_later(server: ApiServer, ann: Account, ben: Account) -> None:
    fox = to_wav(recording("en_quick_brown_fox"))
    body = {"task": "asr", "audio": b64(fox), "options": {"language": "en"}}
    submitted = ann.post("/inference/submit", body).data
    assert submitted["state"] in ("waiting", "running") and submitted["answers"] == []
    path = f"/inference/{submitted['task_id']}"
    assert ben.get(path).error == "not_found: task_id"
    done = over(ann, path)
    (answer,) = done["answers"]
    assert (done["state"], done["progress"], answer["task"], answer["code"]) == ("done", 1.0, "asr", 200)
    assert word_error_rate(FOX, answer["data"]["text"]) < 0.2
    assert answer["data"]["task_id"] == done["task_id"] and answer["data"]["model"] == "moonshine-tiny-en"
    assert ann.get(f"/ai/results/{done['task_id']}").data == done
    assert ann.call("DELETE", path).error == "wrong_state: task_id"


def test_what_a_model_cannot_make_of_it_is_an_answer(ann: Account) -> None:
    body = {"task": "emotion", "image": b64(b"no picture")}
    done = over(ann, f"/inference/{ann.post('/inference/submit', body).data['task_id']}")
    (answer,) = done["answers"]
    assert (done["state"], answer["code"], answer["error"]) == ("done", 422, "bad_picture: image")
    body = {"task": "synthesis", "audio": b64(to_wav(tone(0.2)))}
    done = over(ann, f"/inference/{ann.post('/inference/submit', body).data['task_id']}")
    assert (done["answers"][0]["code"], done["answers"][0]["error"]) == (503, "model_not_installed")


def test_a_file_is_analyzed_and_the_meetings_members_see_it(ann: Account, ben: Account, root: Account) -> None:
    meeting = ann.post("/meetings", {"title": "Foxes"}).data
    film = encoded(recording("en_quick_brown_fox"), "mp4", "aac", 16_000)
    media_id = uploaded(ann, "fox.m4a", film, meeting["id"])
    ordered = ann.post("/ai/analyze", {"media_id": media_id, "language": "en"}).data
    assert ordered["tasks"] == ["asr", "synthesis"] and ordered["meeting_id"] == meeting["id"]
    done = over(ann, f"/ai/results/{ordered['task_id']}")
    heard, voice = done["answers"]
    assert word_error_rate(FOX, heard["data"]["text"]) < 0.2
    assert (voice["code"], voice["error"]) == (503, "model_not_installed")
    listed = f"/ai/analysis/{meeting['id']}"
    assert [one["task_id"] for one in ann.get(listed).data["items"]] == [ordered["task_id"]]
    assert ben.get(listed).status in (403, 404)
    assert ben.get(f"/ai/results/{ordered['task_id']}").error == "not_found: task_id"
    ann.post(f"/meetings/{meeting['id']}/invite", {"user_ids": [ben.id]})
    assert ben.get(f"/ai/results/{ordered['task_id']}").data == done
    assert ben.get(listed).data["items"] == [done]
    assert root.get(f"/ai/results/{ordered['task_id']}").data == done


def test_a_picture_is_analyzed(ann: Account) -> None:
    media_id = uploaded(ann, "face.png", data_file("astronaut").read_bytes())
    done = over(ann, f"/ai/results/{ann.post('/ai/analyze', {'media_id': media_id}).data['task_id']}")
    seen, checked = done["answers"]
    assert seen["data"]["faces"][0]["emotion"] == "happy" and checked["data"]["verdict"] == "real"


def test_nonsense_is_refused_at_once(ann: Account, ben: Account) -> None:
    media_id = uploaded(ann, "face.png", data_file("astronaut").read_bytes())
    letter = uploaded(ann, "letter.txt", b"hello " * 10)
    for body, error in (
        ({"media_id": "med_nothing"}, "not_found: media_id"),
        ({"media_id": letter}, "bad_media: media_id"),
        ({"media_id": media_id, "tasks": ["asr"]}, "invalid_field: tasks"),
        ({"media_id": media_id, "tasks": []}, "invalid_field: tasks"),
        ({"media_id": media_id, "language": "?"}, "invalid_field: language"),
    ):
        assert ann.post("/ai/analyze", body).error == error
    assert ben.post("/ai/analyze", {"media_id": media_id}).error == "not_found: media_id"
    for body, error in (
        ({"task": "asr"}, "invalid_field: audio"),
        ({"task": "asr", "image": ""}, "invalid_field: audio"),
        ({"task": "denoise", "audio": ""}, "invalid_field: task"),
        ({"task": "asr", "audio": "", "options": {"language": 7}}, "invalid_field: options.language"),
        ({"task": "asr", "audio": "", "meeting_id": "mtg_nothing"}, "not_found: meeting_id"),
    ):
        assert ann.post("/inference/submit", body).error == error
    assert ask_raw(ann, "/inference/submit", b"", "audio/wav").error == "unsupported_media_type: Content-Type"
    assert ann.get("/inference/job_nothing").error == "not_found: task_id"


def test_a_waiting_question_is_cancelled_by_who_asked(tmp_path: Path) -> None:
    """No runner here: jobs wait."""
    with serving(settings_for(tmp_path)) as server:
        ann, ben = server.user("ann"), server.user("ben")
        task_id = ann.post("/inference/submit", {"task": "asr", "audio": b64(to_wav(tone(0.1)))}).data["task_id"]
        assert ben.call("DELETE", f"/inference/{task_id}").error == "not_found: task_id"
        assert ann.call("DELETE", f"/inference/{task_id}").data["state"] == "cancelled"
        assert ann.call("DELETE", f"/inference/{task_id}").error == "wrong_state: task_id"


def test_what_cannot_be_ordered_leaves_no_sound(tmp_path: Path) -> None:
    """The job that removes it is there before the sound is."""
    with serving(settings_for(tmp_path)) as server:
        root, ann = server.admin(), server.user("ann")
        folder = Path(server.services.settings.data.folder) / "files" / "questions"
        folder.parent.mkdir(exist_ok=True)
        folder.write_bytes(b"no folder")
        failed = ann.post("/inference/submit", {"task": "asr", "audio": b64(to_wav(tone(0.1)))})
        assert failed.status >= 500
        assert [job["type"] for job in root.get("/admin/jobs").data["items"]] == ["ai.forget_source"]


def test_switched_off_nothing_is_taken(tmp_path: Path) -> None:
    with serving(settings_for(tmp_path, ai=AiSettings(enabled=False))) as server:
        ann = server.user("ann")
        body = {"task": "asr", "audio": b64(to_wav(tone(0.1)))}
        assert ann.post("/inference/submit", body).error == "ai_off"
        assert not list(Path(server.services.settings.data.folder).glob("files/questions/*"))


def test_a_bound_holds(tmp_path: Path) -> None:
    with serving(settings_for(tmp_path, ai=AiSettings(max_request_bytes=10_000)), fill=bind) as server:
        ann = server.user("ann")
        media_id = uploaded(ann, "long.wav", to_wav(tone(1.0)))
        assert ann.post("/ai/analyze", {"media_id": media_id}).error == "payload_too_large: media_id"
        large = {"task": "asr", "audio": b64(bytes(100_000))}
        assert ann.post("/inference/submit", large).error == "payload_too_large: audio or image"
