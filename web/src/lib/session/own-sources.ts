/**
 * The user's own sources on the wire: makes the peer connection and the server agree with the devices.
 *
 * Owns when a source is published, paused and taken back; refuses to know who pressed what.
 */

import type { Devices } from '../media/devices.svelte';
import type { Mute, Source } from '../protocol/messages';
import type { Peer } from '../rtc/peer';

export class OwnSources {
  readonly #devices: Devices;
  readonly #send: (message: Mute) => void;
  #peer: Peer | null = null;

  constructor(devices: Devices, send: (message: Mute) => void) {
    this.#devices = devices;
    this.#send = send;
  }

  /** From now on with this peer; everything that is on is published on it. */
  async use(peer: Peer | null): Promise<void> {
    this.#peer = peer;
    await this.syncMicrophone();
    await this.syncCamera();
    if (this.#devices.screen) await this.publishScreen();
  }

  /** Publish what is on and was not there yet when the peer came. */
  async publishMissing(): Promise<void> {
    const { microphone, microphoneOn, camera } = this.#devices;
    if (microphone && microphoneOn && !this.#peer?.publishes('microphone')) await this.#peer?.publish('microphone', microphone);
    if (camera && !this.#peer?.publishes('camera')) await this.#peer?.publish('camera', camera);
  }

  async syncMicrophone(): Promise<void> {
    const { microphone, microphoneOn } = this.#devices;
    await this.#sync('microphone', microphoneOn ? microphone : null, microphone);
  }

  async syncCamera(): Promise<void> {
    await this.#sync('camera', this.#devices.camera, null);
  }

  async publishScreen(): Promise<void> {
    const { screen, screenAudio } = this.#devices;
    if (screen) await this.#peer?.publish('screen', screen);
    if (screenAudio) await this.#peer?.publish('screen_audio', screenAudio);
  }

  async unpublishScreen(): Promise<void> {
    await this.#peer?.unpublish('screen');
    await this.#peer?.unpublish('screen_audio');
  }

  /**
   * A source is published when it is first on, so that somebody who never switches the camera on costs nobody an
   * m-line; from then on it is muted and unmuted. `silent` is sent while muted.
   */
  async #sync(source: Source, on: MediaStreamTrack | null, silent: MediaStreamTrack | null): Promise<void> {
    const peer = this.#peer;
    if (!peer) return;
    const published = peer.publishes(source);
    if (on) await peer.publish(source, on);
    else if (!published) return;
    else if (silent) await peer.publish(source, silent);
    else await peer.pause(source);
    if (published) this.#send({ type: 'mute', source, muted: on === null });
  }
}
