"""Queues, credit, deadlines, sessions and shedding, with time as a number."""

from __future__ import annotations

import random
from itertools import count

from appliance.inference.entries import Duty
from appliance.inference.scheduling import MOST_ATTEMPTS, SESSION_IDLE_S, Priority, Scheduler, Work

_ids = count(1)


def _work(
    model: str = "asr",
    *,
    duty: Duty = "captions",
    priority: Priority = "normal",
    deadline_s: float = 10.0,
    session: str | None = None,
    payload: bytes = b"",
) -> Work:
    return Work(
        id=next(_ids),
        model=model,
        duty=duty,
        priority=priority,
        deadline_s=deadline_s,
        options={},
        payload=payload,
        session=session,
    )


def _scheduler(*, limit: int = 100, limit_bytes: int = 1_000_000) -> Scheduler:
    return Scheduler(limit=limit, limit_bytes=limit_bytes)


def _with_worker(credit: int = 10, limit: int = 100, **caps: int) -> Scheduler:
    scheduler = _scheduler(limit=limit)
    scheduler.peer_up("a", credit=credit, caps=caps or {"asr": 10}, loaded=frozenset())
    return scheduler


def test_what_is_submitted_goes_to_the_worker_in_order() -> None:
    scheduler = _with_worker()
    works = [_work() for _ in range(3)]
    for work in works:
        assert scheduler.submit(work, 0.0) == []
    assert scheduler.assign() == [("a", work) for work in works]
    assert scheduler.assign() == []


def test_the_urgent_goes_first_and_captions_before_vision() -> None:
    scheduler = _with_worker(asr=10, emotion=10)
    vision = _work("emotion", duty="vision")
    captions = _work("asr", duty="captions")
    critical = _work("emotion", duty="vision", priority="critical")
    low = _work("asr", priority="low")
    for work in (vision, low, captions, critical):
        scheduler.submit(work, 0.0)
    order = [work for _, work in scheduler.assign()]
    assert order.index(critical) < order.index(vision), "within a model"
    assert order.index(captions) < order.index(low)
    assert order[0] is critical, "and the models by their most urgent request"


def test_a_worker_never_has_more_than_its_credit() -> None:
    scheduler = _with_worker(credit=3, asr=2, emotion=2)
    for _ in range(5):
        scheduler.submit(_work("asr"), 0.0)
        scheduler.submit(_work("emotion", duty="vision"), 0.0)
    first = [work for _, work in scheduler.assign()]
    assert [work.model for work in first].count("asr") == 2, "two at most of one model"
    assert len(first) == 3, "three over all"
    assert scheduler.answered("a", first[0].id) is first[0]
    assert len(scheduler.assign()) == 1
    assert scheduler.statistics()["running"] == 3


def test_a_full_model_does_not_hold_up_another() -> None:
    scheduler = _with_worker(asr=1, emotion=1)
    for _ in range(5):
        scheduler.submit(_work("emotion", duty="vision", priority="critical"), 0.0)
    scheduler.submit(asr := _work("asr", priority="low"), 0.0)
    assert asr in [work for _, work in scheduler.assign()]


def test_vision_is_shed_before_audio_before_captions_and_the_oldest_of_them_first() -> None:
    scheduler = _scheduler(limit=4)
    captions, audio = _work(), _work("denoise", duty="audio")
    old, new = _work("emotion", duty="vision"), _work("emotion", duty="vision")
    for work in (captions, audio, old, new):
        assert scheduler.submit(work, 0.0) == []
    for victim in (old, new, audio, captions):
        (verdict,) = scheduler.submit(_work(priority="high"), 0.0)
        assert (verdict.work, verdict.code) == (victim, "overloaded")
    assert scheduler.statistics()["shed"] == {"vision": 2, "audio": 1, "captions": 1}


def test_a_late_picture_is_refused_itself_when_only_captions_wait() -> None:
    scheduler = _scheduler(limit=1)
    scheduler.submit(_work(), 0.0)
    picture = _work("emotion", duty="vision")
    assert [verdict.work for verdict in scheduler.submit(picture, 0.0)] == [picture]


def test_payloads_are_bounded_too() -> None:
    scheduler = _scheduler(limit_bytes=10)
    first = _work(payload=b"12345678")
    scheduler.submit(first, 0.0)
    assert [verdict.work for verdict in scheduler.submit(_work(payload=b"123"), 0.0)] == [first]
    assert scheduler.statistics()["waiting_bytes"] == 3
    assert first.payload == b"", "what is shed holds no memory"


def test_what_is_late_expires_wherever_it_is() -> None:
    scheduler = _with_worker(asr=1)
    running, waiting = _work(deadline_s=5.0), _work(deadline_s=4.0)
    scheduler.submit(running, 0.0)
    scheduler.submit(waiting, 0.0)
    scheduler.assign()
    assert scheduler.next_deadline_s() == 4.0
    assert scheduler.expire(3.9) == []
    assert [verdict.work for verdict in scheduler.expire(5.0)] == [waiting, running]
    assert scheduler.statistics()["running"] == 1, "the worker still has it"
    assert scheduler.answered("a", running.id) is None, "and nobody waits for the answer"
    assert scheduler.statistics()["running"] == 0
    assert scheduler.next_deadline_s() == float("inf")


def test_what_is_forgotten_is_not_sent() -> None:
    scheduler = _with_worker(asr=1)
    first, second, third = _work(), _work(), _work()
    for work in (first, second, third):
        scheduler.submit(work, 0.0)
    scheduler.assign()
    assert scheduler.forget(second) is None
    assert scheduler.forget(first) == "a", "the worker may drop it"
    assert scheduler.answered("a", first.id) is None
    assert [work for _, work in scheduler.assign()] == [third]


def test_a_dead_workers_requests_are_repeated_once() -> None:
    scheduler = _with_worker(asr=5)
    work, late = _work(), _work(deadline_s=1.0)
    scheduler.submit(work, 0.0)
    scheduler.submit(late, 0.0)
    scheduler.assign()
    (verdict,) = scheduler.peer_down("a", 2.0)
    assert (verdict.work, verdict.code) == (late, "expired")
    scheduler.peer_up("b", credit=5, caps={"asr": 5}, loaded=frozenset())
    assert scheduler.assign() == [("b", work)]
    (verdict,) = scheduler.peer_down("b", 3.0)
    assert (verdict.work, verdict.code) == (work, "worker_died")
    assert work.attempts == MOST_ATTEMPTS
    assert scheduler.statistics()["repeated"] == 1


def test_repeated_requests_keep_their_place() -> None:
    scheduler = _with_worker(asr=2)
    works = [_work() for _ in range(4)]
    for work in works:
        scheduler.submit(work, 0.0)
    scheduler.assign()
    scheduler.peer_down("a", 0.0)
    scheduler.peer_up("b", credit=9, caps={"asr": 9}, loaded=frozenset())
    assert [work for _, work in scheduler.assign()] == works


def test_a_session_stays_on_its_worker_and_in_order() -> None:
    scheduler = _scheduler()
    for key in ("a", "b"):
        scheduler.peer_up(key, credit=10, caps={"asr": 2}, loaded=frozenset())
    first = _work(session="s")
    scheduler.submit(first, 0.0)
    ((home, _),) = scheduler.assign()
    others = [_work(session="s", priority=priority) for priority in ("low", "critical", "normal")]
    for work in others:
        scheduler.submit(work, 0.0)
    seen = [first]
    for _ in range(5):
        for peer, work in scheduler.assign():
            assert peer == home, "the other worker is idle, and must not get it"
            seen.append(work)
        scheduler.answered(home, seen[0].id) or [scheduler.answered(home, work.id) for work in seen]
    assert seen == [first, *others], "no priority overtakes within a session"


def test_another_session_goes_to_the_idle_worker() -> None:
    scheduler = _scheduler()
    for key in ("a", "b"):
        scheduler.peer_up(key, credit=10, caps={"asr": 2}, loaded=frozenset())
    homes = set()
    for name in ("s", "t"):
        scheduler.submit(_work(session=name), 0.0)
        homes.update(key for key, _ in scheduler.assign())
    assert homes == {"a", "b"}


def test_a_full_home_does_not_hold_up_others() -> None:
    scheduler = _scheduler()
    scheduler.peer_up("a", credit=1, caps={"asr": 1}, loaded=frozenset())
    scheduler.submit(_work(session="s"), 0.0)
    scheduler.assign()
    scheduler.peer_up("b", credit=5, caps={"asr": 5}, loaded=frozenset())
    waits, goes = _work(session="s"), _work()
    scheduler.submit(waits, 0.0)
    scheduler.submit(goes, 0.0)
    assert scheduler.assign() == [("b", goes)]


def test_a_lost_worker_gives_a_session_another_epoch() -> None:
    scheduler = _with_worker(asr=5)
    first = _work(session="s")
    scheduler.submit(first, 0.0)
    scheduler.assign()
    assert first.epoch == 1
    scheduler.peer_down("a", 1.0)
    scheduler.peer_up("b", credit=5, caps={"asr": 5}, loaded=frozenset())
    assert scheduler.assign() == [("b", first)]
    assert first.epoch == 2
    assert scheduler.close_session("asr", "s") == "b"
    assert scheduler.close_session("asr", "s") is None


def test_forgotten_sessions_are_found() -> None:
    scheduler = _with_worker()
    scheduler.submit(_work(session="s"), 0.0)
    assert scheduler.idle_sessions(SESSION_IDLE_S) == []
    assert scheduler.idle_sessions(SESSION_IDLE_S + 1) == [("asr", "s")]


def test_a_worker_that_has_the_model_loaded_is_preferred_until_it_is_full() -> None:
    scheduler = _scheduler()
    scheduler.peer_up("cold", credit=10, caps={"asr": 2}, loaded=frozenset())
    scheduler.peer_up("warm", credit=10, caps={"asr": 2}, loaded=frozenset({"asr"}))
    for _ in range(3):
        scheduler.submit(_work(), 0.0)
    assert [key for key, _ in scheduler.assign()] == ["warm", "warm", "cold"]


def test_what_no_worker_has_waits() -> None:
    scheduler = _with_worker(asr=1)
    scheduler.submit(_work("emotion"), 0.0)
    assert scheduler.assign() == []
    assert not scheduler.can_run("emotion")
    scheduler.peer_up("a", credit=10, caps={"asr": 1, "emotion": 1}, loaded=frozenset())
    assert len(scheduler.assign()) == 1


def test_every_request_ends_once_and_credit_comes_back_whatever_happens() -> None:
    """2,000 random steps: no request is lost or ends twice, no worker has more than its credit."""
    for seed in range(20):
        chance = random.Random(seed)
        scheduler = _scheduler(limit=8)
        alive: dict[str, dict[int, Work]] = {}
        open_works: dict[int, Work] = {}
        now = 0.0
        names = count()

        def end(works: list[Work], open_works: dict[int, Work] = open_works) -> None:
            for work in works:
                del open_works[work.id]  # KeyError: ended twice

        for _ in range(100):
            now += chance.random()
            step = chance.choice(("submit", "submit", "submit", "answer", "answer", "forget", "up", "down", "expire"))
            if step == "submit":
                work = _work(
                    chance.choice(("asr", "emotion")),
                    duty=chance.choice(("captions", "vision")),
                    deadline_s=now + chance.random() * 8,
                    session=chance.choice((None, "s", "t")),
                )
                open_works[work.id] = work
                end([verdict.work for verdict in scheduler.submit(work, now)])
            elif step == "answer" and any(alive.values()):
                key = chance.choice([key for key, works in alive.items() if works])
                _, work = alive[key].popitem()
                if (answered := scheduler.answered(key, work.id)) is not None:
                    end([answered])
            elif step == "forget" and open_works:
                work = chance.choice(list(open_works.values()))
                scheduler.forget(work)
                end([work])
            elif step == "up" and len(alive) < 3:
                key = f"w{next(names)}"
                alive[key] = {}
                scheduler.peer_up(key, credit=3, caps={"asr": 2, "emotion": 2}, loaded=frozenset())
            elif step == "down" and alive:
                key = chance.choice(list(alive))
                del alive[key]
                end([verdict.work for verdict in scheduler.peer_down(key, now)])
            elif step == "expire":
                end([verdict.work for verdict in scheduler.expire(now)])
            for key, work in scheduler.assign():
                alive[key][work.id] = work
                assert len(alive[key]) <= 3
        end([verdict.work for verdict in scheduler.expire(now + 100)])
        assert not open_works
        assert scheduler.statistics()["waiting"] == scheduler.statistics()["waiting_bytes"] == 0
