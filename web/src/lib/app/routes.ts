/** Addresses of pages; pure. */

/** What administrators look after. */
export const ADMIN_SECTIONS = ['models', 'jobs', 'plugins', 'audit'] as const;
export type AdminSection = (typeof ADMIN_SECTIONS)[number];

export type Route =
  | { readonly page: 'start' }
  | { readonly page: 'login' }
  | { readonly page: 'register' }
  | { readonly page: 'setup' }
  | { readonly page: 'home' }
  | { readonly page: 'profile' }
  | { readonly page: 'meeting'; readonly key: string }
  | { readonly page: 'recordings' }
  /** Administrators' pages, each with its address below /admin. */
  | { readonly page: 'admin'; readonly section: AdminSection }
  /** What was said, searched. */
  | { readonly page: 'transcripts' }
  | { readonly page: 'recording'; readonly id: string }
  /** Of a meeting, whose id or code it has. */
  | { readonly page: 'report'; readonly id: string }
  | { readonly page: 'shared'; readonly token: string }
  | { readonly page: 'unknown' };

/** A meeting code: three groups of letters, as the server's ids module makes them. */
const CODE = /^[a-z]{3}-[a-z]{4}-[a-z]{3}$/;
/** A meeting id in a link works as well as its code. */
const ID = /^[a-z]+_[a-z0-9]{8,40}$/;
/** A share link's token is base64url (RFC 4648 §5), of whatever length the server likes. */
const TOKEN = /^[A-Za-z0-9_-]{8,256}$/;

export function parseRoute(path: string): Route {
  const parts = path.split('/').filter(Boolean);
  if (parts.length === 0) return { page: 'start' };
  const [name = '', detail] = parts;
  if (detail !== undefined) return parts.length === 2 ? parseDetail(name, detail) : { page: 'unknown' };
  switch (name) {
    case 'login':
    case 'register':
    case 'setup':
    case 'home':
    case 'profile':
    case 'recordings':
    case 'transcripts':
      return { page: name };
    case 'admin':
      return { page: 'admin', section: ADMIN_SECTIONS[0] };
  }
  const key = readMeetingKey(name);
  return key ? { page: 'meeting', key } : { page: 'unknown' };
}

function parseDetail(name: string, detail: string): Route {
  if (name === 'recordings' && ID.test(detail)) return { page: 'recording', id: detail };
  if (name === 'reports' && (ID.test(detail) || CODE.test(detail))) return { page: 'report', id: detail };
  const section = ADMIN_SECTIONS.find((one) => one === detail);
  if (name === 'admin' && section) return { page: 'admin', section };
  if (name === 'shared' && TOKEN.test(detail)) return { page: 'shared', token: detail };
  return { page: 'unknown' };
}

/** Where a sign-in leads: one of our own pages or a meeting, for a link must not send people elsewhere. */
export function afterSignIn(wanted: string): string {
  const route = parseRoute(wanted);
  switch (route.page) {
    case 'profile':
    case 'recordings':
    case 'transcripts':
      return `/${route.page}`;
    case 'admin':
      return `/admin/${route.section}`;
    case 'recording':
      return `/recordings/${route.id}`;
    case 'report':
      return `/reports/${route.id}`;
    case 'meeting':
      return `/${route.key}`;
    default:
      return '/home';
  }
}

/** The meeting that typed or pasted text names: a code with or without dashes, an id, or a whole link; else null. */
export function readMeetingKey(text: string): string | null {
  const last = text.trim().replace(/[?#].*$/, '').replace(/\/+$/, '').split('/').pop() ?? '';
  const lower = last.toLowerCase();
  if (CODE.test(lower) || ID.test(lower)) return lower;
  const letters = lower.replace(/[\s-]/g, '');
  if (/^[a-z]{10}$/.test(letters)) return `${letters.slice(0, 3)}-${letters.slice(3, 7)}-${letters.slice(7)}`;
  return null;
}
