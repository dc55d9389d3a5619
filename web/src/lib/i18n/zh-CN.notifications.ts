import type { enNotifications } from './en.notifications';

/** 通知的文字。 */
export const zhCNNotifications: Record<keyof typeof enNotifications, string> = {
  'notifications.title': '通知',
  'notifications.none': '此服务器不会主动发送通知：管理员可启用邮件或 Webhook 插件。',
  'notifications.language': '通知语言',
  'notifications.timeZone': '时区',
  'notifications.of': '通知内容',
  'notifications.test': '发送测试',
  'notifications.tested': '测试已发出，结果见下方。',
  'notifications.history': '已发送的通知',
  'notifications.nothing': '尚未发送任何通知。',
  'notifications.kind.registered': '我的新账号',
  'notifications.kind.loggedIn': '异常登录',
  'notifications.kind.invited': '会议邀请',
  'notifications.kind.updated': '会议变更',
  'notifications.kind.cancelled': '会议取消',
  'notifications.kind.reminder': '会议提醒',
  'notifications.kind.processed': '录制已就绪',
  'notifications.kind.recordingFailed': '录制失败',
  'notifications.kind.deepfake': '可能不真实的画面',
  'notifications.kind.test': '测试',
  'notifications.state.waiting': '等待中',
  'notifications.state.sent': '已发送',
  'notifications.state.failed': '未送达',
  'notifications.state.skipped': '已跳过',
};
