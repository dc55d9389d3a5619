// Replaces the camera and the microphone by ones that flash white and beep at the same moment, once a second for a
// fifth of it: what a recording shows must lie as close together as it was. `window.beepFlash = {rgb, hz}` before.
// A busy machine draws a flash late: `window.beepFlashLate` has by how many seconds, of each.
(() => {
  const FPS = 30, ON_S = 0.2;
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    const {rgb, hz} = window.beepFlash;
    const tracks = [];
    const context = (window.beepFlashContext ??= new AudioContext({sampleRate: 48000}));
    await context.resume();
    if (wanted.audio) {
      const tone = new OscillatorNode(context, {frequency: hz});
      const gate = new GainNode(context, {gain: 0});
      const out = new MediaStreamAudioDestinationNode(context, {channelCount: 1});
      tone.connect(gate).connect(out);
      tone.start();
      const beep = (second) => {
        gate.gain.setValueAtTime(0.5, second);
        gate.gain.setValueAtTime(0, second + ON_S);
      };
      let next = Math.ceil(context.currentTime + 0.1);
      setInterval(() => { while (next < context.currentTime + 2) beep(next++); }, 200);
      tracks.push(...out.stream.getAudioTracks());
    }
    if (wanted.video) {
      const canvas = new OffscreenCanvas(320, 180);
      const pen = canvas.getContext('2d');
      const generator = new MediaStreamTrackGenerator({kind: 'video'});
      const writer = generator.writable.getWriter();
      const late = (window.beepFlashLate = []);
      let number = 0, was = true;
      setInterval(() => {
        const since = context.currentTime % 1, on = since < ON_S;
        if (on && !was) late.push(since);
        was = on;
        pen.fillStyle = on ? 'white' : `rgb(${rgb})`;
        pen.fillRect(0, 0, 320, 180);
        pen.fillStyle = 'black';  // something moves, so that a still picture is told from a live one
        pen.fillRect((number++ * 5) % 320, 170, 10, 10);
        const frame = new VideoFrame(canvas, {timestamp: performance.now() * 1000});
        if (writer.desiredSize > 0) writer.write(frame); else frame.close();
      }, 1000 / FPS);
      tracks.push(generator);
    }
    return new MediaStream(tracks);
  };
})();
