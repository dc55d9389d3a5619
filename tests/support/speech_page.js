// A microphone that says what a test gives it, when it is told to, and an ear for captions.
// `speechPage.speak(base64 of a WAV file)` resolves when it was said, with when that began and ended (Unix ms).
// `speechPage.frames`: frames of types caption and captions, each with `heard_ms`. `speechPage.send(message)`.
(() => {
  const page = (window.speechPage = {frames: [], socket: null});
  const Socket = window.WebSocket;
  window.WebSocket = class extends Socket {
    constructor(...given) {
      super(...given);
      page.socket = this;
      this.addEventListener('message', (event) => {
        const frame = JSON.parse(event.data);
        if (frame.type === 'caption' || frame.type === 'captions') page.frames.push({...frame, heard_ms: Date.now()});
      });
    }
  };
  page.send = (message) => page.socket.send(JSON.stringify(message));

  let context, out;
  const open = async () => {
    if (!context) {
      context = new AudioContext({sampleRate: 48000});
      out = new MediaStreamAudioDestinationNode(context, {channelCount: 1});
    }
    await context.resume();
  };
  const devices = navigator.mediaDevices;
  const getUserMedia = devices.getUserMedia.bind(devices);
  devices.getUserMedia = async (wanted) => {
    await open();
    const stream = wanted.video ? await getUserMedia({video: wanted.video}) : new MediaStream();
    if (wanted.audio) for (const track of out.stream.getAudioTracks()) stream.addTrack(track.clone());
    return stream;
  };
  page.speak = async (wav) => {
    await open();
    const bytes = Uint8Array.from(atob(wav), (char) => char.charCodeAt(0));
    const source = new AudioBufferSourceNode(context, {buffer: await context.decodeAudioData(bytes.buffer)});
    source.connect(out);
    const began_ms = Date.now();
    const ended = new Promise((resolve) => (source.onended = resolve));
    source.start();
    await ended;
    return {began_ms, ended_ms: Date.now()};
  };
})();
