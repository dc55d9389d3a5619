/**
 * The analysis of pictures as one sits in the meeting: keeps the board up to date, asks the server to switch it, says
 * whether one's own picture may be analysed, reads and dismisses alerts.
 *
 * Owns the calls and the notice of an alert; refuses to know what marks and alerts mean, which is in state/vision.
 */

import { ApiError } from '../api/client';
import { api } from '../api/endpoints';
import { problemText } from '../api/problem';
import { toasts } from '../app/toasts.svelte';
import { keepVisionAnswer, keptVisionAnswer } from '../app/vision-answer';
import { language, t } from '../i18n/index.svelte';
import type { AnyClientMessage, AnyServerMessage } from '../protocol/messages';
import { mayModerate, self, type LocalEvent, type RoomView } from '../state/room';
import { asksVision, emptyVisionBoard, reduceVision, scoreText, type Alert, type Analysis, type VisionBoard } from '../state/vision';

/** What is needed of the stay in the room. */
interface Stay {
  readonly view: RoomView;
  readonly grant: { readonly guest: boolean };
  apply(event: LocalEvent): void;
  send(message: AnyClientMessage): void;
}

/** Begins the `ref` of what was asked on the socket. */
const REF = 'vision-';

function alertText(alert: Alert): string {
  return t(`alert.toast.${alert.kind}`, { name: alert.name, score: scoreText(alert.score, language.current) });
}

export class LiveVision {
  board = $state.raw<VisionBoard>(emptyVisionBoard);
  /** The alert whose evidence is being looked at. */
  shown = $state.raw<Alert | null>(null);
  /** Alerts that came before could not be read. */
  unread = $state(false);
  /** An alert is being dismissed. */
  busy = $state(false);
  readonly #stay: Stay;
  /** The notices of alerts, by the alert. */
  readonly #toasts = new Map<string, number>();

  constructor(stay: Stay) {
    this.#stay = stay;
  }

  received(message: AnyServerMessage): void {
    this.board = reduceVision(this.board, message);
    if (message.type !== 'vision_alert') return;
    const alert = this.board.alerts.find((one) => one.id === message.alert_id);
    if (!alert) return;
    this.#toasts.set(alert.id, toasts.show(alertText(alert), 'warn', { label: t('alert.look'), act: () => this.look(alert) }));
  }

  /** Open the evidence; the notice has done its work. */
  look(alert: Alert): void {
    this.shown = alert;
    this.#seen(alert);
  }

  /** For everybody; hosts and co-hosts may. */
  set(analysis: Analysis, on: boolean): void {
    const none = { emotion: null, deepfake: null };
    this.#stay.send({ type: 'vision', ...none, [analysis]: on, ref: `${REF}${analysis}` });
  }

  /** Whether one's own picture may be analysed. */
  answer(accepted: boolean): void {
    keepVisionAnswer(this.#stay.view.meetingId, accepted);
    this.#stay.apply({ type: 'local-vision-answered', accepted });
    this.#stay.send({ type: 'vision_consent', accepted });
  }

  /** A new session does not know what was answered before; a resumed one may have lost it with its socket. */
  entered(): void {
    const kept = keptVisionAnswer(this.#stay.view.meetingId);
    if (kept !== null && asksVision(this.#stay.view)) this.answer(kept);
  }

  /** True when the error was the answer to something asked here, and has been shown. */
  refused(error: Extract<AnyServerMessage, { type: 'error' }>): boolean {
    if (!error.ref?.startsWith(REF)) return false;
    toasts.show(problemText(new ApiError(400, error.code, error.message, error.field)), 'warn');
    return true;
  }

  /** Read the alerts of this meeting that came before. Who has no account has only those that come while they are here. */
  async readAlerts(): Promise<void> {
    if (this.#stay.grant.guest || !mayModerate(self(this.#stay.view))) return;
    try {
      const { alerts } = await api.alerts(this.#stay.view.meetingId);
      this.board = reduceVision(this.board, { type: 'local-alerts', alerts });
      this.unread = false;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.unread = true;
    }
  }

  /** Delete the alert and its picture for all hosts. True when it is gone. */
  async dismiss(alert: Alert): Promise<boolean> {
    if (this.busy) return false;
    this.busy = true;
    try {
      await api.dismissAlert(alert.id);
    } catch (error) {
      // Another host was quicker: what was wanted is done.
      if (!(error instanceof ApiError) || error.status !== 404) {
        toasts.show(problemText(error), 'warn');
        return false;
      }
    } finally {
      this.busy = false;
    }
    this.#seen(alert);
    this.board = reduceVision(this.board, { type: 'local-alert-dismissed', id: alert.id });
    toasts.show(t('toast.alertDismissed'));
    return true;
  }

  #seen(alert: Alert): void {
    const toast = this.#toasts.get(alert.id);
    if (toast !== undefined) toasts.dismiss(toast);
    this.#toasts.delete(alert.id);
  }
}
