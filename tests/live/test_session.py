"""A session numbers what it sends, with a socket or without."""

from __future__ import annotations

from appliance.live.session import Session
from appliance.signaling.connection import CloseCode, FrameRate, SendLog
from appliance.signaling.frames import encode
from appliance.signaling.messages import Heartbeat, RoomChanged
from appliance.signaling.negotiation import SeatPlan
from tests.support.still_media import StillMedia


class Written:
    """A socket's writing end that keeps what it is given."""

    def __init__(self) -> None:
        self.frames: list[str] = []

    def push(self, frame: str) -> None:
        self.frames.append(frame)

    def finish(self, code: CloseCode, reason: str) -> None:
        self.frames.append(f"closed {int(code)} {reason}")


def test_frames_are_numbered_kept_and_queued_while_there_is_a_socket() -> None:
    written = Written()
    session = Session(
        session_id="ses_1",
        resume_token="t",
        participant_id="prt_1",
        token_id="jnt_1",
        log=SendLog(frames=16),
        media=StillMedia().open_room("m").open_session("prt_1"),
        plan=SeatPlan(initial=1, most=1, audio_seats=0),
        data_channel=True,
        reactions=FrameRate(per_s=1, burst=1, now=0),
        link=written,
    )
    message = RoomChanged(title="t", locked=False)
    session.send(message)
    session.send(message, encode(message))
    session.send(Heartbeat(server_time_ms=1))
    session.link = None
    session.send(message)
    assert [frame[:9] for frame in written.frames] == ['{"seq":1,', '{"seq":2,', '{"type":"']
    assert session.log.replay(2) == [f'{{"seq":3,{encode(message)[1:]}']
