import type { enSearch } from './en.search';

/** 搜索会议发言的文字。 */
export const zhCNSearch: Record<keyof typeof enSearch, string> = {
  'search.title': '搜索文字记录',
  'search.short': '文字记录',
  'search.label': '会上说过的话',
  'search.hint': '在你可以查看的所有会议文字记录中查找，最近的排在前面。',
  'search.go': '搜索',
  'search.meeting': '会议',
  'search.allMeetings': '所有会议',
  'search.speaker': '发言人',
  'search.everybody': '所有人',
  'search.results': '搜索结果',
  'search.found_one': '{count} 句发言',
  'search.found_other': '{count} 句发言',
  'search.foundMore': '已显示 {count} 句发言，还有更多',
  'search.noneTitle': '没有找到',
  'search.noneText': '在你可以查看的记录里没有人这样说过。请少写几个字，或换一种写法。',
  'search.read': '在文字记录中查看：{name}，{time}',
  'search.watch': '从 {time} 观看',
  'search.watchTitle': '从 {time} 开始观看录制：{name}',
};
