import { describe, expect, it } from 'vitest';

import { activate, activateAll, changeParameters } from './layers';

/** A sender that refuses parameters of another transaction, as browsers do. */
class Sender {
  parameters = { transactionId: '0', encodings: [{ rid: 'q' }, { rid: 'h' }] as RTCRtpEncodingParameters[] };
  #count = 0;

  getParameters(): RTCRtpSendParameters {
    this.#count += 1;
    this.parameters.transactionId = String(this.#count);
    return structuredClone(this.parameters) as unknown as RTCRtpSendParameters;
  }

  async setParameters(parameters: RTCRtpSendParameters): Promise<void> {
    await new Promise((done) => setTimeout(done, 1));
    if (parameters.transactionId !== this.parameters.transactionId) throw new Error('InvalidModificationError');
    this.parameters.encodings = parameters.encodings;
  }
}

const on = (encodings: readonly RTCRtpEncodingParameters[]): (boolean | undefined)[] => encodings.map((one) => one.active);

describe('layers of a sender', () => {
  it('are switched by rid, whatever their order', () => {
    const encodings: RTCRtpEncodingParameters[] = [{ rid: 'q' }, { rid: 'h' }, { rid: 'f' }];
    activate(encodings, [
      { rid: 'f', active: false },
      { rid: 'q', active: true },
    ]);
    expect(on(encodings)).toEqual([true, undefined, false]);
    activateAll(encodings);
    expect(on(encodings)).toEqual([true, true, true]);
    const single: RTCRtpEncodingParameters[] = [{}];
    activate(single, [{ rid: null, active: false }]);
    expect(on(single)).toEqual([false]);
  });

  it('change one after the other, and a failed change holds up nobody', async () => {
    const sender = new Sender();
    const as = sender as unknown as RTCRtpSender;
    const failing = changeParameters(as, () => {
      throw new Error('no');
    });
    const changes = [false, true, false].map((active) =>
      changeParameters(as, (parameters) => activate(parameters.encodings, [{ rid: 'h', active }])),
    );
    await expect(failing).rejects.toThrow('no');
    await Promise.all(changes);
    expect(on(sender.parameters.encodings)).toEqual([undefined, false]);
  });
});
