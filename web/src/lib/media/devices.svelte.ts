/**
 * The user's own camera, microphone, speaker and shared screen. Owns capture and the choice of devices, which is
 * remembered; refuses to know connections and pages. A camera that is off is released, so that its light is out; a
 * muted microphone is kept and silent, so that unmuting takes no time.
 */

export type DeviceProblem = 'denied' | 'missing' | 'busy' | 'insecure';
export type DeviceKind = 'camera' | 'microphone' | 'speaker';

const STORAGE_KEY = 'parley.devices';

/** 720p at 30 is what the simulcast table is made for. */
const CAMERA: MediaTrackConstraints = {
  width: { ideal: 1280 },
  height: { ideal: 720 },
  frameRate: { ideal: 30, max: 30 },
  facingMode: 'user',
};
const MICROPHONE: MediaTrackConstraints = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };

interface Remembered {
  camera?: string;
  microphone?: string;
  speaker?: string;
  cameraOn?: boolean;
  microphoneOn?: boolean;
  mirror?: boolean;
}

export function classify(error: unknown): DeviceProblem {
  const name = error instanceof DOMException ? error.name : '';
  if (name === 'NotAllowedError' || name === 'SecurityError') return 'denied';
  if (name === 'NotFoundError' || name === 'OverconstrainedError') return 'missing';
  return 'busy';
}

export class Devices {
  list = $state.raw<readonly MediaDeviceInfo[]>([]);
  camera = $state.raw<MediaStreamTrack | null>(null);
  microphone = $state.raw<MediaStreamTrack | null>(null);
  screen = $state.raw<MediaStreamTrack | null>(null);
  screenAudio = $state.raw<MediaStreamTrack | null>(null);
  cameraOn = $state(false);
  microphoneOn = $state(false);
  cameraId = $state('');
  microphoneId = $state('');
  speakerId = $state('');
  mirror = $state(true);
  problem = $state<DeviceProblem | null>(null);
  cameraStarting = $state(false);
  /** 0 to 1, of the microphone that is on. */
  level = $state(0);

  /** Done when what startBoth began is done; whoever joins before that is seen and heard from then on. */
  starting: Promise<void> = Promise.resolve();

  /** Called when the device behind a track went away. */
  onLost: (kind: 'camera' | 'microphone') => void = () => undefined;
  /** Called when the user ended the share with the browser's own button. */
  onScreenEnded: () => void = () => undefined;

  #meter: { context: AudioContext; source: MediaStreamAudioSourceNode; timer: ReturnType<typeof setInterval> } | null = null;
  #cameraRun = 0;
  /** Counts stopAll(): what was started before it must not come up after it. */
  #run = 0;

  /** What was chosen last time, before anything is captured. */
  remember(): { cameraOn: boolean; microphoneOn: boolean } {
    const held = this.#read();
    this.cameraId = held.camera ?? '';
    this.microphoneId = held.microphone ?? '';
    this.speakerId = held.speaker ?? '';
    this.mirror = held.mirror ?? true;
    return { cameraOn: held.cameraOn ?? true, microphoneOn: held.microphoneOn ?? true };
  }

  of(kind: DeviceKind): readonly MediaDeviceInfo[] {
    const wanted = kind === 'camera' ? 'videoinput' : kind === 'microphone' ? 'audioinput' : 'audiooutput';
    return this.list.filter((device) => device.kind === wanted && device.deviceId !== '');
  }

  async refresh(): Promise<void> {
    this.list = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  }

  watch(): () => void {
    const changed = (): void => void this.refresh();
    navigator.mediaDevices?.addEventListener('devicechange', changed);
    return () => navigator.mediaDevices?.removeEventListener('devicechange', changed);
  }

  /** Start both at once, so that the browser asks once; what fails is tried apart. */
  startBoth(cameraOn: boolean, microphoneOn: boolean): Promise<void> {
    this.starting = this.#startBoth(cameraOn, microphoneOn);
    return this.starting;
  }

  async #startBoth(cameraOn: boolean, microphoneOn: boolean): Promise<void> {
    if (!navigator.mediaDevices) {
      this.problem = 'insecure';
      return;
    }
    this.problem = null;
    if (cameraOn && microphoneOn) {
      this.cameraStarting = true;
      try {
        const run = this.#run;
        const stream = await navigator.mediaDevices.getUserMedia({ video: this.#camera(), audio: this.#microphone() });
        if (run !== this.#run) {
          // The page was left while the browser asked.
          stream.getTracks().forEach((track) => track.stop());
          return;
        }
        this.#takeCamera(stream.getVideoTracks()[0] ?? null);
        this.#takeMicrophone(stream.getAudioTracks()[0] ?? null);
        this.#save();
        await this.refresh();
        return;
      } catch (error) {
        if (classify(error) === 'denied') {
          this.problem = 'denied';
          return;
        }
      } finally {
        this.cameraStarting = false;
      }
    }
    // One of the two is missing or busy, or only one is wanted: each on its own.
    const problems: (DeviceProblem | null)[] = [];
    if (microphoneOn) problems.push(await this.startMicrophone());
    if (cameraOn) problems.push(await this.startCamera());
    const found = problems.filter((one) => one !== null);
    this.problem = found.length > 0 && found.length === problems.length ? (found[0] ?? null) : null;
    await this.refresh();
  }

  async startCamera(): Promise<DeviceProblem | null> {
    if (!navigator.mediaDevices) return 'insecure';
    const run = ++this.#cameraRun;
    this.cameraStarting = true;
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ video: this.#camera() });
      const track = stream.getVideoTracks()[0] ?? null;
      if (run !== this.#cameraRun) {
        track?.stop();
        return null;
      }
      this.#takeCamera(track);
      this.#save();
      return null;
    } catch (error) {
      return await this.#fallBack(error, 'cameraId', () => this.startCamera());
    } finally {
      if (run === this.#cameraRun) this.cameraStarting = false;
    }
  }

  stopCamera(): void {
    this.#cameraRun += 1;
    this.cameraStarting = false;
    this.#takeCamera(null);
    this.#save();
  }

  async startMicrophone(): Promise<DeviceProblem | null> {
    if (!navigator.mediaDevices) return 'insecure';
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ audio: this.#microphone() });
      this.#takeMicrophone(stream.getAudioTracks()[0] ?? null);
      this.#save();
      return null;
    } catch (error) {
      return await this.#fallBack(error, 'microphoneId', () => this.startMicrophone());
    }
  }

  /** Mute or unmute; the track is kept. False: there is no track yet and one has to be started. */
  setMicrophoneOn(on: boolean): boolean {
    if (!this.microphone) return false;
    this.microphone.enabled = on;
    this.microphoneOn = on;
    if (!on) this.level = 0;
    this.#save();
    return true;
  }

  async startScreen(): Promise<void> {
    const stream = await navigator.mediaDevices.getDisplayMedia({
      video: { frameRate: { ideal: 15, max: 30 } },
      audio: true,
    });
    const track = stream.getVideoTracks()[0] ?? null;
    if (!track) throw new DOMException('no picture', 'NotFoundError');
    track.contentHint = 'detail';
    track.onended = () => this.onScreenEnded();
    this.screen = track;
    this.screenAudio = stream.getAudioTracks()[0] ?? null;
  }

  stopScreen(): void {
    this.screen?.stop();
    this.screenAudio?.stop();
    this.screen = null;
    this.screenAudio = null;
  }

  choose(kind: DeviceKind, id: string): void {
    if (kind === 'camera') this.cameraId = id;
    else if (kind === 'microphone') this.microphoneId = id;
    else this.speakerId = id;
    this.#save();
  }

  setMirror(mirror: boolean): void {
    this.mirror = mirror;
    this.#save();
  }

  stopAll(): void {
    // Not remembered: leaving a meeting is not a wish to have the camera off in the next one.
    this.#run += 1;
    this.#cameraRun += 1;
    this.#takeCamera(null);
    this.#takeMicrophone(null);
    this.stopScreen();
  }

  #camera(): MediaTrackConstraints {
    return this.cameraId ? { ...CAMERA, deviceId: { exact: this.cameraId } } : CAMERA;
  }

  #microphone(): MediaTrackConstraints {
    return this.microphoneId ? { ...MICROPHONE, deviceId: { exact: this.microphoneId } } : MICROPHONE;
  }

  /** A chosen device that is gone must not keep the user out: try again with whatever there is. */
  async #fallBack(
    error: unknown,
    key: 'cameraId' | 'microphoneId',
    again: () => Promise<DeviceProblem | null>,
  ): Promise<DeviceProblem | null> {
    const problem = classify(error);
    if (problem !== 'missing' || this[key] === '') return problem;
    this[key] = '';
    return again();
  }

  #takeCamera(track: MediaStreamTrack | null): void {
    this.camera?.stop();
    if (track) {
      track.contentHint = 'motion';
      track.onended = () => this.onLost('camera');
    }
    this.camera = track;
    this.cameraOn = track !== null;
  }

  #takeMicrophone(track: MediaStreamTrack | null): void {
    this.#stopMeter();
    this.microphone?.stop();
    this.microphone = track;
    this.microphoneOn = track !== null;
    this.level = 0;
    if (track) {
      track.onended = () => this.onLost('microphone');
      this.#startMeter(track);
    }
  }

  #startMeter(track: MediaStreamTrack): void {
    const context = new AudioContext();
    const source = context.createMediaStreamSource(new MediaStream([track]));
    const analyser = context.createAnalyser();
    analyser.fftSize = 512;
    source.connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    // 12 pictures a second look smooth with the meter's own easing and cost next to nothing.
    const timer = setInterval(() => {
      if (!this.microphoneOn) return;
      analyser.getFloatTimeDomainData(samples);
      this.level = loudness(samples);
    }, 80);
    this.#meter = { context, source, timer };
  }

  #stopMeter(): void {
    if (!this.#meter) return;
    clearInterval(this.#meter.timer);
    this.#meter.source.disconnect();
    void this.#meter.context.close();
    this.#meter = null;
  }

  #read(): Remembered {
    try {
      return JSON.parse(localStorage.getItem(STORAGE_KEY) ?? '{}') as Remembered;
    } catch {
      // Somebody else's text under our key: as good as nothing remembered.
      return {};
    }
  }

  #save(): void {
    const held: Remembered = {
      camera: this.cameraId,
      microphone: this.microphoneId,
      speaker: this.speakerId,
      cameraOn: this.cameraOn,
      microphoneOn: this.microphoneOn,
      mirror: this.mirror,
    };
    localStorage.setItem(STORAGE_KEY, JSON.stringify(held));
  }
}

/** Root mean square on a scale from −60 dB (0) to 0 dB (1), as people hear it. */
export function loudness(samples: Float32Array): number {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  const decibel = 10 * Math.log10(sum / samples.length + 1e-12);
  return Math.min(1, Math.max(0, (decibel + 60) / 60));
}
