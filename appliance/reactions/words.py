"""What people are told, in English and 简体中文. Pure.

Owns the texts; refuses to know who gets them. ``{…}`` are filled with what people typed: a notifier escapes the result
for its medium. 中文 is written, not translated word by word.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

Locale = Literal["en", "zh-CN"]


class Text(NamedTuple):
    """Of one kind of notification."""

    title: str
    body: str
    url_label: str


KINDS: tuple[str, ...] = (
    "user.registered", "user.logged_in", "meeting.invited", "meeting.updated", "meeting.cancelled",
    "meeting.reminder", "recording.processed", "recording.failed", "deepfake_detection.completed",
    "notification.test",
)  # fmt: skip
"""What people can be told of."""

_WORDS: dict[str, dict[Locale, Text]] = {
    "user.registered": {
        "en": Text(
            "Welcome to Parley",
            "Your account {username} is ready.\n\nStart a meeting with one click, or plan one and invite people: they"
            " need no account.",
            "Open Parley",
        ),
        "zh-CN": Text(
            "欢迎使用 Parley",
            "您的账号 {username} 已可使用。\n\n一键即可开会，也可以预约会议并邀请他人，对方无需注册。",
            "打开 Parley",
        ),
    },
    "user.logged_in": {
        "en": Text(
            "New sign-in to your account",
            "Somebody signed in to your account {username} from an address that was not used before: {address}"
            " ({agent}), {time}.\n\nIf it was you, all is well. If not, change your password now: that ends every other"
            " sign-in.",
            "Open Parley",
        ),
        "zh-CN": Text(
            "您的账号有新的登录",
            "您的账号 {username} 在一个从未使用过的地址登录：{address}（{agent}），{time}。\n\n如果是您本人，请忽略。"
            "如果不是，请立即修改密码，其他登录会随之失效。",
            "打开 Parley",
        ),
    },
    "meeting.invited": {
        "en": Text(
            "Invitation: {title}",
            "{organizer} invites you to “{title}”{when}.\n\nThe link is all that you need; no account.\n\nMeeting code:"
            " {code}",
            "Join the meeting",
        ),
        "zh-CN": Text(
            "会议邀请：{title}",
            "{organizer} 邀请您参加“{title}”{when}。\n\n点击链接即可入会，无需注册。\n\n会议号：{code}",
            "加入会议",
        ),
    },
    "meeting.updated": {
        "en": Text("Changed: {title}", "“{title}” has changed{when}.\n\nMeeting code: {code}", "Join the meeting"),
        "zh-CN": Text("会议变更：{title}", "“{title}”有变更{when}。\n\n会议号：{code}", "加入会议"),
    },
    "meeting.cancelled": {
        "en": Text("Cancelled: {title}", "“{title}”{when} will not take place.", ""),
        "zh-CN": Text("会议取消：{title}", "“{title}”{when}已取消。", ""),
    },
    "meeting.reminder": {
        "en": Text("Soon: {title}", "“{title}” begins at {time}.\n\nMeeting code: {code}", "Join the meeting"),
        "zh-CN": Text("即将开始：{title}", "“{title}”将于 {time} 开始。\n\n会议号：{code}", "加入会议"),
    },
    "recording.processed": {
        "en": Text(
            "Recording ready: {title}",
            "The recording of “{title}”, {length}, can be watched and shared.",
            "Open the recording",
        ),
        "zh-CN": Text("录制已完成：{title}", "“{title}”的录制（{length}）已可观看和分享。", "打开录制"),
    },
    "recording.failed": {
        "en": Text(
            "Recording not finished: {title}",
            "No film could be made of the recording of “{title}”: {reason}.\n\nWhat was recorded is kept unless it says"
            " otherwise, and can be processed again.",
            "Open the recording",
        ),
        "zh-CN": Text(
            "录制未能完成：{title}",
            "“{title}”的录制未能生成视频：{reason}。\n\n除非另有说明，已录制的内容会保留，可以重新处理。",
            "打开录制",
        ),
    },
    "deepfake_detection.completed": {
        "en": Text(
            "A picture may not be real: {title}",
            "In “{title}”, {time}, the camera of {name} may have shown a picture of a face, or a generated one.\n\nThis"
            " is a reason to look, and no proof: the models are wrong often.",
            "Look at it",
        ),
        "zh-CN": Text(
            "画面可能不真实：{title}",
            "在“{title}”中（{time}），{name} 的摄像头画面可能是翻拍的人脸或生成的图像。\n\n请查看确认，这不是证据："
            "模型经常判断错误。",
            "查看",
        ),
    },
    "notification.test": {
        "en": Text("A test", "This is how notifications reach you.", "Open Parley"),
        "zh-CN": Text("测试通知", "通知将以这种方式送达。", "打开 Parley"),
    },
}


def text(kind: str, locale: Locale, **values: str) -> Text:
    """The filled text of a kind; KeyError for a kind that there is none of."""
    found = _WORDS[kind][locale]
    return Text(*(part.format(**values) for part in found))


def time_text(at_ms: int, time_zone: str, locale: Locale) -> str:
    """A moment in somebody's time zone, with the zone's name; an unknown zone is UTC."""
    zone = known_zone(time_zone)
    moment = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(ZoneInfo(zone))
    if locale == "zh-CN":
        return f"{moment.year}年{moment.month}月{moment.day}日 {moment:%H:%M}（{zone}）"
    return f"{moment:%Y-%m-%d %H:%M} ({zone})"


def length_text(duration_ms: int) -> str:
    """As ``1:05:00`` or ``4:07``."""
    minutes, seconds = divmod(round(duration_ms / 1000), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def known_zone(name: str) -> str:
    """The IANA name, or UTC when this machine does not know it."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown, no name at all, a folder
        return "UTC"
    return name


def when(start_at_ms: int | None, time_zone: str, locale: Locale) -> str:
    """", at …" of a planned meeting; nothing of one without a time."""
    if start_at_ms is None:
        return ""
    moment = time_text(start_at_ms, time_zone, locale)
    return f"，时间：{moment}" if locale == "zh-CN" else f", {moment}"
