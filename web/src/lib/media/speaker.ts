/** Where sound comes out. */

/** Firefox before 116 and Safari choose the speaker in the system only. */
export const canChooseSpeaker = typeof HTMLMediaElement !== 'undefined' && 'setSinkId' in HTMLMediaElement.prototype;

/** Send an element's sound to a speaker; an empty id is the system's choice. A speaker that is gone changes nothing. */
export async function useSpeaker(element: HTMLMediaElement, id: string): Promise<void> {
  if (!canChooseSpeaker || element.sinkId === id) return;
  try {
    await element.setSinkId(id);
  } catch (error) {
    if (!(error instanceof DOMException)) throw error;
    if (id !== '') await element.setSinkId('');
  }
}

/** Two soft notes, C5 and G5, made here so that nothing has to be fetched. */
export async function playTestSound(id: string): Promise<void> {
  const context = new AudioContext();
  const output = context.createMediaStreamDestination();
  [523.25, 783.99].forEach((frequency, index) => {
    const at = context.currentTime + 0.05 + index * 0.28;
    const gain = context.createGain();
    gain.gain.setValueAtTime(0, at);
    gain.gain.linearRampToValueAtTime(0.25, at + 0.03);
    gain.gain.exponentialRampToValueAtTime(0.001, at + 0.5);
    const tone = context.createOscillator();
    tone.frequency.value = frequency;
    tone.connect(gain).connect(output);
    tone.start(at);
    tone.stop(at + 0.55);
  });
  const player = new Audio();
  player.srcObject = output.stream;
  await useSpeaker(player, id);
  await player.play();
  setTimeout(() => {
    player.srcObject = null;
    void context.close();
  }, 1_200);
}
