"""Programs that stream in over WHIP and out over WHEP, beside people: aiortc, FFmpeg, and a page of 30 lines."""

from __future__ import annotations

import datetime
import fractions
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import av
import numpy as np
import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from appliance.asyncio_thread import AsyncioThread, open_asyncio_thread
from tests.e2e.person import alike, new_meeting
from tests.support.bot import open_bot
from tests.support.browser import Chromium
from tests.support.media import COLOURS
from tests.support.peer import Peer, loopback_candidates
from tests.support.server import Server
from tests.support.whip import HttpStream, fragment

WITHIN_S = 60.0


def token_for(server: Server, code: str, name: str) -> str:
    return str(server.client().post(f"/meetings/{code}/join", {"name": name})["token"])


async def open_peer(clients: AsyncioThread, peer: Peer, stream: HttpStream) -> None:
    offer = await clients.call(peer.offer)
    await clients.call(peer.accept, await trio.to_thread.run_sync(stream.open, offer.sdp))


async def test_aiortc_streams_in_and_out(server: Server) -> None:
    code = new_meeting(server.client().register("ana", "Ana"))["code"]
    studio = HttpStream(f"{server.url}/whip/{code}", token_for(server, code, "Studio"))
    wall = HttpStream(f"{server.url}/whep/{code}", token_for(server, code, "Wall"))
    source, screen = Peer(colour=COLOURS["blue"], tone_hz=440, channels=False), Peer(seats=1, channels=False)
    with loopback_candidates(), trio.fail_after(WITHIN_S):
        async with (
            open_asyncio_thread() as clients,
            open_bot(server.url, code, "Robbie", clients, peer=Peer(channels=False)) as bot,
        ):
            await open_peer(clients, source, studio)
            await bot.until(lambda: any(p.name == "Studio" for p in bot.participants.values()), "Studio is listed")
            await bot.until(
                lambda: any(s.seen.frames > 5 and s.heard.loud > 1e4 for s in bot.peer.seats), "the bot meets Studio"
            )
            await open_peer(clients, screen, wall)
            await bot.until(lambda: screen.seats[0].seen.frames > 5 and screen.seats[0].heard.loud > 1e4, "Wall sees")
            assert alike(screen.seats[0].seen.colour, COLOURS["blue"])
            assert {p.name for p in bot.participants.values()} == {"Robbie", "Studio", "Wall"}

            trickled = await trio.to_thread.run_sync(lambda: wall.patch("a=end-of-candidates"))
            assert trickled.status == 204
            assert (await trio.to_thread.run_sync(wall.close)).status == 200
            await bot.until(lambda: len(bot.participants) == 2, "Wall left")
            late = await trio.to_thread.run_sync(lambda: wall.patch(fragment("efgh"), if_match="*"))
            assert late.status == 404
            await clients.call(screen.close)
            # says goodbye by DTLS alone: its media end, and with them the stream
            await clients.call(source.close)
            await bot.until(lambda: len(bot.participants) == 1, "Studio left")


class Ffmpeg:
    """FFmpeg's own WHIP client (libavformat, `-f whip`) with H.264 and Opus, in a thread of its own."""

    def __init__(self, url: str, token: str, colour: tuple[int, int, int], **options: str) -> None:
        self._url = url
        self._options = {"authorization": token, **options}
        self._colour = colour
        self._stop = threading.Event()
        self.failure: Exception | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self._run, name="ffmpeg")
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join(WITHIN_S)
        assert not thread.is_alive() and self.failure is None, self.failure

    def _run(self) -> None:
        try:
            with av.open(self._url, "w", format="whip", options=self._options) as out:
                self._stream(out)
        except Exception as error:
            self.failure = error

    def _stream(self, out: Any) -> None:
        fps, rate, samples = 15, 48_000, 960
        video = out.add_stream("libx264", rate=fps, options={"preset": "ultrafast", "tune": "zerolatency", "g": "15"})
        video.width, video.height, video.pix_fmt, video.profile = 160, 96, "yuv420p", "Baseline"
        audio = out.add_stream("libopus", rate=rate)
        audio.layout = "stereo"
        image = np.full((96, 160, 3), self._colour, dtype=np.uint8)
        for number in range(int(WITHIN_S * 50)):  # of 20 ms; a picture with every third, about
            if self._stop.wait(0.02):
                return
            wave = 12_000 * np.sin(2 * np.pi * 440 * (number * samples + np.arange(samples)) / rate)
            sound = av.AudioFrame.from_ndarray(np.repeat(wave, 2).astype(np.int16)[None, :], "s16", "stereo")
            sound.sample_rate, sound.pts, sound.time_base = rate, number * samples, fractions.Fraction(1, rate)
            out.mux(audio.encode(sound))
            if number % 3 == 0:
                picture = av.VideoFrame.from_ndarray(image, format="rgb24")
                picture.pts, picture.time_base = number // 3, fractions.Fraction(1, fps)
                out.mux(video.encode(picture))


def certificate(folder: Path) -> dict[str, str]:
    """A key on P-256: FFmpeg with GnuTLS makes one on P-224, which RFC 8827 §6.5 does not know and OpenSSL refuses."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ffmpeg")])
    now = datetime.datetime.now(tz=datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(pem, *plain))
    (folder / "cert.pem").write_bytes(made.public_bytes(pem))
    return {"cert_file": str(folder / "cert.pem"), "key_file": str(folder / "key.pem")}


async def test_ffmpeg_streams_in(server: Server, tmp_path: Path) -> None:
    code = new_meeting(server.client().register("ana", "Ana"))["code"]
    url, token = f"{server.url}/whip/{code}", token_for(server, code, "FFmpeg")
    ffmpeg = Ffmpeg(url, token, COLOURS["red"], whip_flags="dtls_active", **certificate(tmp_path))
    with loopback_candidates(), trio.fail_after(WITHIN_S):
        async with (
            open_asyncio_thread() as clients,
            open_bot(server.url, code, "Robbie", clients, peer=Peer(channels=False)) as bot,
        ):
            with ffmpeg.running():
                await bot.until(
                    lambda: any(s.seen.frames > 5 and s.heard.loud > 1e4 for s in bot.peer.seats) or ffmpeg.failure,
                    "the bot meets FFmpeg",
                )
                assert ffmpeg.failure is None, ffmpeg.failure
                assert any(alike(s.seen.colour, COLOURS["red"]) for s in bot.peer.seats)
                ffmpeg._stop.set()
                await bot.until(lambda: len(bot.participants) == 1, "FFmpeg left")


# A page of another origin with two peer connections and what any WHIP or WHEP library does: POST, Location, PATCH of
# candidates, DELETE. The picture is a canvas: no camera is asked for.
PAGE = """async ({whip, whep, token}) => {
  const bearer = {Authorization: `Bearer ${token}`};
  async function open(url, pc, early = []) {
    pc.onicecandidate = ({candidate}) => { if (candidate) early.push(candidate.candidate); };
    await pc.setLocalDescription();
    const reply = await fetch(url, {method: 'POST', body: pc.localDescription.sdp,
      headers: {...bearer, 'Content-Type': 'application/sdp'}});
    if (reply.status !== 201) throw new Error(await reply.text());
    await pc.setRemoteDescription({type: 'answer', sdp: await reply.text()});
    const session = new URL(reply.headers.get('Location'), url), etag = reply.headers.get('ETag');
    const [, ufrag] = /a=ice-ufrag:(.*)\\r/.exec(pc.localDescription.sdp);
    const [, pwd] = /a=ice-pwd:(.*)\\r/.exec(pc.localDescription.sdp);
    const lines = [`a=ice-ufrag:${ufrag}`, `a=ice-pwd:${pwd}`, 'm=audio 9 X 0', 'a=mid:0',
      ...early.map((c) => `a=${c}`), 'a=end-of-candidates', ''];
    const trickled = await fetch(session, {method: 'PATCH', body: lines.join('\\r\\n'),
      headers: {...bearer, 'Content-Type': 'application/trickle-ice-sdpfrag', 'If-Match': etag}});
    return {session, trickled: trickled.status};
  }
  const canvas = Object.assign(document.createElement('canvas'), {width: 320, height: 180});
  const paint = canvas.getContext('2d');
  setInterval(() => { paint.fillStyle = `rgb(0, ${250 + Date.now() % 5}, 0)`; paint.fillRect(0, 0, 320, 180); }, 50);
  const sound = new AudioContext().createMediaStreamDestination();
  const out = new RTCPeerConnection(), back = new RTCPeerConnection();
  for (const track of [...canvas.captureStream(20).getTracks(), ...sound.stream.getTracks()]) out.addTransceiver(track,
    track.kind === 'video' ? {direction: 'sendonly', sendEncodings: [{rid: 'h', scaleResolutionDownBy: 2}, {rid: 'f'}]}
      : {direction: 'sendonly'});
  const sent = await open(whip, out);
  for (const kind of ['audio', 'video']) back.addTransceiver(kind, {direction: 'recvonly'});
  const video = Object.assign(document.createElement('video'), {muted: true, autoplay: true});
  back.ontrack = ({track, streams}) => { if (track.kind === 'video') video.srcObject = new MediaStream([track]); };
  const received = await open(whep, back);
  const until = Date.now() + 15000;
  let colour = null;
  while (Date.now() < until && !(colour && colour[1] > 200)) {
    await new Promise((r) => setTimeout(r, 200));
    if (!video.videoWidth) continue;
    const look = Object.assign(document.createElement('canvas'), {width: 1, height: 1}).getContext('2d');
    look.drawImage(video, 0, 0, 1, 1);
    colour = [...look.getImageData(0, 0, 1, 1).data];
  }
  const ended = [];
  for (const {session} of [sent, received, sent])
    ended.push((await fetch(session, {method: 'DELETE', headers: bearer})).status);
  return {trickled: [sent.trickled, received.trickled], colour, ended};
}"""


class _Blank(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>studio</title><link rel=icon href=data:,>")

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@contextmanager
def other_origin() -> Iterator[str]:
    """A site of one empty page."""
    with HTTPServer(("127.0.0.1", 0), _Blank) as site:
        thread = threading.Thread(target=site.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{site.server_port}/"
        finally:
            site.shutdown()
            thread.join()


def test_a_page_of_another_origin_streams_in_and_out(browsers: Callable[[str], Chromium], server: Server) -> None:
    code = new_meeting(server.client().register("ana", "Ana"))["code"]
    token = token_for(server, code, "Page")
    page = browsers("red").new_page()
    urls = {"whip": f"{server.url}/whip/{code}", "whep": f"{server.url}/whep/{code}", "token": token}
    with other_origin() as site:
        page.goto(site)
        seen = page.evaluate(PAGE, urls)
    assert seen["trickled"] == [204, 204] and seen["ended"] == [200, 200, 404]
    assert alike(seen["colour"][:3], (0, 252, 0)), seen
    page.close()
