"""Every URL on one screen: method, path, handler, who may call it, rate limit, body, query, answer, old names.

Owns the table; refuses to do anything. `dispatch` obeys it, `openapi` prints it. Paths begin with ``/api/v1`` unless
they begin with ``!``. An alias is an older name of SPEC.md for the same thing, marked deprecated.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal

import msgspec

from appliance.api import (
    admin,
    ai,
    ai_functions,
    ai_media,
    ai_queue,
    alerts,
    audit_log,
    auth,
    avatars,
    deliveries,
    jobs,
    media_files,
    media_uploads,
    meetings,
    messages,
    moderation,
    nodes,
    notifications,
    openapi,
    participants,
    plugins,
    profile,
    recording_files,
    recording_progress,
    recordings,
    reports,
    setup,
    shared,
    streams,
    system,
    transcripts,
    tus,
    users,
)
from appliance.api import admin_shapes as a
from appliance.api import ai_bodies as ib
from appliance.api import ai_shapes as i
from appliance.api import bodies as b
from appliance.api import media_shapes as m
from appliance.api import notification_shapes as n
from appliance.api import recording_shapes as r
from appliance.api import report_shapes as rs
from appliance.api import shapes as s
from appliance.api import transcript_shapes as t
from appliance.api import vision_shapes as vs
from appliance.api.limits import LimitName
from appliance.api.pages import Page
from appliance.inference.health import ModelHealth
from appliance.questions import answers as q
from appliance.questions import options as o
from appliance.signaling.messages import ChatMessage

Access = Literal["public", "optional", "user", "admin", "token"]
"""``optional``: works signed out too, with less. ``admin``: an account with the role admin. ``token``: from any
origin, by a bearer token that the handler reads; cookies are not looked at."""

BASE = "/api/v1"
SIGNALING_PATHS = (BASE + "/ws/signaling", "/ws/signaling")
AI_PATHS = (BASE + "/ws/ai", "/ws/ai")


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table."""

    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
    """A GET answers HEAD too."""
    path: str
    """With ``{name}`` for a parameter, which the handler takes by that name."""
    handler: Callable[..., Awaitable[Any]]
    access: Access
    limit: LimitName
    body: type[b.Body] | None
    query: type[msgspec.Struct]
    answer: Any
    """Type of ``data``; None for an answer that is no envelope."""
    aliases: tuple[str, ...]
    upload: bool
    """The handler takes the raw body as ``upload``, up to http.max_upload_bytes."""
    content: str | None
    """The handler takes the body as text, ``content``, of this media type, up to http.max_body_bytes."""
    deprecated: bool
    """An older name whose parameters are elsewhere, so that it is no alias."""
    stream: tuple[str, ...] | None
    """The handler takes the body as it comes, ``incoming``, of any of these media types, and bounds it itself."""
    sent: type[msgspec.Struct] | None
    """What a JSON body of ``stream`` holds; in a form, its bytes are the file and the others are fields."""
    status: int
    """Of a success."""
    headers: dict[str, str]
    """Of every answer, refusals too."""

    @property
    def tag(self) -> str:
        """The noun: the handler's module."""
        return self.handler.__module__.rpartition(".")[2]


def _route(
    line: str,
    handler: Callable[..., Awaitable[Any]],
    access: Access,
    limit: LimitName,
    answer: Any,
    *,
    body: type[b.Body] | None = None,
    query: type[msgspec.Struct] = b.NoQuery,
    aliases: tuple[str, ...] = (),
    upload: bool = False,
    content: str | None = None,
    deprecated: bool = False,
    stream: tuple[str, ...] | None = None,
    sent: type[msgspec.Struct] | None = None,
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> Route:
    method, path = line.split()
    full = path[1:] if path.startswith("!") else BASE + path
    return Route(
        method=method,  # type: ignore[arg-type]  # the table's own text; a test reads every row
        path=full,
        handler=handler,
        access=access,
        limit=limit,
        body=body,
        query=query,
        answer=answer,
        aliases=tuple(BASE + alias for alias in aliases),
        upload=upload,
        content=content,
        deprecated=deprecated,
        stream=stream,
        sent=sent,
        status=status,
        headers=headers or (streams.CORS_HEADERS if access == "token" else {}),
    )


def _streams(base: str) -> tuple[Route, ...]:
    """Rows of WHIP and WHEP below ``base``; their clients are given one URL and find the rest by Location."""
    return (
        _route(f"POST {base}/whip/{{meeting_id}}", streams.publish, "token", "join", None, query=b.PublishQuery, content=streams.SDP, status=201),  # noqa: E501
        _route(f"POST {base}/whep/{{meeting_id}}", streams.watch, "token", "join", None, query=b.WatchQuery, content=streams.SDP, status=201),  # noqa: E501
        *(
            row
            for path in (f"{base}/whip/{{meeting_id}}", f"{base}/whep/{{meeting_id}}")
            for row in (
                _route(f"GET {path}", streams.show, "token", "api", None),
                _route(f"OPTIONS {path}", streams.options, "token", "api", None),
                _route(f"PATCH {path}/{{stream_id}}", streams.change, "token", "api", None, content=streams.FRAGMENT),
                _route(f"DELETE {path}/{{stream_id}}", streams.stop, "token", "api", None, body=b.Empty),
                _route(f"OPTIONS {path}/{{stream_id}}", streams.options_of_stream, "token", "api", None),
            )
        ),
    )


def _tus(line: str, handler: Callable[..., Awaitable[Any]], access: Access, status: int, **more: Any) -> Route:
    """A row of the resumable uploads, which say their version with every answer."""
    headers = {"Tus-Resumable": tus.VERSION, "Tus-Version": tus.VERSION}
    return _route(line, handler, access, more.pop("limit", "api"), None, status=status, headers=headers, **more)


_UPLOADS = (
    _tus("OPTIONS /media/uploads", media_uploads.options, "public", 204),
    _tus("POST /media/uploads", media_uploads.create, "user", 201, limit="upload", body=b.Empty),
    _tus("OPTIONS /media/uploads/{upload_id}", media_uploads.options_of_one, "public", 204),
    _tus("HEAD /media/uploads/{upload_id}", media_uploads.look, "user", 200),
    _tus("PATCH /media/uploads/{upload_id}", media_uploads.append, "user", 204, stream=(tus.OFFSET_TYPE,)),
    _tus("DELETE /media/uploads/{upload_id}", media_uploads.remove, "user", 204, body=b.Empty),
    _tus("POST /media/uploads/{upload_id}", media_uploads.override, "user", 204, stream=(tus.OFFSET_TYPE,)),
)


# fmt: off
ROUTES: tuple[Route, ...] = (
    _route("GET /info", system.info, "public", "api", s.Info),
    _route("GET /setup", setup.state, "public", "api", s.SetupNeeded),
    _route("POST /setup", setup.create_administrator, "public", "login", s.Tokens | s.CookieSession, body=b.SetupBody),

    _route("POST /auth/register", auth.register, "public", "register", s.Tokens | s.CookieSession, body=b.RegisterBody, aliases=("/register",)),  # noqa: E501
    _route("POST /auth/login", auth.login, "public", "login", s.Tokens | s.CookieSession, body=b.LoginBody, aliases=("/login",)),  # noqa: E501
    _route("POST /auth/refresh", auth.refresh, "public", "refresh", s.Tokens | s.CookieSession, body=b.RefreshBody, aliases=("/refresh-token",)),  # noqa: E501
    _route("POST /auth/logout", auth.logout, "user", "api", s.Nothing, body=b.Empty),
    _route("GET /csrf-token", auth.csrf_token, "user", "api", s.CsrfToken),

    _route("GET /profile", profile.show, "user", "api", s.UserView),
    _route("PUT /profile", profile.update, "user", "api", s.UserView, body=b.ProfileBody),
    _route("POST /change-password", profile.change_password, "user", "login", s.Nothing, body=b.ChangePasswordBody),
    _route("DELETE /account", profile.delete_account, "user", "login", s.Nothing, body=b.DeleteAccountBody),
    _route("POST /upload-avatar", avatars.upload, "user", "upload", s.AvatarUrl, upload=True),
    _route("GET /avatars/{name}.webp", avatars.show, "public", "api", None),
    _route("GET /users/{user_id}", users.show, "user", "api", s.UserView | s.PublicUser),
    _route("PUT /users/{user_id}", users.update, "user", "api", s.UserView, body=b.ProfileBody),

    _route("GET /notifications", notifications.list_page, "user", "api", Page[n.NotificationView], query=b.PageQuery),
    _route("GET /notifications/preferences", notifications.preferences, "user", "api", n.Preferences),
    _route("PUT /notifications/preferences", notifications.set_preferences, "user", "api", n.Preferences, body=b.PreferencesBody),  # noqa: E501
    _route("POST /notifications/test", notifications.test, "user", "api", n.NotificationView, body=b.Empty),

    _route("GET /admin/users", admin.list_users, "admin", "api", Page[s.UserView], query=b.UsersQuery),
    _route("POST /admin/users/{user_id}/ban", admin.ban, "admin", "api", s.UserView, body=b.BanBody),
    _route("POST /admin/users/{user_id}/unban", admin.unban, "admin", "api", s.UserView, body=b.Empty),
    _route("PUT /admin/users/{user_id}/role", admin.set_role, "admin", "api", s.UserView, body=b.RoleBody),
    _route("DELETE /admin/users/{user_id}", admin.delete, "admin", "api", s.Nothing, body=b.Empty),
    _route("GET /admin/audit/export", audit_log.export, "admin", "api", None, query=b.AuditExportQuery),
    _route("GET /admin/audit/verify", audit_log.verify, "admin", "api", a.AuditVerdict),
    _route("GET /admin/audit", audit_log.list_page, "admin", "api", Page[a.AuditView], query=b.AuditQuery),

    _route("GET /admin/jobs", jobs.list_page, "admin", "api", Page[a.JobView], query=b.JobsQuery),
    _route("GET /admin/jobs/{job_id}", jobs.show, "admin", "api", a.JobDetail),
    _route("POST /admin/jobs/{job_id}/requeue", jobs.requeue, "admin", "api", a.JobDetail, body=b.Empty),
    _route("POST /admin/jobs/{job_id}/cancel", jobs.cancel, "admin", "api", a.JobDetail, body=b.Empty),
    _route("DELETE /admin/jobs/{job_id}", jobs.drop, "admin", "api", s.Nothing, body=b.Empty),
    _route("GET /admin/deliveries", deliveries.list_page, "admin", "api", Page[a.DeliveryView], query=b.DeliveriesQuery),  # noqa: E501
    _route("POST /admin/deliveries/{subscriber}/{event_id}/retry", deliveries.send_again, "admin", "api", s.Nothing, body=b.Empty),  # noqa: E501
    _route("GET /admin/nodes", nodes.list_all, "admin", "api", Page[a.NodeView]),
    _route("GET /admin/plugins", plugins.list_all, "admin", "api", Page[a.PluginView]),
    _route("POST /admin/plugins/{name}/enable", plugins.enable, "admin", "api", a.PluginView, body=b.Empty),

    _route("POST /meetings", meetings.create, "user", "api", s.MeetingView, body=b.CreateMeetingBody),
    _route("GET /meetings", meetings.list_page, "user", "api", Page[s.MeetingView], query=b.MeetingsQuery),
    _route("GET /meetings/{meeting_id}", meetings.show, "optional", "join", s.MeetingView | s.MeetingPreview),
    _route("PUT /meetings/{meeting_id}", meetings.update, "user", "api", s.MeetingView, body=b.UpdateMeetingBody),
    _route("DELETE /meetings/{meeting_id}", meetings.delete, "user", "api", s.Nothing, body=b.Empty),
    _route("POST /meetings/{meeting_id}/join", meetings.join, "optional", "join", s.JoinView, body=b.JoinBody),
    _route("POST /meetings/{meeting_id}/leave", meetings.leave, "optional", "api", s.Changed, body=b.Empty),
    _route("POST /meetings/{meeting_id}/end", meetings.end, "user", "api", s.MeetingView, body=b.Empty),
    _route("POST /meetings/{meeting_id}/invite", meetings.invite, "user", "api", s.Invited, body=b.InviteBody),
    _route("GET /meetings/{meeting_id}/calendar.ics", meetings.calendar, "optional", "join", None),

    _route("GET /meetings/{meeting_id}/participants", participants.list_page, "user", "api", Page[s.ParticipantView], query=b.ParticipantsQuery),  # noqa: E501
    _route("POST /meetings/{meeting_id}/participants/{uid}/kick", moderation.kick, "user", "api", s.Changed, body=b.Empty),  # noqa: E501
    _route("POST /meetings/{meeting_id}/participants/{uid}/mute", moderation.mute, "user", "api", s.Changed, body=b.MuteBody),  # noqa: E501
    _route("POST /meetings/{meeting_id}/participants/{uid}/role", moderation.set_role, "user", "api", s.Changed, body=b.ParticipantRoleBody),  # noqa: E501
    _route("GET /meetings/{meeting_id}/messages", messages.list_page, "user", "api", Page[ChatMessage], query=b.MessagesQuery),  # noqa: E501
    _route("GET /meetings/{meeting_id}/transcript", transcripts.show, "user", "api", Page[t.SegmentView], query=b.TranscriptQuery),  # noqa: E501
    _route("DELETE /meetings/{meeting_id}/transcript", transcripts.delete, "user", "api", s.Nothing, body=b.Empty),
    _route("GET /meetings/{meeting_id}/report", reports.show, "user", "api", rs.ReportView, query=b.ReportQuery),
    _route("POST /meetings/{meeting_id}/report", reports.make, "user", "api", rs.ReportView, body=b.Empty),
    _route("GET /meetings/{meeting_id}/alerts", alerts.list_all, "user", "api", vs.AlertsView),
    _route("GET /alerts/{alert_id}/evidence", alerts.evidence, "user", "api", None),
    _route("DELETE /alerts/{alert_id}", alerts.delete, "user", "api", s.Nothing, body=b.Empty),
    _route("GET /transcripts", transcripts.search, "user", "api", Page[t.FoundSegmentView], query=b.TranscriptSearchQuery),  # noqa: E501

    _route("POST /recordings", recordings.start, "user", "api", r.RecordingView, body=b.StartRecordingBody, aliases=("/recordings/start",)),  # noqa: E501
    _route("GET /recordings", recordings.list_page, "user", "api", Page[r.RecordingView], query=b.RecordingsQuery),
    _route("POST /recordings/stop", recordings.stop_named, "user", "api", r.RecordingView, body=b.StopRecordingBody, deprecated=True),  # noqa: E501
    _route("GET /recordings/progress", recording_progress.follow, "user", "api", None),
    _route("GET /recordings/{recording_id}", recordings.show, "user", "api", r.RecordingView),
    _route("DELETE /recordings/{recording_id}", recordings.delete, "user", "api", s.Nothing, body=b.Empty),
    _route("POST /recordings/{recording_id}/stop", recordings.stop, "user", "api", r.RecordingView, body=b.Empty),
    _route("POST /recordings/{recording_id}/pause", recordings.pause, "user", "api", r.RecordingView, body=b.Empty),
    _route("POST /recordings/{recording_id}/resume", recordings.resume, "user", "api", r.RecordingView, body=b.Empty),
    _route("POST /recordings/{recording_id}/process", recordings.process, "user", "api", r.RecordingView, body=b.ProcessBody),  # noqa: E501
    _route("POST /recordings/{recording_id}/cancel", recordings.cancel, "user", "api", r.RecordingView, body=b.Empty),
    _route("GET /recordings/{recording_id}/file", recording_files.video, "user", "api", None, query=b.DownloadQuery),
    _route("GET /recordings/{recording_id}/tracks/{track_id}", recording_files.track, "user", "api", None, query=b.DownloadQuery),  # noqa: E501
    _route("GET /recordings/{recording_id}/thumbnail", recording_files.thumbnail, "user", "api", None),
    _route("GET /recordings/{recording_id}/captions.vtt", recording_files.captions_vtt, "user", "api", None, query=b.DownloadQuery),  # noqa: E501
    _route("GET /recordings/{recording_id}/captions.srt", recording_files.captions_srt, "user", "api", None),
    _route("POST /recordings/{recording_id}/share", shared.share, "user", "api", r.ShareLink, body=b.ShareBody),
    _route("DELETE /recordings/{recording_id}/share", shared.revoke, "user", "api", s.Changed, body=b.Empty),
    _route("GET /shared/{token}", shared.show, "public", "api", r.RecordingView),
    _route("GET /shared/{token}/file", shared.video, "public", "api", None, query=b.DownloadQuery),
    _route("GET /shared/{token}/thumbnail", shared.thumbnail, "public", "api", None),
    _route("GET /shared/{token}/captions.vtt", shared.captions_vtt, "public", "api", None),
    _route("POST /media/upload", media_files.upload, "user", "upload", m.MediaView, query=m.UploadQuery, stream=(media_files.FORM, "*/*")),  # noqa: E501
    _route("GET /media", media_files.list_page, "user", "api", Page[m.MediaView], query=m.MediaListQuery),
    _route("GET /media/stats", media_files.stats, "user", "api", m.MediaStats),
    *_UPLOADS,
    _route("GET /media/{media_id}", media_files.show, "user", "api", None, query=m.MediaQuery),
    _route("DELETE /media/{media_id}", media_files.delete, "user", "api", s.Nothing, body=b.Empty),
    _route("GET /media/{media_id}/thumbnail", media_files.thumbnail, "user", "api", None),

    _route("GET /models", ai.list_models, "user", "api", Page[i.ModelView]),
    _route("GET /ai/info", ai.info, "user", "api", i.AiInfo),
    _route("GET /ai/health", ai.health, "user", "api", i.AiHealth),
    _route("POST /ai/setup", ai.setup, "admin", "api", ModelHealth, body=b.AiSetupBody),
    _route("POST /ai/asr", ai_functions.asr, "user", "ai", q.SpeechAnswer, query=o.AsrOptions, stream=ai_media.SOUND, sent=ib.AsrBody, aliases=("/ai/speech-recognition",)),  # noqa: E501
    _route("POST /ai/emotion", ai_functions.emotion, "user", "ai", q.EmotionAnswer, query=o.EmotionOptions, stream=ai_media.PICTURE, sent=ib.EmotionBody, aliases=("/ai/emotion-detection",)),  # noqa: E501
    _route("POST /ai/synthesis", ai_functions.synthesis, "user", "ai", q.SynthesisAnswer, query=o.SynthesisOptions, stream=ai_media.EITHER, sent=ib.SynthesisBody, aliases=("/ai/deepfake-detection",)),  # noqa: E501
    _route("POST /ai/denoise", ai_functions.denoise, "user", "ai", q.DenoiseAnswer, query=o.DenoiseOptions, stream=ai_media.SOUND, sent=ib.DenoiseBody),  # noqa: E501
    _route("POST /ai/enhance", ai_functions.enhance, "user", "ai", q.EnhanceAnswer, query=o.EnhanceOptions, stream=ai_media.PICTURE, sent=ib.EnhanceBody),  # noqa: E501
    _route("POST /ai/models/{model}", ai_functions.process, "user", "ai", q.ProcessedAnswer, query=o.PluggedOptions, stream=ai_media.EITHER, sent=ib.PluggedBody),  # noqa: E501
    _route("POST /ai/batch", ai_functions.batch, "user", "ai", i.BatchAnswer, stream=(ai_media.JSON,), sent=ib.BatchBody),  # noqa: E501
    _route("POST /ai/analyze", ai_queue.analyze, "user", "ai", i.QueuedView, body=ib.AnalyzeBody),
    _route("GET /ai/results/{task_id}", ai_queue.show, "user", "api", i.QueuedView),
    _route("GET /ai/analysis/{meeting_id}", ai_queue.of_meeting, "user", "api", Page[i.QueuedView], query=b.PageQuery),
    _route("POST /inference/submit", ai_queue.submit, "user", "ai", i.QueuedView, stream=(ai_media.JSON,), sent=ib.SubmitBody),  # noqa: E501
    _route("GET /inference/{task_id}", ai_queue.show_submitted, "user", "api", i.QueuedView),
    _route("DELETE /inference/{task_id}", ai_queue.cancel, "user", "api", i.QueuedView, body=b.Empty),
    _route("GET /admin/models", ai.list_for_admin, "admin", "api", i.AdminModels),

    *_streams("!"),
    *_streams(""),

    _route("GET /stats", system.stats, "admin", "api", dict[str, Any]),
    _route("GET /rooms/stats", system.stats, "admin", "api", dict[str, Any]),
    _route("GET /health", system.health, "public", "none", s.Health),
    _route("GET !/health", system.health, "public", "none", s.Health),
    _route("GET !/ready", system.ready, "public", "none", s.Readiness),
    _route("GET !/metrics", system.metrics, "optional", "none", None),
    _route("GET !/openapi.json", openapi.document, "public", "api", None),
    _route("GET !/docs", openapi.page, "public", "api", None),
)
# fmt: on
