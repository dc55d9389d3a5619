"""Which sentences say that something was decided, or that somebody is to do something: patterns, English and Chinese.

Owns the patterns, and what of a sentence names who and until when. A sentence that matches is quoted as it was said; a
question, a condition or a denial is no decision, and "I'll see" no promise. The patterns prefer to miss something over
claiming what nobody meant. Pure.

Decisions: "we decided/agreed to …", "let's go with …", "the decision is …", "it's settled"; 我们决定…, 一致同意…,
就这么定了, 结论是…, 敲定….
Actions: "action item: …"; a promise ("I'll send …", "let me check …"); a request ("can you prepare …"); somebody's task
("Ben will …", "Ben, please …"); a duty of nobody in particular with a date ("we have to … by Friday"); 待办：…,
我来/我负责/我会…, 请小明…, 由小明负责…, 小明来写…, 周五之前要提交….
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from functools import lru_cache

import msgspec

from appliance.reports.sentences import is_cjk


class Task(msgspec.Struct, frozen=True):
    """What a sentence says of a task."""

    owner: str
    """A name; empty where nobody is named. `SPEAKER` for who says it."""
    due: str
    """As it was said, or empty."""


SPEAKER = "\0speaker"
"""In place of a name: whoever says it."""

_DONE = (
    "add|adjust|approve|arrange|ask|assemble|assign|book|bring|build|buy|call|change|check|circulate|clean|clear|close|"
    "collect|compare|compile|complete|confirm|contact|coordinate|copy|correct|create|deliver|deploy|design|distribute|"
    "document|draft|draw|email|e-mail|escalate|evaluate|extend|file|fill|finalise|finalize|find out|finish|fix|"
    "follow up|forward|gather|get back|give|hand|implement|inform|install|invite|investigate|invoice|look into|"
    "look up|mail|make sure|measure|merge|message|migrate|move|notify|open|order|organise|organize|pay|phone|ping|"
    "plan|post|prepare|present|print|propose|provide|publish|push|put together|raise|reach out|record|release|remind|"
    "remove|rename|repair|replace|reply|report|request|research|review|revise|rewrite|run|schedule|send|set up|share|"
    "sign|sort out|speak to|speak with|submit|summarise|summarize|sync|take care|take over|talk to|talk with|tell|test|"
    "track|train|translate|try out|update|upgrade|upload|verify|work on|write"
)
_HASTE = r"(?:(?:also|just|definitely|then|quickly|personally|go ahead and|try to|have to|need to) )*"
_DO = rf"{_HASTE}(?:{_DONE})\b"
_WEEKDAY = r"(?:mon|tues|wednes|thurs|fri|satur|sun)day"
_MONTH = r"(?:january|february|march|april|may|june|july|august|september|october|november|december)"
_DATE = (
    rf"(?:(?:this|next) )?{_WEEKDAY}(?: (?:morning|afternoon|evening|night|noon))?|"
    rf"{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?|(?:the )?\d{{1,2}}(?:st|nd|rd|th)?(?: of)? {_MONTH}|"
    r"the \d{1,2}(?:st|nd|rd|th)|"
    r"(?:the )?end of (?:the )?(?:day|week|month|quarter|year)|(?:this|next) (?:week|month|quarter|year|sprint)|"
    r"tomorrow(?: (?:morning|afternoon|evening|night|noon))?|tonight|noon|today"
)
_DUE_EN = re.compile(
    rf"\b(?:by|before|until|till|no later than|not later than) (?:{_DATE})\b|"
    rf"\b(?:on )?(?:(?:this|next) )?{_WEEKDAY}(?: (?:morning|afternoon|evening))?\b|"
    r"\b(?:tomorrow(?: (?:morning|afternoon|evening))?|tonight|this afternoon|next (?:week|month)|by eod|"
    r"(?:by )?the end of (?:the )?(?:day|week|month|quarter|year)|(?:with)?in (?:a|an|one|two|three|four|\d+) "
    r"(?:hours?|days?|weeks?|months?)|right after (?:this|the) (?:call|meeting)|after (?:this|the) (?:call|meeting))\b",
    re.IGNORECASE,
)
_DAY_ZH = (
    r"(?:(?:(?:这|本|下|下下)?(?:个)?(?:周|星期|礼拜)[一二三四五六日天末]?|今天|今晚|明天|明早|后天|大后天|(?:这|本|下)?个?月底|月末|年底|年末|季度末|"
    r"下个?月|[0-9一二三四五六七八九十]{1,3}月(?:[0-9一二三四五六七八九十]{1,3}[号日])?|[0-9一二三四五六七八九十]{1,3}[号日])"
    r"(?:早上|上午|中午|下午|晚上)?|早上|上午|中午|下午|晚上)"
)
_DUE_ZH = re.compile(
    rf"(?:在)?{_DAY_ZH}(?:下班)?(?:之前|以前|前|之内|以内|内)?|会后|散会后|"
    r"[一二两三四五六七八九十0-9]+(?:天|周|个月|小时)(?:之内|以内|内)"
)

_DECIDED_EN = re.compile(
    r"\b(?:we|we've|everybody|everyone|the (?:team|board|group|committee))"
    r"(?:'ve| have| all| both| had| just| also| now| then)*"
    r" (?:decided|agreed|settled|concluded|voted|resolved)\b|"
    r"\b(?:that's|that is|it's|it is|so it's) (?:decided|agreed|settled|approved|a deal)\b|"
    r"\bwe (?:all )?agree(?: then)?(?: that| to| on)\b|\bso we agree\b|\bthen we agree\b|"
    r"\b(?:let's|we'll|we will|we are going to|we're going to|we're|we are) (?:just |then |definitely )?"
    r"(?:go with|going with|stick with|sticking with|go for|going for|stay with|settle on)\b|"
    r"\b(?:the|our|my|final) (?:final )?(?:decision|conclusion)(?: here)? (?:is|was|will be)\b|^decision\s*:|"
    r"\b(?:has|have|is|are|was|were) (?:been )?(?:unanimously )?(?:approved|signed off)\b|"
    r"\bwe(?:'ve| have)? approved\b",
    re.IGNORECASE,
)
_NOT_DECIDED_EN = re.compile(
    r"\?|\b(?:if|whether|unless|should we|could we|did we|have we|once we|until we|before we|when we|"
    r"not|never|haven't|hasn't|didn't|don't|isn't|aren't|wasn't|weren't|won't|no decision)\b"
    r"(?=[^,;]*\b(?:decided|agreed?|settled?|concluded|voted|approved|going (?:with|for)|decision|"
    r"conclusion|deal)\b)|"
    r"\b(?:agreed|decided) to (?:disagree)\b|\b(?:decide|agree) (?:later|next time)\b",
    re.IGNORECASE,
)
_DECIDED_ZH = re.compile(
    r"(?:我们|大家|会议|团队|一致|最后|最终|现在|已经|就|都)(?:已经|就|都|一致|最后|最终|今天|刚才)*(?:决定|同意|通过|商定|敲定|确定)|"
    r"达成(?:了)?(?:一致|共识)|就这么(?:定|办|说定)|(?:就|那就|那么就)(?:按|用|选|采用|定)(?!不)|定下来了|拍板|敲定了?|"
    r"(?:结论|决定|决议)(?:是|为|：|:)|(?:确定|决定)(?:采用|使用|选用|选择|推迟|取消|改为|改成)|决定了"
)
_NOT_DECIDED_ZH = re.compile(
    r"[？?]|吗[。，,]?$|还没|没有?(?:决定|同意|通过|定|达成)|尚未|未(?:决定|达成|通过)|不(?:同意|决定|确定|通过)|是否|要不要|能不能|可不可以|"
    r"如果|要是|假如|再决定|再定|以后决定|之后决定|等.{0,8}决定"
)

_ITEM_EN = re.compile(
    r"\b(?:action items?|to-?do|next steps?|action point)\b(?:\s*(?:is|are|for \w+ is))?\s*[:,]?\s*\S", re.IGNORECASE
)
_PROMISE_EN = re.compile(
    rf"\b(?:i'll|i will|i'm going to|i am going to|i'm gonna|let me|i can|i shall|i'd be happy to) {_DO}", re.IGNORECASE
)
_REQUEST_EN = re.compile(
    rf"\b(?:can|could|would|will) you (?:please |maybe |kindly )?{_DO}|\bplease,? {_DO}", re.IGNORECASE
)
_DUTY_EN = re.compile(
    rf"\b(?:we|someone|somebody|you|they) (?:all )?(?:need|needs|have|has|must|should|ought|will|'ll)(?: to)? {_DO}|"
    rf"\b(?:we'll|we've got to|let's) {_DO}|\bneeds? to be (?:{_DONE}|done|sent|written|finished|ready|fixed|signed)",
    re.IGNORECASE,
)
_NOT_TASK_EN = re.compile(
    r"\b(?:if|unless|would have|could have|should have) (?:i|we|you)\b|\b(?:won't|can't|cannot|don't|not going to|"
    r"didn't) (?:need|have|be able|want)\b|"
    r"\blet me (?:check|share|give|open|present) (?:that|this|it|my screen|the screen|"
    r"you (?:an|a) (?:overview|idea|example))?\s*(?:quickly|now|for a (?:second|moment))?[.!]?$|"
    r"\b(?:i'll|i will|let me) (?:share my screen|give (?:you|it) (?:a|an|to)|run through|tell you|present)\b|"
    r"\b(?:can|could|would) you (?:repeat|say|hear|see|share your screen|speak up)\b",
    re.IGNORECASE,
)
_DONE_ZH = (
    "安排|报告|备份|比较|编写|采购|测试|查一?下|查看|撤回|出一?[份个版]|处理|创建|打电话|调查|调整|订|发给|发送|发一?[份下个封]|发出|反馈|分享|负责|改|更新|跟进|"
    "归档|核对|核实|回复|汇报|汇总|画|记录|检查|交|解决|介绍|看一?下|拉[一个]?群|联系|落实|买|排查|评估|起草|签|确认|上传|申请|审|实现|收集|"
    "提交|提供|通知|同步|统计|推进|完成|完善|问一?下|写|修复|修改|寻找|研究|邀请|预[订定约]|约|整理|制定|准备|转发|组织|做"
)
_ITEM_ZH = re.compile(r"(?:待办|行动项|后续工作|下一步)(?:事项|是)?\s*[：:，,]?\s*\S")
_LATER_ZH = rf"(?:(?:在)?{_DAY_ZH}(?:之前|以前|前|之内|内)?|会后|马上|回头|稍后|待会儿?|一会儿)"
_PROMISE_ZH = re.compile(
    rf"我(?:们)?{_LATER_ZH}?(?:来|会|去|可以)?{_LATER_ZH}?(?:负责|来负责)|"
    rf"我{_LATER_ZH}?(?:来|会|去|这边|马上){_LATER_ZH}?(?:把.{{1,20}}|给.{{1,10}}|跟.{{1,10}}|和.{{1,10}}|再|先)?(?:{_DONE_ZH})|"
    rf"我{_LATER_ZH}(?:来|会|去|就)?(?:把.{{1,20}}|给.{{1,10}}|跟.{{1,10}}|和.{{1,10}}|再|先)?(?:{_DONE_ZH})"
)
_REQUEST_ZH = re.compile(
    rf"(?:请|麻烦|辛苦)(?:你|您|大家|各位|.{{1,6}}?)?{_LATER_ZH}?(?:帮忙?|再|先|把.{{1,20}}|给.{{1,10}})?(?:{_DONE_ZH})|"
    rf"(?:你|您)(?:来|去|记得|负责|能不能|可以)(?:{_DONE_ZH}|把.{{1,20}})"
)
_DUTY_ZH = re.compile(rf"(?:需要|必须|得|要|应该)(?:尽快)?(?:在.{{1,10}}前)?(?:把.{{1,20}})?(?:{_DONE_ZH})|记得")
_QUESTION_ZH = re.compile(r"[？?]|吗[。，]?$")
_NOT_TASK_ZH = re.compile(
    r"如果|要是|假如|不用|不需要|不必|没必要|不要|(?:已经|都)(?:做|写|发|改|完成)|请(?:问|说|讲|看|听)|"
    r"我(?:先|来)(?:说|讲|介绍|看|问)一?下"
)


def is_decision(sentence: str) -> bool:
    """Whether it says that something was decided."""
    plain = _plain(sentence)
    if _DECIDED_EN.search(plain):
        return not _NOT_DECIDED_EN.search(plain)
    return is_cjk(plain) and bool(_DECIDED_ZH.search(plain)) and not _NOT_DECIDED_ZH.search(plain)


def task(sentence: str, names: Collection[str]) -> Task | None:
    """What is to be done, if the sentence says so. ``names``: of those who were there."""
    plain = _plain(sentence)
    return (_task_zh if is_cjk(plain) else _task_en)(plain, names)


def _task_en(plain: str, names: Collection[str]) -> Task | None:
    if _NOT_TASK_EN.search(plain):
        return None
    named = _named(_tasks_of_en, plain, names)
    asks = "?" in plain
    if named is not None:
        owner = named
    elif _PROMISE_EN.search(plain) and not asks:
        owner = SPEAKER
    elif (
        _REQUEST_EN.search(plain)
        or _ITEM_EN.search(plain)
        or (not asks and _DUTY_EN.search(plain) and _DUE_EN.search(plain))
    ):
        owner = ""
    else:
        return None
    return Task(owner, _due(plain))


def _task_zh(plain: str, names: Collection[str]) -> Task | None:
    if _NOT_TASK_ZH.search(plain):
        return None
    named = _named(_tasks_of_zh, plain, names)
    asks = _QUESTION_ZH.search(plain) is not None
    if named is not None:
        owner = named
    elif _PROMISE_ZH.search(plain) and not asks:
        owner = SPEAKER
    elif (
        _REQUEST_ZH.search(plain)
        or _ITEM_ZH.search(plain)
        or (not asks and _DUTY_ZH.search(plain) and _DUE_ZH.search(plain))
    ):
        owner = ""
    else:
        return None
    return Task(owner, _due(plain))


def _named(tasks_of: Callable[[str], re.Pattern[str]], plain: str, names: Collection[str]) -> str | None:
    """Whose task it is, where the sentence names somebody who was there: by the whole name or the first part of it."""
    folded = plain.casefold()
    for name in names:
        for called in dict.fromkeys((name, *name.split()[:1])):
            if len(called) > 1 and called.casefold() in folded and tasks_of(called).search(plain):
                return name
    return None


@lru_cache(maxsize=512)
def _tasks_of_en(name: str) -> re.Pattern[str]:
    who = re.escape(name)
    return re.compile(
        rf"\b{who}(?:,? (?:can|could|would|will) you|,? please| will| is going to| needs to| has to|"
        rf" should|'ll)(?: please)? {_DO}|(?:action (?:item|point)|to-?do) for {who}\b|"
        rf"\b(?:assign(?:ed)? (?:it |this |that )?to|owned by) {who}\b",
        re.IGNORECASE,
    )


@lru_cache(maxsize=512)
def _tasks_of_zh(name: str) -> re.Pattern[str]:
    who = re.escape(name)
    return re.compile(
        rf"(?:由|让|请|麻烦|辛苦)\s*{who}\s*{_LATER_ZH}?(?:来|去|负责|帮忙?|把|给|跟|和|再|先|{_DONE_ZH})|"
        rf"{who}\s*[，,]?(?:你|您)?{_LATER_ZH}?(?:来|去|负责|记得)(?:负责|把.{{1,20}}|{_DONE_ZH})?",
        re.IGNORECASE,
    )


def _due(plain: str) -> str:
    found = _DUE_EN.search(plain) or _DUE_ZH.search(plain)
    return found[0] if found else ""


def _plain(sentence: str) -> str:
    return " ".join(sentence.replace("’", "'").split())
